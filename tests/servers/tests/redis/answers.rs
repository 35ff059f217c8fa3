//! What a real server answers, and what comes of it: its errors by their kind, expiry, batches.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{Options, Proxy, Server, entry, failing, healed, impatient, key, until};

fn at(url: &str) -> RedisBackend {
    RedisBackend::new(url).unwrap()
}

#[tokio::test]
async fn full_memory_is_throttled() {
    let server = Server::start();
    let backend = at(&server.url());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(failing(backend.set(&key(2), entry(2, 200), None)).await, Kind::Throttled);
    assert_eq!(failing(backend.set_many(vec![(key(2), entry(2, 200), None)])).await, Kind::Throttled);
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory", "0"]);
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
}

#[tokio::test]
async fn demoted_server_is_transient_and_its_address_looked_up_again() {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let backend = at(&proxy.url());
    backend.ping().await.unwrap();
    let _: () = server.admin(&["REPLICAOF", "127.0.0.1", "1"]);
    let mut calls = 0;
    while proxy.accepted() < 3 {
        assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Transient); // -READONLY
        calls += 1;
        assert!(calls < 2_000, "the old connection is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(calls > 20, "a new connection for each call");
    let _: () = server.admin(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient); // -MASTERDOWN
    let _: () = server.admin(&["REPLICAOF", "NO", "ONE"]);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
}

#[tokio::test]
async fn missing_permission_is_denied() {
    let config = "user reader on nopass ~* &* +get +mget +exists\n".into();
    let server = Server::with(Options { config, ..Options::default() });
    let backend = at(&format!("redis://reader:any@127.0.0.1:{}", server.port));
    assert!(backend.get(&key(1)).await.unwrap().is_none());
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Denied);
    assert_eq!(failing(backend.delete_many(&[key(1)])).await, Kind::Denied);
    assert_eq!(failing(backend.ping()).await, Kind::Denied);
}

#[tokio::test]
async fn full_server_is_transient() {
    let server = Server::start();
    let backend = impatient(&server.url());
    let _: () = server.admin(&["CONFIG", "SET", "maxclients", "1"]);
    let client = redis::Client::open(server.url()).unwrap();
    let other = client.get_connection().unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
    drop(other);
    healed(&backend).await;
}

#[tokio::test]
async fn key_of_another_type_is_rejected() {
    let server = Server::start();
    let backend = at(&server.url());
    let _: usize = server.admin(&["RPUSH", key(1).as_str(), "element"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    // MGET gives nil for it, by its own definition.
    assert!(backend.get_many(&[key(1)]).await.unwrap()[0].is_none());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn ttl_is_in_milliseconds_and_a_later_set_replaces_it() {
    let server = Server::start();
    let backend = at(&server.url());
    let left = || server.admin::<i64>(&["PTTL", key(1).as_str()]);
    let set = async |ttl| backend.set(&key(1), entry(1, 200), ttl).await.unwrap();
    let hour = 3_600_000;
    set(Some(Duration::from_millis(hour as u64 + 500))).await;
    assert!((hour - 60_000..=hour + 500).contains(&left()));
    assert!(server.admin::<i64>(&["PEXPIRETIME", key(1).as_str()]) > 1_600_000_000_000);
    set(None).await;
    assert_eq!(left(), -1);
    set(Some(Duration::MAX)).await;
    assert!(left() > 1 << 61);
    set(Some(Duration::ZERO)).await;
    until("the least ttl ends", async || backend.get(&key(1)).await.unwrap().is_none()).await;
    let write = |ttl| vec![(key(1), entry(1, 200), ttl)];
    backend.set_many(write(Some(Duration::from_secs(3_600)))).await.unwrap();
    assert!((hour - 60_000..=hour).contains(&left()));
    backend.set_many(write(None)).await.unwrap();
    assert_eq!(left(), -1);
}

#[tokio::test]
async fn long_batches_keep_their_order() {
    let server = Server::start();
    let backend = at(&server.url());
    let count = 1_500;
    let keys: Vec<_> = (0..count).map(key).collect();
    let size = |number: u64| if number.is_multiple_of(500) { 6 << 20 } else { 200 };
    let writes = (0..count).map(|number| (key(number), entry(number, size(number)), None));
    backend.set_many(writes.collect()).await.unwrap();
    let found = backend.get_many(&keys).await.unwrap();
    assert_eq!(found.len(), count as usize);
    for (number, found) in (0..).zip(found) {
        assert_eq!(found.unwrap(), entry(number, size(number)).as_bytes());
    }
    backend.delete(&key(700)).await.unwrap();
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(deleted.iter().position(|there| !there), Some(700));
    assert_eq!(deleted.iter().filter(|there| **there).count(), count as usize - 1);
    assert_eq!(server.admin::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let server = Server::start();
    let backend = at(&server.url());
    backend.set_many(vec![(key(1), entry(1, 200), None), (key(1), entry(2, 300), None)]).await.unwrap();
    let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
    let second = entry(2, 300).into_bytes();
    assert_eq!(found, [Some(second.clone()), None, Some(second)]);
    assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
}

#[tokio::test]
async fn empty_batch_makes_no_call() {
    let backend = at("redis://127.0.0.1:1");
    assert!(backend.get_many(&[]).await.unwrap().is_empty());
    assert!(backend.delete_many(&[]).await.unwrap().is_empty());
    backend.set_many(vec![]).await.unwrap();
}
