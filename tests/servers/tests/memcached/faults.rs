//! Connections: how many there are, what ends them, and what does not.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind as Kind, MemcachedBackend};
use blindcache_server_tests::{
    Fault, HANG, LIMIT, Memcached, Proxy, Remote, Store, entry, healed, in_time, key, until,
};
use tokio::task::JoinSet;

use crate::failing;

/// A server that holds entry 1, a proxy in front of it, and a backend with short limits over both.
async fn proxied() -> (Memcached, Proxy, MemcachedBackend) {
    let server = Memcached::start();
    server.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    let proxy = Proxy::start(server.port).await;
    let backend = server.impatient(proxy.port);
    (server, proxy, backend)
}

#[tokio::test]
async fn one_call_after_the_other_uses_one_connection() {
    let (_server, proxy, backend) = proxied().await;
    proxy.set(Fault::Delay(Duration::from_millis(5)));
    for _ in 0..20 {
        assert!(backend.get(&key(1)).await.unwrap().is_some());
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn there_are_never_more_connections_than_are_set() {
    let (_server, proxy, _) = proxied().await;
    let builder = MemcachedBackend::builder(&format!("memcache://127.0.0.1:{}", proxy.port));
    let backend = builder.max_connections(3).timeout(HANG).build().unwrap();
    for _ in 0..3 {
        let calls: JoinSet<_> = (0..100)
            .map(|_| {
                let backend = backend.clone();
                async move { backend.get(&key(1)).await.unwrap().unwrap() }
            })
            .collect();
        in_time(calls.join_all()).await;
    }
    assert!((1..=3).contains(&proxy.accepted()), "{} connections", proxy.accepted());
}

#[tokio::test]
async fn waiting_for_a_connection_is_within_the_limit() {
    let (_server, proxy, _) = proxied().await;
    let builder = MemcachedBackend::builder(&format!("memcache://127.0.0.1:{}", proxy.port));
    let backend = builder.max_connections(1).timeout(LIMIT).build().unwrap();
    backend.ping().await.unwrap();
    proxy.set(Fault::BlackHole);
    let started = Instant::now();
    let calls: JoinSet<_> = (0..10)
        .map(|_| {
            let backend = backend.clone();
            async move { failing(backend.get(&key(1))).await }
        })
        .collect();
    assert_eq!(in_time(calls.join_all()).await, [Kind::Timeout; 10]);
    assert!(started.elapsed() < LIMIT * 5, "{:?}", started.elapsed());
}

#[tokio::test]
async fn restart_between_two_calls_is_not_noticed() {
    let (_server, mut proxy, backend) = proxied().await;
    backend.ping().await.unwrap();
    proxy.close().await;
    proxy.open();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn call_whose_connection_dies_is_made_again_once() {
    let (_server, proxy, backend) = proxied().await;
    backend.ping().await.unwrap();
    proxy.set(Fault::CutOnce(2));
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    proxy.set(Fault::CutOnce(0));
    assert_eq!(backend.get_many(&[key(1), key(2)]).await.unwrap().len(), 2);
    proxy.set(Fault::CutOnce(0));
    backend.set_many(vec![(key(2), entry(2, 200), None)]).await.unwrap();
    assert_eq!(proxy.accepted(), 4);
}

/// How many idle connections there are after some calls at once.
async fn several(proxy: &Proxy, backend: &MemcachedBackend) -> usize {
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let calls: JoinSet<_> = (0..8)
        .map(|_| {
            let backend = backend.clone();
            async move { backend.get(&key(1)).await.unwrap() }
        })
        .collect();
    in_time(calls.join_all()).await;
    assert!(proxy.accepted() > 1);
    proxy.accepted()
}

#[tokio::test]
async fn half_open_connections_are_all_replaced_after_one_timeout() {
    let (_server, proxy, backend) = proxied().await;
    let before = several(&proxy, &backend).await;
    proxy.set(Fault::BlackHole);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Timeout);
    proxy.set(Fault::None); // for new connections: the old ones stay dead or are gone
    for _ in 0..8 {
        assert!(backend.get(&key(1)).await.unwrap().is_some());
    }
    assert_eq!(proxy.accepted(), before + 1);
}

#[tokio::test]
async fn half_open_connection_is_replaced_though_every_caller_gives_up_early() {
    let (_server, proxy, backend) = proxied().await;
    backend.ping().await.unwrap();
    proxy.set(Fault::BlackHole);
    let key = key(1);
    let early = || tokio::time::timeout(LIMIT / 4, backend.get(&key));
    assert!(early().await.is_err());
    proxy.set(Fault::None); // for new connections: the old one stays dead
    until("a new connection", async || matches!(early().await, Ok(Ok(Some(_))))).await;
}

#[tokio::test]
async fn half_open_connections_are_all_replaced_after_one_caller_gave_up_early() {
    let (_server, proxy, backend) = proxied().await;
    let before = several(&proxy, &backend).await;
    proxy.set(Fault::BlackHole);
    assert!(tokio::time::timeout(LIMIT / 4, backend.get(&key(1))).await.is_err());
    proxy.set(Fault::None); // for new connections: the old ones stay dead or are gone
    for _ in 0..8 {
        assert!(backend.get(&key(1)).await.unwrap().is_some());
    }
    assert_eq!(proxy.accepted(), before + 1);
}

#[tokio::test]
async fn calls_during_an_outage_share_few_attempts() {
    let (_server, proxy, backend) = proxied().await;
    proxy.set(Fault::Refuse);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient); // the pause has begun
    let end = Instant::now() + Duration::from_secs(2);
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let backend = backend.clone();
        calls.spawn(async move {
            while Instant::now() < end {
                assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    in_time(calls.join_all()).await;
    // Pauses of at least 25, 50, 100, 200, 400 and 500 ms.
    assert!((2..=12).contains(&proxy.accepted()), "{} attempts", proxy.accepted());
    proxy.set(Fault::None);
    let started = Instant::now();
    healed(&backend).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn attempt_goes_on_when_its_caller_is_dropped() {
    let (_server, proxy, backend) = proxied().await;
    proxy.set(Fault::Delay(LIMIT / 4));
    assert!(tokio::time::timeout(Duration::from_millis(1), backend.get(&key(1))).await.is_err());
    tokio::time::sleep(LIMIT / 2).await;
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn unknown_host_is_misconfigured() {
    let builder = MemcachedBackend::builder("memcache://no-such-host.invalid");
    let backend = builder.timeout(LIMIT).build().unwrap();
    // A resolver may also be too slow for the limit.
    assert!([Kind::Misconfigured, Kind::Timeout].contains(&failing(backend.ping()).await));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn backend_works_on_from_another_runtime() {
    let server = Memcached::start();
    let backend = server.impatient(server.port);
    for _ in 0..3 {
        runtime().block_on(backend.set(&key(1), entry(1, 200), None)).unwrap();
    }
}

#[test]
fn backend_heals_when_an_attempt_died_with_its_runtime() {
    let main = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_server, proxy, backend) = main.block_on(proxied());
    proxy.set(Fault::Refuse);
    main.block_on(async {
        assert_eq!(failing(backend.ping()).await, Kind::Transient);
        tokio::time::sleep(Duration::from_millis(100)).await; // until the first pause is over
    });
    proxy.set(Fault::BlackHole);
    // The attempt after the pause, which all others wait for, goes with its runtime.
    let asking = runtime();
    asking.spawn({
        let backend = backend.clone();
        async move { backend.ping().await }
    });
    asking.block_on(async { tokio::time::sleep(LIMIT / 8).await });
    drop(asking);
    proxy.set(Fault::None);
    main.block_on(healed(&backend));
}

#[test]
fn backend_heals_when_its_runtime_stands_still() {
    let server = Memcached::start();
    let backend = server.impatient(server.port);
    let idle = runtime();
    idle.block_on(backend.ping()).unwrap();
    runtime().block_on(healed(&backend));
    drop(idle);
}

#[test]
fn call_outside_a_runtime_is_misconfigured() {
    let backend = MemcachedBackend::new("memcache://127.0.0.1:1").unwrap();
    let mut call = Box::pin(backend.ping());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = Future::poll(call.as_mut(), &mut context) else {
        panic!("waits");
    };
    assert_eq!(outcome.unwrap_err().kind(), Kind::Misconfigured);
}
