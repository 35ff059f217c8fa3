//! What is logged at the highest level on the way to a cluster and to a service: no password, no name, no entry.

use std::sync::Mutex;

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    Cluster, LIMIT, Options, Server, Trio, cluster::MASTERS, entry, failing, in_time, key, sentinel::SERVICE,
    until,
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// A number of this test alone, since others log into the same lines.
const NUMBER: u64 = 0x7E57_AB1E_0000_0001;

async fn calls(backend: &RedisBackend) {
    let keys = [key(NUMBER), key(NUMBER + 1), key(NUMBER + 2)];
    let writes = keys.clone().map(|key| (key, entry(NUMBER, 200), None));
    backend.set_many(writes.into()).await.unwrap();
    backend.set(&keys[0], entry(NUMBER, 200), None).await.unwrap();
    assert!(backend.get(&keys[0]).await.unwrap().is_some());
    assert_eq!(backend.get_many(&keys).await.unwrap().len(), 3);
    assert!(backend.exists(&keys[0]).await.unwrap());
    assert!(backend.delete(&keys[0]).await.unwrap());
    backend.delete_many(&keys).await.unwrap();
    backend.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_logged_that_is_secret() {
    log::set_logger(&Lines).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    log::trace!("the control: {}", key(NUMBER + 9).as_str());

    let config = "user app on >qu1etpass ~* &* +@all\n";
    let options = || Options { config: config.into(), ..Options::default() };
    let mut cluster = Cluster::of(MASTERS, MASTERS, options).await;
    let urls = |login: &str| {
        cluster.nodes.iter().map(|it| it.url().replace("//", &format!("//{login}@"))).collect::<Vec<_>>()
    };
    let backend =
        RedisBackend::cluster_builder(urls("app:qu1etpass")).response_timeout(LIMIT).build().unwrap();
    calls(&backend).await;
    let wrong = RedisBackend::cluster(urls("app:qu1etpass0")).unwrap();
    assert_eq!(failing(wrong.get(&key(NUMBER))).await, Kind::Denied);
    let slot = blindcache_server_tests::cluster::slot_of(&cluster.nodes[0], &key(NUMBER));
    let at = cluster.master_of(&key(NUMBER));
    cluster.move_slot(slot, at, (at + 1) % MASTERS, async || calls(&backend).await).await;
    let at = cluster.master_of(&key(NUMBER + 1));
    cluster.kill(at);
    until("calls fail", async || in_time(backend.get(&key(NUMBER + 1))).await.is_err()).await;

    let trio = Trio::with(config, "").await;
    let service = |password: &str| format!("redis://app:{password}@{SERVICE}");
    let backend = RedisBackend::sentinel(&service("qu1etpass"), trio.urls()).unwrap();
    calls(&backend).await;
    let wrong = RedisBackend::sentinel(&service("qu1etpass0"), trio.urls()).unwrap();
    assert_eq!(failing(wrong.get(&key(NUMBER))).await, Kind::Denied);
    let master: &Server = &trio.servers[trio.master()];
    let _: usize = master.admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    until("calls succeed", async || in_time(backend.get(&key(NUMBER))).await.is_ok()).await;

    let lines = LINES.lock().unwrap();
    let with = |mark: &str| lines.iter().filter(|line| line.contains(mark)).collect::<Vec<_>>();
    assert_eq!(with(key(NUMBER + 9).as_str()).len(), 1, "nothing is listened to");
    assert_eq!(with("qu1etpass"), Vec::<&String>::new());
    for number in NUMBER..NUMBER + 3 {
        assert_eq!(with(key(number).as_str()), Vec::<&String>::new());
    }
    println!("{} lines", lines.len());
}
