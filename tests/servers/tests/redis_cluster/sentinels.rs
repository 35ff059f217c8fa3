//! Sentinels that lie, hang, or are late to know.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    LIMIT, Script, Server, Trio, cluster::short, entry, failing, in_time, key, script::master_at,
    sentinel::SERVICE, until,
};

fn impatient(sentinels: &[String]) -> RedisBackend {
    short(RedisBackend::sentinel_builder(SERVICE, sentinels)).build().unwrap()
}

/// A sentinel that says that the master is at this port.
async fn naming(port: u16) -> Script {
    Script::start(move |_| Some(master_at(port))).await
}

#[tokio::test]
async fn server_that_is_no_master_is_not_used_and_another_sentinel_asked() {
    let master = Server::start();
    let replica = Server::start();
    let _: () = replica.admin(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    let (late, right) = (naming(replica.port).await, naming(master.port).await);
    let only_late = impatient(&[late.url()]);
    for _ in 0..3 {
        assert_eq!(failing(only_late.get(&key(1))).await, Kind::Transient);
    }
    let both = impatient(&[late.url(), right.url()]);
    until("the other sentinel is asked", async || in_time(both.get(&key(1))).await.is_ok()).await;
    both.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(master.admin::<usize>(&["EXISTS", key(1).as_str()]), 1);
    // The one that was late no longer is.
    let port = master.port;
    late.play(move |_| Some(master_at(port)));
    until("the sentinel is believed", async || in_time(only_late.get(&key(1))).await.is_ok()).await;
}

#[tokio::test]
async fn sentinels_that_hang_or_are_down_or_know_nothing_are_passed_over() {
    let master = Server::start();
    let (hung, right) = (Script::start(|_| None).await, naming(master.port).await);
    let ignorant = Script::start(|_| Some(b"*-1\r\n".to_vec())).await;
    let denied = Script::start(|_| Some(b"-NOPERM no\r\n".to_vec())).await;
    let down = "redis://127.0.0.1:1".to_owned();
    let backend =
        RedisBackend::sentinel(SERVICE, [hung.url(), ignorant.url(), denied.url(), down, right.url()])
            .unwrap();
    let since = Instant::now();
    assert!(in_time(backend.get(&key(1))).await.unwrap().is_none());
    println!("one hung sentinel cost {:?}", since.elapsed());
    // From then on the one that answered is asked first.
    let _: usize = master.admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let before = hung.accepted();
    until("the master is found again", async || in_time(backend.get(&key(1))).await.is_ok()).await;
    assert_eq!(hung.accepted(), before);
}

#[tokio::test]
async fn answers_of_sentinels_are_typed_and_heal() {
    let master = Server::start();
    for (answer, kind) in [
        ("*-1\r\n", Kind::Misconfigured),
        ("$-1\r\n", Kind::Misconfigured),
        ("-NOAUTH hunter2\r\n", Kind::Denied),
        ("-ERR hunter2\r\n", Kind::Rejected),
        ("+hunter2\r\n", Kind::Rejected),
        ("hunter2\r\n", Kind::Rejected),
        ("*2\r\n$7\r\nhunter2\r\n$5\r\n99999\r\n", Kind::Rejected),
        ("*2\r\n$0\r\n\r\n$1\r\n1\r\n", Kind::Rejected),
        ("*3\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\n1\r\n", Kind::Rejected),
        ("*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n", Kind::Transient),
    ] {
        let sentinel = Script::start(move |_| Some(answer.into())).await;
        let backend = impatient(&[sentinel.url()]);
        for _ in 0..2 {
            let err = in_time(backend.get(&key(1))).await.unwrap_err();
            assert_eq!(err.kind(), kind, "{answer}");
            assert!(!format!("{err:?} {err}").to_lowercase().contains("hunter"), "{err:?}");
        }
        let port = master.port;
        sentinel.play(move |_| Some(master_at(port)));
        until("the backend heals", async || in_time(backend.get(&key(1))).await.is_ok()).await;
    }
    let endless =
        Script::start(|_| Some([b"$9000000000000000000\r\n".to_vec(), vec![0; 8 << 20]].concat())).await;
    assert_eq!(failing(impatient(&[endless.url()]).get(&key(1))).await, Kind::Rejected);
    let hung = Script::start(|_| None).await;
    let since = Instant::now();
    assert_eq!(failing(impatient(&[hung.url(), hung.url()]).get(&key(1))).await, Kind::Timeout);
    assert!(since.elapsed() < LIMIT * 2 + Duration::from_millis(500));
}

#[tokio::test]
async fn answers_to_role_are_typed() {
    for (role, kind) in [
        ("*1\r\n$5\r\nslave\r\n", Kind::Transient),
        ("*1\r\n$8\r\nsentinel\r\n", Kind::Transient),
        ("-NOPERM hunter2\r\n", Kind::Denied),
        ("-ERR hunter2\r\n", Kind::Rejected),
        ("*0\r\n", Kind::Rejected),
        ("+hunter2\r\n", Kind::Rejected),
    ] {
        let server = Script::start(move |_| Some(role.into())).await;
        let sentinel = naming(server.port).await;
        let err = in_time(impatient(&[sentinel.url()]).get(&key(1))).await.unwrap_err();
        assert_eq!(err.kind(), kind, "{role}");
        assert!(!format!("{err:?}").contains("hunter"), "{err:?}");
    }
}

/// A failover that is asked for: the old master goes on as a replica.
#[tokio::test]
async fn demoted_master_is_given_up() {
    let trio = <Trio as blindcache_server_tests::Store>::start().await;
    let backend = Trio::impatient(&trio);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let old = trio.master();
    let _: String = trio.sentinels[0].admin(&["SENTINEL", "FAILOVER", SERVICE]);
    until("another is the master", async || trio.master() != old).await;
    until("writes succeed", async || in_time(backend.set(&key(2), entry(2, 200), None)).await.is_ok()).await;
    trio.settled().await;
    backend.set(&key(3), entry(3, 200), None).await.unwrap();
    assert_eq!(trio.servers[trio.master()].admin::<usize>(&["EXISTS", key(3).as_str()]), 1);
}

/// A master that becomes a replica but keeps its connections: `READONLY` has the sentinels asked again.
#[tokio::test]
async fn read_only_answers_have_the_sentinels_asked_again() {
    let (old, new) = (Server::start(), Server::start());
    let sentinel = naming(old.port).await;
    let backend = impatient(&[sentinel.url()]);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let port = new.port;
    sentinel.play(move |_| Some(master_at(port)));
    let _: () = old.admin(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Transient);
    until("the new master is asked", async || backend.set(&key(1), entry(1, 200), None).await.is_ok()).await;
    assert_eq!(new.admin::<usize>(&["EXISTS", key(1).as_str()]), 1);
    until("the sentinel's connections end", async || sentinel.open() == 0).await;
}
