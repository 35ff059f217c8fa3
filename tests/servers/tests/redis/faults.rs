//! Each fault ends in an error of a known kind, in time, and the backend heals by itself.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    Fault, HANG, LIMIT, Proxy, Server, entry, failing, healed, impatient, in_time, key, until,
};
use tokio::task::JoinSet;

/// A server that holds entry 1, and a proxy in front of it.
async fn proxied() -> (Server, Proxy) {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    impatient(&server.url()).set(&key(1), entry(1, 200), None).await.unwrap();
    (server, proxy)
}

#[tokio::test]
async fn limits_hold_on_a_client_of_the_caller_too() {
    let (_server, proxy) = proxied().await;
    let client = redis::Client::open(proxy.url()).unwrap();
    let builder = || RedisBackend::builder_from_client(&client);
    let backend = builder().connect_timeout(LIMIT).response_timeout(LIMIT).build().unwrap();
    backend.ping().await.unwrap();
    proxy.set(Fault::Delay(LIMIT * 2));
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Timeout);
    let patient = builder().connect_timeout(HANG).response_timeout(HANG).build().unwrap();
    assert!(in_time(patient.get(&key(1))).await.unwrap().is_some());
}

#[tokio::test]
async fn short_delay_is_no_fault() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    proxy.set(Fault::Delay(Duration::from_millis(20)));
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn unknown_host_is_misconfigured() {
    let backend = impatient("redis://no-such-host.invalid");
    // A resolver may also be too slow for the limit.
    assert!([Kind::Misconfigured, Kind::Timeout].contains(&failing(backend.ping()).await));
}

