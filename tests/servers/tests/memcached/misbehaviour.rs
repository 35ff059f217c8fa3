//! What a caller sees of a store that misbehaves: one row of a table, and that it passes without a restart.

use std::time::Duration;

use blindcache::{
    Backend, BackendErrorKind as Kind, EncryptedBackend, Keyring, MasterKey, MemcachedBackend, testing::Clock,
};
use blindcache_server_tests::{
    Fault, LIMIT, Memcached, MemcachedOptions, Proxy, Remote, Store, each_method, entry, healed, key,
};

use crate::{
    failing,
    fake::{Fake, token},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_store_is_a_typed_error_or_a_miss() {
    let row = [
        down().await,
        hung().await,
        throttling().await,
        lying().await,
        ignoring_ttl().await,
        garbage().await,
    ];
    println!("| `memcached` | {} |", row.join(" | "));
}

/// Calls of every method end with this kind, each within its limit and some time for a busy machine.
async fn all(backend: &MemcachedBackend, expected: Kind) {
    assert_eq!(each_method(backend, LIMIT + Duration::from_secs(3)).await, [Err(expected); 8]);
}

/// The backend takes and gives an entry again, without having been made anew.
async fn recovers(backend: &MemcachedBackend) {
    healed(backend).await;
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

async fn down() -> &'static str {
    let mut server = Memcached::start();
    let backend = server.impatient(server.port);
    recovers(&backend).await;
    server.stop();
    all(&backend, Kind::Transient).await;
    server.start_again();
    healed(&backend).await;
    assert!(backend.get(&key(1)).await.unwrap().is_none()); // memcached keeps nothing
    recovers(&backend).await;
    "`Transient`, at once; afterwards misses"
}

async fn hung() -> &'static str {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port).await;
    let backend = server.impatient(proxy.port);
    recovers(&backend).await;
    proxy.set(Fault::BlackHole);
    all(&backend, Kind::Timeout).await;
    proxy.set(Fault::None);
    recovers(&backend).await;
    "`Timeout`, at its limit or at once"
}

/// Memcached asks nobody to wait; out of memory it takes no writes.
async fn throttling() -> &'static str {
    let server = Memcached::with(MemcachedOptions { arguments: &["-M", "-m", "2"], ..Default::default() });
    let backend = server.impatient(server.port);
    let mut stored = 0;
    while backend.set(&key(stored), entry(stored, 100_000), None).await.is_ok() {
        stored += 1;
    }
    assert_eq!(failing(backend.set(&key(100), entry(100, 100_000), None)).await, Kind::Throttled);
    assert!(backend.get(&key(100)).await.unwrap().is_none());
    assert!(backend.get(&key(0)).await.unwrap().is_some()); // reads go on
    backend.delete_many(&(0..stored).map(key).collect::<Vec<_>>()).await.unwrap();
    recovers(&backend).await;
    "writes `Throttled`, reads as ever"
}

/// Of no consequence, since a get says what is there.
async fn lying() -> &'static str {
    let server = Memcached::start();
    server.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    let fake = Fake::start(move |line| match line.starts_with("mg ") && !line.contains(" v ") {
        true if line.contains(key(1).as_str()) => format!("EN O{}\r\n", token(line)).into(),
        true => format!("HD O{}\r\n", token(line)).into(),
        false => server.ask(&format!("{line}\r\n")),
    })
    .await;
    let backend = fake.backend();
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert!(backend.exists(&key(2)).await.unwrap());
    assert!(backend.get(&key(2)).await.unwrap().is_none());
    "what it says; a get is a hit or a miss all the same"
}

async fn ignoring_ttl() -> &'static str {
    let server = Memcached::start();
    let (keys, clock) = (Keyring::new(MasterKey::generate().unwrap()).unwrap(), Clock::at(1_800_000_000_000));
    let boundary = EncryptedBackend::new(server.backend(), keys.tenant("acme").unwrap()).clock(&clock);
    boundary.set("a", "value", Duration::from_secs(60)).await.unwrap();
    let name = server.names().remove(0);
    assert!(server.ask(&format!("mg {name} T0\r\n")).starts_with(b"HD")); // it forgets when to forget
    assert_eq!(boundary.get::<String>("a").await.unwrap().as_deref(), Some("value"));
    clock.advance(Duration::from_secs(61));
    assert_eq!(boundary.get::<String>("a").await.unwrap(), None);
    assert!(server.ask(&format!("mg {name} t\r\n")).starts_with(b"HD t-1"));
    "miss"
}

async fn garbage() -> &'static str {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port).await;
    let backend = server.impatient(proxy.port);
    recovers(&backend).await;
    proxy.set(Fault::Garbage);
    all(&backend, Kind::Rejected).await;
    proxy.set(Fault::None);
    recovers(&backend).await;
    "`Rejected`"
}
