//! What is too large for the store is refused, and leaves nothing stale behind.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind::TooLarge, Sealed, UpstashBackend};
use blindcache_server_tests::{
    HttpFake, Said, entry, key,
    upstash::{Instead, TOKEN, Upstash},
};

use crate::{at, error, held};

/// The largest entry in some of these tests.
const MAX_ENTRY: usize = 100_000;

/// With enough time for what is large, so that no test is about time.
fn unhurried(upstash: &Upstash, max_entry: usize) -> UpstashBackend {
    let builder = UpstashBackend::builder(&upstash.url(), TOKEN).max_entry(max_entry);
    builder.timeout(Duration::from_secs(60)).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn largest_entry_of_the_plan_passes_and_a_longer_one_does_not() {
    let upstash = Upstash::start();
    let backend = unhurried(&upstash, UpstashBackend::ENTRY);
    let largest = entry(1, UpstashBackend::ENTRY);
    backend.set(&key(1), largest.clone(), Some(Duration::MAX)).await.unwrap();
    let head_and_body = |seen: &blindcache_server_tests::upstash::Seen| {
        let headers = seen.head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        seen.head.uri.to_string().len() + headers.sum::<usize>() + seen.body.len()
    };
    assert!(head_and_body(&upstash.seen()[0]) <= UpstashBackend::MAX_REQUEST);
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), largest.as_bytes());
    assert_eq!(backend.get_many(&[key(1)]).await.unwrap()[0].as_deref(), Some(largest.as_bytes()));
    let longer = entry(2, UpstashBackend::ENTRY + 1);
    assert_eq!(error(backend.set(&key(1), longer, None)).await.kind(), TooLarge);
    assert_eq!(held(&upstash, key(1).as_str()), None);
}

#[tokio::test]
async fn entry_over_the_limit_is_not_sent_and_what_was_there_is_gone() {
    let upstash = Upstash::start();
    let backend = unhurried(&upstash, MAX_ENTRY);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
    upstash.seen();
    assert_eq!(error(backend.set(&key(1), entry(3, MAX_ENTRY + 1), None)).await.kind(), TooLarge);
    assert!(upstash.seen().iter().all(|seen| seen.body.is_empty()));
    assert_eq!(held(&upstash, key(1).as_str()), None);

    let mut writes = vec![(key(2), entry(4, MAX_ENTRY + 1), None), (key(3), entry(5, MAX_ENTRY), None)];
    writes.extend((100..200).map(|number| (key(number), entry(number, 200), None)));
    assert_eq!(error(backend.set_many(writes)).await.kind(), TooLarge);
    assert_eq!(held(&upstash, key(2).as_str()), None);
    assert_eq!(held(&upstash, key(3).as_str()).unwrap(), entry(5, MAX_ENTRY).as_bytes());
    for number in 100..200 {
        assert_eq!(held(&upstash, key(number).as_str()).unwrap(), entry(number, 200).as_bytes());
    }
}

#[tokio::test]
async fn entry_that_the_server_finds_too_large_leaves_nothing_behind() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    upstash.takes_requests_up_to(5_000);
    backend.set(&key(1), entry(1, 5_000), None).await.unwrap();
    assert_eq!(error(backend.set(&key(1), entry(2, 5_001), None)).await.kind(), TooLarge);
    assert_eq!(held(&upstash, key(1).as_str()), None);
    for refusal in [
        Instead::error(400, "ERR max single record size exceeded. Limit: 1 bytes, Actual: 2 bytes"),
        Instead::error(200, "ERR max request size exceeded"),
        Instead::Answer { status: 413, headers: vec![], body: b"<html>".to_vec() },
    ] {
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        upstash.answers(move |seen| seen.head.uri.path().starts_with("/set").then(|| refusal.clone()));
        assert_eq!(error(backend.set(&key(1), entry(2, 300), None)).await.kind(), TooLarge);
        assert_eq!(held(&upstash, key(1).as_str()), None);
        upstash.answers_well();
    }
}

/// Otherwise a caller would take the entry for gone.
#[tokio::test]
async fn where_it_cannot_be_deleted_that_is_the_error() {
    let upstash = Upstash::start();
    let backend = unhurried(&upstash, MAX_ENTRY);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    upstash.answers_always(Instead::error(503, "ERR away"));
    let err = error(backend.set(&key(1), entry(3, MAX_ENTRY + 1), None)).await;
    assert_eq!(err.kind(), blindcache::BackendErrorKind::Transient);
}

/// What deletes the older entry has what is left of the one limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_that_deletes_takes_one_time_limit_in_all() {
    let limit = Duration::from_secs(1);
    let server = HttpFake::start(move |asked| {
        if asked.path.starts_with("/del") {
            return Said::Nothing;
        }
        std::thread::sleep(limit * 7 / 10);
        Said::answer(413, "", "")
    });
    let server = server.await;
    let backend = UpstashBackend::builder(&format!("http://127.0.0.1:{}", server.port), TOKEN).timeout(limit);
    let backend = backend.build().unwrap();
    let start = Instant::now();
    let kind = error(backend.set(&key(1), entry(1, 200), None)).await.kind();
    assert_eq!(kind, blindcache::BackendErrorKind::Timeout);
    assert!(start.elapsed() < limit * 13 / 10, "{:?}", start.elapsed());
    assert_eq!(server.asked().len(), 2);
}

/// Those of one answer are as many as one largest entry has room for.
#[tokio::test]
async fn entries_that_are_together_too_long_are_asked_for_one_by_one() {
    let upstash = Upstash::start();
    let backend = unhurried(&upstash, MAX_ENTRY);
    let keys: Vec<_> = (0..20).map(key).collect();
    let sealed = |number| -> Sealed { entry(number, MAX_ENTRY) };
    backend.set_many((0..19).map(|number| (key(number), sealed(number), None)).collect()).await.unwrap();
    upstash.seen();
    let found = backend.get_many(&keys).await.unwrap();
    assert_eq!(upstash.seen().len(), 21);
    for (number, found) in (0..19).zip(&found) {
        assert_eq!(found.as_deref(), Some(sealed(number).as_bytes()));
    }
    assert_eq!(found[19], None);
}

#[tokio::test]
async fn batch_that_the_server_finds_too_large_is_asked_for_one_by_one() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let keys = [key(1), key(2), key(3)];
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
    let item = br#"[{"error":"ERR no"},{"error":"ERR max request size exceeded"},{"result":null}]"#.to_vec();
    for instead in [
        Instead::error(400, "ERR max request size exceeded"),
        Instead::Answer { status: 200, headers: vec![], body: item },
    ] {
        upstash.answers(move |seen| (seen.head.uri.path() == "/pipeline").then(|| instead.clone()));
        let found = backend.get_many(&keys).await.unwrap();
        assert_eq!(found, [None, Some(entry(2, 200).into_bytes()), None]);
    }
}

/// Others may have stored it.
#[tokio::test]
async fn stored_entry_over_the_limit_is_rejected() {
    let upstash = Upstash::start();
    unhurried(&upstash, 2 * MAX_ENTRY).set(&key(1), entry(1, MAX_ENTRY + 1), None).await.unwrap();
    let backend = unhurried(&upstash, MAX_ENTRY);
    let rejected = blindcache::BackendErrorKind::Rejected;
    assert_eq!(error(backend.get(&key(1))).await.kind(), rejected);
    assert_eq!(error(backend.get_many(&[key(1)])).await.kind(), rejected);
    assert_eq!(error(backend.get_many(&[key(1), key(2)])).await.kind(), rejected);
}
