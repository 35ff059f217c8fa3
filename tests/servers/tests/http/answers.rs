//! What is asked, and what comes of what a server answers.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind as Kind, HttpBackend};
use blindcache_server_tests::{
    HttpFake, Said, Store, entry,
    http::{Contract, Dav, Lua, Misdeed, Speaks},
    key, until,
};

use crate::{failing, kinds};

const HOUR: Option<Duration> = Some(Duration::from_secs(3_600));

async fn plain() -> Contract {
    Contract::speaking(Speaks::Http1).await
}

#[tokio::test]
async fn requests_are_those_of_the_contract() {
    let server = plain().await;
    let backend = server.backend();
    let name = key(1);
    let name = name.as_str();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    backend.set(&key(1), entry(1, 200), Some(Duration::from_millis(1_001))).await.unwrap();
    backend.get(&key(1)).await.unwrap().unwrap();
    assert!(backend.exists(&key(1)).await.unwrap());
    assert!(backend.delete(&key(1)).await.unwrap());
    let requests: Vec<String> = server.requests().into_iter().map(|(_, request)| request).collect();
    assert_eq!(
        requests,
        [
            format!("PUT /cache/{name} application/octet-stream"),
            format!("PUT /cache/{name}?ttl=2 application/octet-stream"),
            format!("GET /cache/{name}"),
            format!("HEAD /cache/{name}"),
            format!("DELETE /cache/{name}"),
        ]
    );
}

#[tokio::test]
async fn every_status_is_an_error_of_its_kind() {
    let server = plain().await;
    let backend = server.backend();
    for (status, kind) in [
        (302, Kind::Misconfigured),
        (400, Kind::Rejected),
        (401, Kind::Denied),
        (403, Kind::Denied),
        (405, Kind::Misconfigured),
        (408, Kind::Timeout),
        (410, Kind::Rejected),
        (429, Kind::Throttled),
        (500, Kind::Transient),
        (502, Kind::Transient),
        (503, Kind::Transient),
        (504, Kind::Timeout),
        (507, Kind::Throttled),
    ] {
        server.set(Misdeed::status(status));
        assert_eq!(kinds(&backend).await, [kind; 8], "{status}");
    }
    server.set(Misdeed::None);
    backend.ping().await.unwrap();
}

#[tokio::test]
async fn connection_is_kept_whatever_the_status() {
    let server = plain().await;
    let backend = server.backend();
    for status in [204, 302, 404, 429, 500, 504] {
        server.set(Misdeed::status(status));
        let _ = backend.get(&key(1)).await;
        let _ = backend.exists(&key(1)).await;
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn not_found_is_none_but_for_a_write() {
    let server = plain().await;
    let backend = server.backend();
    backend.set(&key(1), entry(1, 200), HOUR).await.unwrap();
    server.set(Misdeed::status(404));
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), HOUR)).await.kind(), Kind::Misconfigured);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (server, elsewhere) = (plain().await, plain().await);
    let backend = server.backend();
    for status in [301, 302, 303, 307, 308] {
        server.set(Misdeed::Status(status, vec![("location", format!("{}/cache/x", elsewhere.url()))]));
        assert_eq!(kinds(&backend).await, [Kind::Misconfigured; 8]);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn server_that_asks_for_patience_says_for_how_long() {
    let server = plain().await;
    let backend = server.backend();
    for (status, kind) in [(429, Kind::Throttled), (503, Kind::Transient)] {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:49 GMT";
        for (headers, seconds) in [
            (vec![("retry-after", "7")], Some(7)),
            (vec![("date", date), ("retry-after", later)], Some(12)),
            (vec![("retry-after", "never")], None),
            (vec![], None),
        ] {
            let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            server.set(Misdeed::Status(status, headers));
            let err = failing(backend.get(&key(1))).await;
            assert_eq!((err.kind(), err.retry_after()), (kind, seconds.map(Duration::from_secs)));
        }
    }
}

#[tokio::test]
async fn wrong_token_is_denied() {
    let server = plain().await;
    let backend = server.builder(server.port).header("Authorization", "Bearer hunter2").build().unwrap();
    assert_eq!(kinds(&backend).await, [Kind::Denied; 8]);
}

#[tokio::test]
async fn entry_larger_than_the_limit_is_too_large_and_leaves_nothing_stale() {
    let server = plain().await;
    let backend = server.builder(server.port).max_entry(1_000).build().unwrap();
    backend.set(&key(1), entry(1, 1_000), None).await.unwrap();
    assert_eq!(failing(backend.set(&key(1), entry(2, 1_001), None)).await.kind(), Kind::TooLarge);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    let writes = |size| vec![(key(2), entry(2, 200), None), (key(1), entry(1, size), None)];
    backend.set_many(writes(1_000)).await.unwrap();
    assert_eq!(failing(backend.set_many(writes(1_001))).await.kind(), Kind::TooLarge);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
}

/// What one entry of a batch suffers, no other does: all that are too large leave nothing stale, all others are stored.
#[tokio::test]
async fn entry_too_large_harms_no_other_of_its_batch() {
    let server = plain().await;
    let backend = server.builder(server.port).max_entry(1_000).build().unwrap();
    let size = |number| if [0, 17, 39].contains(&number) { 1_001 } else { 1_000 };
    let writes = |size: &dyn Fn(u64) -> usize| -> Vec<_> {
        (0..40).map(|number| (key(number), entry(number, size(number)), None)).collect()
    };
    backend.set_many(writes(&|_| 200)).await.unwrap();
    assert_eq!(failing(backend.set_many(writes(&size))).await.kind(), Kind::TooLarge);
    for number in 0..40 {
        let found = backend.get(&key(number)).await.unwrap();
        let stored = entry(number, size(number)).into_bytes();
        assert_eq!(found, (size(number) == 1_000).then_some(stored), "{number}");
    }
}

/// More than `examples/http_store.rs` takes, which says so before it has read it all.
#[tokio::test]
async fn entry_too_large_for_the_example_is_too_large_and_leaves_nothing_stale() {
    let large = [(16 << 20) + 1, 32 << 20].map(|size| entry(2, size));
    for speaks in [Speaks::Http1, Speaks::Tls2] {
        let server = Contract::speaking(speaks).await;
        let backend = server.backend();
        for large in &large {
            backend.set(&key(1), entry(1, 200), None).await.unwrap();
            let err = failing(backend.set(&key(1), large.clone(), None)).await;
            assert_eq!(err.kind(), Kind::TooLarge, "{speaks:?} {}", large.len());
            assert_eq!(backend.get(&key(1)).await.unwrap(), None);
        }
    }
}

/// What deletes the older entry has what is left of the one limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_that_deletes_takes_one_time_limit_in_all() {
    let limit = Duration::from_secs(1);
    let server = HttpFake::start(move |asked| match asked.method.as_str() {
        "PUT" => {
            std::thread::sleep(limit * 7 / 10);
            Said::answer(413, "", "")
        }
        _ => Said::Nothing,
    });
    let server = server.await;
    let backend = HttpBackend::builder(&format!("http://127.0.0.1:{}", server.port)).timeout(limit);
    let backend = backend.build().unwrap();
    let start = Instant::now();
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await.kind(), Kind::Timeout);
    assert!(start.elapsed() < limit * 13 / 10, "{:?}", start.elapsed());
    assert_eq!(server.asked().len(), 2);
}