#[tokio::test]
async fn restarted_server_is_found_again() {
    let mut server = Server::start();
    let backend = impatient(&server.url());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    server.stop();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
    server.start_again();
    healed(&backend).await;
    assert!(backend.get(&key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn restart_between_two_calls_is_not_noticed() {
    let (_server, mut proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.close().await;
    proxy.open();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn call_whose_connection_dies_is_made_again_once() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.set(Fault::CutOnce(2));
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    proxy.set(Fault::CutOnce(0));
    assert_eq!(backend.get_many(&[key(1), key(2)]).await.unwrap().len(), 2);
    proxy.set(Fault::CutOnce(0));
    backend.set_many(vec![(key(2), entry(2, 200), None)]).await.unwrap();
    assert_eq!(proxy.accepted(), 4);
}

#[tokio::test]
async fn half_open_connection_is_replaced_after_one_timeout() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.set(Fault::BlackHole);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Timeout);
    proxy.set(Fault::None); // for new connections: the old one stays dead
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn half_open_connection_is_replaced_though_every_caller_gives_up_early() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.set(Fault::BlackHole);
    let key = key(1);
    let early = || tokio::time::timeout(LIMIT / 4, backend.get(&key));
    assert!(early().await.is_err());
    proxy.set(Fault::None); // for new connections: the old one stays dead
    until("a new connection", async || matches!(early().await, Ok(Ok(Some(_))))).await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn callers_who_give_up_do_not_cost_a_live_connection() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.set(Fault::Delay(LIMIT / 8));
    for _ in 0..20 {
        assert!(tokio::time::timeout(LIMIT / 100, backend.get(&key(1))).await.is_err());
    }
    proxy.set(Fault::None);
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn calls_on_a_replaced_connection_may_finish_there() {
    let (server, proxy) = proxied().await;
    // A large write has a limit of its own size, which a small call beside it has not.
    let backend = impatient(&proxy.url());
    backend.ping().await.unwrap();
    proxy.set(Fault::Delay(LIMIT * 2));
    let (large_key, small_key) = (key(5), key(1));
    let large = backend.set(&large_key, entry(5, 24 << 20), None);
    let small = backend.get(&small_key);
    let (large, small) = in_time(async { tokio::join!(large, small) }).await;
    assert_eq!(small.unwrap_err().kind(), Kind::Timeout);
    large.unwrap();
    assert_eq!(server.admin::<usize>(&["STRLEN", key(5).as_str()]), 24 << 20);
}

#[tokio::test]
async fn changed_password_is_denied_until_it_is_changed_back() {
    let server = Server::start();
    let _: () = server.admin(&["CONFIG", "SET", "requirepass", "first"]);
    let backend = impatient(&format!("redis://:first@127.0.0.1:{}", server.port));
    backend.ping().await.unwrap();
    for _ in 0..2 {
        let _: () = server.admin(&["CONFIG", "SET", "requirepass", "second"]);
        let _: usize = server.admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        for _ in 0..20 {
            assert_eq!(failing(backend.get(&key(1))).await, Kind::Denied);
        }
        let _: () = server.admin(&["CONFIG", "SET", "requirepass", "first"]);
        healed(&backend).await;
    }
}

#[tokio::test]
async fn deleted_user_is_denied_until_it_is_back() {
    let server = Server::start();
    let add = || server.admin::<()>(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"]);
    add();
    let backend = impatient(&format!("redis://app:secret@127.0.0.1:{}", server.port));
    backend.ping().await.unwrap();
    let _: usize = server.admin(&["ACL", "DELUSER", "app"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Denied);
    add();
    healed(&backend).await;
}

#[tokio::test]
async fn calls_during_an_outage_share_few_attempts() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    proxy.set(Fault::Refuse);
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
    healed(&backend).await;
}

#[tokio::test]
async fn first_calls_share_one_connection() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    let calls: JoinSet<_> = (0..200)
        .map(|_| {
            let backend = backend.clone();
            async move { backend.get(&key(1)).await.unwrap().unwrap() }
        })
        .collect();
    in_time(calls.join_all()).await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn attempt_goes_on_when_its_caller_is_dropped() {
    let (_server, proxy) = proxied().await;
    let backend = impatient(&proxy.url());
    proxy.set(Fault::Delay(LIMIT / 4));
    let first = tokio::time::timeout(Duration::from_millis(1), backend.get(&key(1))).await;
    assert!(first.is_err());
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 1);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn backend_works_on_from_another_runtime() {
    let server = Server::start();
    let backend = impatient(&server.url());
    for _ in 0..3 {
        runtime().block_on(backend.set(&key(1), entry(1, 200), None)).unwrap();
    }
    // A caller's own client hides whether its connection's task is still there.
    let client = redis::Client::open(server.url()).unwrap();
    let backend = RedisBackend::from_client(&client).unwrap();
    for _ in 0..3 {
        runtime().block_on(backend.get(&key(1))).unwrap().unwrap();
    }
}

#[test]
fn backend_heals_when_an_attempt_died_with_its_runtime() {
    let (server, proxied) = (Server::start(), runtime());
    let proxy = proxied.block_on(Proxy::start(server.port));
    let backend = impatient(&proxy.url());
    proxy.set(Fault::BlackHole);
    let asking = runtime();
    asking.spawn({
        let backend = backend.clone();
        async move { backend.ping().await }
    });
    asking.block_on(tokio::task::yield_now());
    drop(asking);
    proxy.set(Fault::None);
    proxied.block_on(healed(&backend));
}

#[test]
fn half_open_connection_is_replaced_though_a_caller_who_gave_up_took_its_runtime_along() {
    let main = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_server, proxy) = main.block_on(proxied());
    let backend = impatient(&proxy.url());
    main.block_on(backend.ping()).unwrap();
    proxy.set(Fault::BlackHole);
    let key = key(1);
    let early = async || tokio::time::timeout(LIMIT / 4, backend.get(&key)).await;
    assert!(runtime().block_on(early()).is_err());
    proxy.set(Fault::None); // for new connections: the old one stays dead
    main.block_on(until("a new connection", async || matches!(early().await, Ok(Ok(Some(_))))));
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn backend_heals_when_its_runtime_stands_still() {
    let server = Server::start();
    let backend = impatient(&server.url());
    let idle = runtime();
    idle.block_on(backend.ping()).unwrap();
    let other = runtime();
    other.block_on(healed(&backend));
    drop(idle);
}

#[test]
fn call_outside_a_runtime_is_misconfigured() {
    let backend = impatient("redis://127.0.0.1:1");
    let mut call = Box::pin(backend.ping());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = std::future::Future::poll(call.as_mut(), &mut context) else {
        panic!("waits");
    };
    assert_eq!(outcome.unwrap_err().kind(), Kind::Misconfigured);
}
