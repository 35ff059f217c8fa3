//! Dead, half-open and given-up connections.

use std::{sync::mpsc, time::Duration};

use blindcache::{Backend, BackendErrorKind as Kind, BackendExt, HttpBackend};
use blindcache_server_tests::{
    Fault, LIMIT, Proxy, Remote as _, entry, healed,
    http::{Contract, Misdeed, Speaks},
    in_time, key, until,
};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::failing;

/// A server that holds entry 1, a proxy in front of it, and a backend that has a connection.
async fn proxied(speaks: Speaks) -> (Contract, Proxy, HttpBackend) {
    let server = Contract::speaking(speaks).await;
    let proxy = Proxy::start(server.port).await;
    let backend = server.impatient(proxy.port);
    until("a connection", async || backend.set(&key(1), entry(1, 200), None).await.is_ok()).await;
    (server, proxy, backend)
}

const BOTH: [Speaks; 2] = [Speaks::Http1, Speaks::Tls2];

#[tokio::test]
async fn restart_between_two_calls_is_not_noticed() {
    for speaks in BOTH {
        let (_server, mut proxy, backend) = proxied(speaks).await;
        proxy.close().await;
        proxy.open();
        assert!(backend.get(&key(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn call_whose_connection_dies_is_made_again_once() {
    for speaks in BOTH {
        let (_server, proxy, backend) = proxied(speaks).await;
        proxy.set(Fault::CutOnce(2));
        assert!(backend.get(&key(1)).await.unwrap().is_some());
        backend.ping().await.unwrap();
        proxy.set(Fault::CutOnce(0));
        backend.set(&key(2), entry(2, 200), None).await.unwrap();
    }
}

/// While a server resets every connection, a call is one attempt, not two.
#[tokio::test]
async fn call_on_a_new_connection_is_not_made_again() {
    let (_server, proxy, backend) = proxied(Speaks::Http1).await;
    proxy.set(Fault::Reset);
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Transient);
    let before = proxy.accepted();
    for _ in 0..10 {
        assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Transient);
    }
    assert_eq!(proxy.accepted(), before + 10);
}

#[tokio::test]
async fn half_open_connection_is_replaced_after_one_timeout() {
    for speaks in BOTH {
        let (_server, proxy, backend) = proxied(speaks).await;
        proxy.set(Fault::BlackHole);
        assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
        proxy.set(Fault::None); // for new connections: the old one stays dead
        assert!(backend.get(&key(1)).await.unwrap().is_some(), "{speaks:?}");
    }
}

/// The other idle connections of HTTP/1.1 may be half-open as well: none of them costs another time-out.
#[tokio::test]
async fn no_idle_connection_is_used_after_a_timeout() {
    let (_server, proxy, backend) = proxied(Speaks::Http1).await;
    proxy.set(Fault::Delay(Duration::from_millis(20)));
    backend.get_many(&(0..10).map(key).collect::<Vec<_>>()).await.unwrap();
    let idle = proxy.accepted();
    assert!(idle >= 10);
    proxy.set(Fault::BlackHole);
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
    proxy.set(Fault::None);
    for _ in 0..20 {
        assert!(backend.get(&key(1)).await.unwrap().is_some());
    }
    assert_eq!(proxy.accepted(), idle + 1);
}

#[tokio::test]
async fn half_open_connection_is_replaced_though_every_caller_gives_up_early() {
    for speaks in BOTH {
        let (_server, proxy, backend) = proxied(speaks).await;
        proxy.set(Fault::BlackHole);
        let key = key(1);
        let early = || tokio::time::timeout(LIMIT / 3, backend.get(&key));
        assert!(early().await.is_err());
        proxy.set(Fault::None); // for new connections: the old one stays dead
        until("a new connection", async || matches!(early().await, Ok(Ok(Some(_))))).await;
    }
}

#[tokio::test]
async fn callers_who_give_up_do_not_cost_a_live_http_2_connection() {
    let (server, proxy, backend) = proxied(Speaks::Tls2).await;
    let before = proxy.accepted();
    server.set(Misdeed::Silence);
    for _ in 0..10 {
        assert!(tokio::time::timeout(LIMIT / 100, backend.get(&key(1))).await.is_err());
    }
    server.set(Misdeed::None);
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), before);
}

/// The server holds the answer back until the caller is gone: it must not reach the next one.
#[tokio::test]
async fn late_answer_reaches_no_other_call() {
    for speaks in BOTH {
        let (_server, proxy, backend) = proxied(speaks).await;
        backend.set(&key(2), entry(2, 300), None).await.unwrap();
        proxy.set(Fault::Delay(LIMIT / 4));
        for _ in 0..5 {
            assert!(tokio::time::timeout(LIMIT / 8, backend.get(&key(1))).await.is_err());
            let found = backend.get(&key(2)).await;
            if let Ok(found) = found {
                assert_eq!(found.unwrap(), entry(2, 300).as_bytes());
            }
        }
    }
}

#[tokio::test]
async fn limits_hold_on_a_client_of_the_caller_too() {
    let server = Contract::speaking(Speaks::Tls2).await;
    let client = reqwest::Client::builder().tls_backend_preconfigured(server.client_config());
    let client = client.build().unwrap();
    let backend =
        server.bearer(server.port).client(client).timeout(LIMIT).max_entry(1 << 16).build().unwrap();
    until("a connection", async || backend.ping().await.is_ok()).await;
    server.set(Misdeed::Silence);
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
    server.set(Misdeed::Endless(200));
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Rejected);
    server.set(Misdeed::None);
    healed(&backend).await;
}

/// The connection's task went with its runtime.
#[test]
fn backend_works_on_from_another_runtime() {
    for speaks in BOTH {
        let other = Runtime::new().unwrap();
        let server = other.block_on(Contract::speaking(speaks));
        let backend = server.builder(server.port).build().unwrap();
        for _ in 0..3 {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                backend.ping().await.unwrap();
                backend.get_many(&[key(1), key(2)]).await.unwrap();
            });
            runtime.shutdown_background();
        }
        let _guard = other.enter();
        drop(server);
    }
}

#[tokio::test]
async fn unknown_host_is_misconfigured() {
    let backend = HttpBackend::builder("http://no-such-host.invalid").timeout(LIMIT).build().unwrap();
    // A resolver may also be too slow for the limit.
    assert!([Kind::Misconfigured, Kind::Timeout].contains(&failing(backend.ping()).await.kind()));
}

/// A new backend under 64 tasks at once, over HTTP/2: nobody sees the race for the first connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_calls_at_once_all_succeed() {
    let server = Contract::speaking(Speaks::Tls2).await;
    for _ in 0..5 {
        let backend = server.builder(server.port).timeout(Duration::from_secs(20)).build().unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..64 {
            let backend = backend.clone();
            tasks.spawn(async move { backend.exists(&key(number)).await.unwrap() });
        }
        in_time(tasks.join_all()).await;
    }
}

/// Calls wait on a thread of their own, so that none is polled by the test's runtime.
#[test]
fn backend_behind_layers_heals_on_a_current_thread_runtime() {
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_server, mut proxy, backend) = proxied(Speaks::Http1).await;
            let layered = backend.resilient();
            layered.ping().await.unwrap();
            proxy.close().await;
            assert!(in_time(layered.ping()).await.is_err());
            proxy.open();
            healed(&layered).await;
        });
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(60)).unwrap();
}