/// nginx says 413 while the entry is still being sent.
#[tokio::test]
async fn entry_too_large_for_the_server_is_too_large_and_leaves_nothing_stale() {
    let server = Dav::start().await;
    let backend = server.backend();
    for size in [8 << 20, 64 << 20] {
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        assert_eq!(failing(backend.set(&key(1), entry(2, size + 1), None)).await.kind(), Kind::TooLarge);
        assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    }
    backend.set(&key(1), entry(1, 8 << 20), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 8 << 20).as_bytes());
}

#[tokio::test]
async fn ttl_reaches_redis_in_seconds_and_a_later_set_replaces_it() {
    let server = Lua::start().await;
    let backend = server.backend();
    let left = || server.redis.admin::<i64>(&["TTL", key(1).as_str()]);
    let set = async |ttl| backend.set(&key(1), entry(1, 200), ttl).await.unwrap();
    set(HOUR).await;
    assert!((3_540..=3_600).contains(&left()));
    set(None).await;
    assert_eq!(left(), -1);
    set(Some(Duration::MAX)).await;
    assert!(left() > 2_147_483_000);
    set(Some(Duration::ZERO)).await;
    until("the least ttl ends", async || backend.get(&key(1)).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn redis_behind_nginx_that_is_down_is_transient() {
    let mut server = Lua::start().await;
    let backend = server.backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    server.redis.stop();
    assert_eq!(kinds(&backend).await, [Kind::Transient; 8]);
    server.redis.start_again();
    until("it heals", async || backend.ping().await.is_ok()).await;
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let server = plain().await;
    let backend = server.backend();
    for _ in 0..20 {
        backend
            .set_many(vec![(key(1), entry(1, 50_000), None), (key(1), entry(2, 300), None)])
            .await
            .unwrap();
        let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
        let second = entry(2, 300).into_bytes();
        assert_eq!(found, [Some(second.clone()), None, Some(second)]);
        assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
    }
}

#[tokio::test]
async fn batch_is_few_connections() {
    let server = plain().await;
    let backend = server.backend();
    let keys: Vec<_> = (0..500).map(key).collect();
    assert_eq!(backend.get_many(&keys).await.unwrap(), vec![None; 500]);
    // 16 calls at once, and some connections that were not yet back in the pool when the next call began.
    assert!(server.connections() < 100, "{}", server.connections());
}

#[tokio::test]
async fn empty_batch_makes_no_call() {
    let backend = blindcache::HttpBackend::new("http://127.0.0.1:1").unwrap();
    assert!(backend.get_many(&[]).await.unwrap().is_empty());
    assert!(backend.delete_many(&[]).await.unwrap().is_empty());
    backend.set_many(vec![]).await.unwrap();
}
