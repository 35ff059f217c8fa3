//! What a caller sees of a store that misbehaves: a row of a table for each way to Redis, and that it passes without a
//! restart.

use std::time::Duration;

use blindcache::{
    Backend, BackendErrorKind as Kind, EncryptedBackend, Keyring, MasterKey, RedisBackend, testing::Clock,
};
use blindcache_server_tests::{
    Fault, LIMIT, Lone, Proxy, Remote, Script, Server, Trio, each_method, entry, failing, healed, in_time,
    key,
    script::{all_slots_at, master_at},
};

/// A way to Redis.
trait Way: Remote<Backend = RedisBackend> {
    const LABEL: &'static str;

    /// The server that holds the entries.
    fn server(&self) -> &Server;

    /// A backend that asks this port for all that there is to be asked.
    fn at(url: String) -> RedisBackend;
}

impl Way for Server {
    const LABEL: &'static str = "`redis`";

    fn server(&self) -> &Server {
        self
    }

    fn at(url: String) -> RedisBackend {
        RedisBackend::new(&url).unwrap()
    }
}

impl Way for Lone {
    const LABEL: &'static str = "`redis`, cluster";

    fn server(&self) -> &Server {
        &self.0
    }

    fn at(url: String) -> RedisBackend {
        RedisBackend::cluster([url]).unwrap()
    }
}

impl Way for Trio {
    const LABEL: &'static str = "`redis`, Sentinel";

    fn server(&self) -> &Server {
        &self.servers[self.master()]
    }

    fn at(url: String) -> RedisBackend {
        RedisBackend::sentinel("mymaster", [url]).unwrap()
    }
}

async fn row<W: Way>() {
    let store = W::start().await;
    let row = [
        down(&store).await,
        hung(&store).await,
        throttling(&store).await,
        lying::<W>().await,
        ignoring_ttl(&store).await,
        garbage(&store).await,
    ];
    println!("| {} | {} |", W::LABEL, row.join(" | "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_server_is_a_typed_error_or_a_miss() {
    row::<Server>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_cluster_is_a_typed_error_or_a_miss() {
    row::<Lone>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_service_is_a_typed_error_or_a_miss() {
    row::<Trio>().await;
}

/// Calls of every method end with this kind, each within both limits and some time for a busy machine.
async fn all(backend: &RedisBackend, expected: Kind) {
    assert_eq!(each_method(backend, 2 * LIMIT + Duration::from_secs(2)).await, [Err(expected); 8]);
}

/// The backend takes and gives an entry again, without having been made anew.
async fn recovers(backend: &RedisBackend) {
    healed(backend).await;
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

async fn down(store: &impl Way) -> &'static str {
    let mut proxy = Proxy::start(store.server().port).await;
    let backend = store.impatient(proxy.port);
    recovers(&backend).await;
    proxy.close().await;
    all(&backend, Kind::Transient).await;
    proxy.open();
    recovers(&backend).await;
    "`Transient`, at once"
}

async fn hung(store: &impl Way) -> &'static str {
    let proxy = Proxy::start(store.server().port).await;
    let backend = store.impatient(proxy.port);
    recovers(&backend).await;
    proxy.set(Fault::BlackHole);
    all(&backend, Kind::Timeout).await;
    proxy.set(Fault::None);
    recovers(&backend).await;
    "`Timeout`, at its limit or at once"
}

/// Redis asks nobody to wait; out of memory it takes no writes.
async fn throttling(store: &impl Way) -> &'static str {
    let backend = store.impatient(store.port());
    recovers(&backend).await;
    let _: () = store.server().admin(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(failing(backend.set(&key(2), entry(2, 200), None)).await, Kind::Throttled);
    assert_eq!(failing(backend.set_many(vec![(key(2), entry(2, 200), None)])).await, Kind::Throttled);
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    let _: () = store.server().admin(&["CONFIG", "SET", "maxmemory", "0"]);
    recovers(&backend).await;
    "writes `Throttled`, reads as ever"
}

/// Of no consequence, since a get says what is there.
async fn lying<W: Way>() -> &'static str {
    let script = Script::start(|_| None).await;
    let port = script.port;
    script.play(move |words| {
        Some(match &*words[0] {
            "CLUSTER" => all_slots_at(port),
            "SENTINEL" => master_at(port),
            "ROLE" => b"*1\r\n$6\r\nmaster\r\n".to_vec(),
            "EXISTS" if words[1] == key(1).as_str() => b":0\r\n".to_vec(),
            "EXISTS" => b":1\r\n".to_vec(),
            _ if words[1] == key(1).as_str() => b"$1\r\nx\r\n".to_vec(),
            _ => b"$-1\r\n".to_vec(),
        })
    });
    let backend = W::at(script.url());
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert!(in_time(backend.exists(&key(2))).await.unwrap());
    assert!(backend.get(&key(2)).await.unwrap().is_none());
    "what it says; a get is a hit or a miss all the same"
}

async fn ignoring_ttl(store: &impl Way) -> &'static str {
    let _: () = store.server().admin(&["FLUSHALL"]);
    let (keys, clock) = (Keyring::new(MasterKey::generate().unwrap()).unwrap(), Clock::at(1_800_000_000_000));
    let boundary = EncryptedBackend::new(store.backend(), keys.tenant("acme").unwrap()).clock(&clock);
    boundary.set("a", "value", Duration::from_secs(60)).await.unwrap();
    let name = store.server().admin::<Vec<String>>(&["KEYS", "*"]).remove(0);
    assert_eq!(store.server().admin::<usize>(&["PERSIST", &name]), 1); // it forgets when to forget
    assert_eq!(boundary.get::<String>("a").await.unwrap().as_deref(), Some("value"));
    clock.advance(Duration::from_secs(61));
    assert_eq!(boundary.get::<String>("a").await.unwrap(), None);
    assert_eq!(store.server().admin::<usize>(&["EXISTS", &name]), 1);
    "miss"
}

async fn garbage(store: &impl Way) -> &'static str {
    let proxy = Proxy::start(store.server().port).await;
    let backend = store.impatient(proxy.port);
    recovers(&backend).await;
    proxy.set(Fault::Garbage);
    all(&backend, Kind::Rejected).await;
    proxy.set(Fault::None);
    recovers(&backend).await;
    "`Rejected`"
}
