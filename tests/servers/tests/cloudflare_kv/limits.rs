//! Sizes and times to live.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blindcache::{Backend, BackendErrorKind as Kind, CloudflareKvBackend};
use blindcache_server_tests::{Asked, Cloudflare, HttpFake, Said, entry, in_time, key};
use serde_json::Value;

use crate::{at, kind, refusal, success};

/// The largest entry in tests that write larger ones.
const SMALL: usize = 1_000;

fn small(server: &Cloudflare) -> CloudflareKvBackend {
    Cloudflare::builder(server.0.port).max_entry(SMALL).build().unwrap()
}

#[tokio::test]
async fn largest_entry_passes_alone_and_in_a_batch() {
    let server = Cloudflare::start();
    let backend = Cloudflare::builder(server.0.port).timeout(Duration::from_secs(60)).build().unwrap();
    let largest = |number| entry(number, CloudflareKvBackend::LARGEST_ENTRY);
    backend.set(&key(1), largest(1), None).await.unwrap();
    backend.set_many(vec![(key(2), largest(2), None), (key(3), entry(3, 200), None)]).await.unwrap();
    for number in [1, 2] {
        assert!(backend.get(&key(number)).await.unwrap().unwrap() == largest(number).as_bytes());
    }
    assert_eq!(backend.get(&key(3)).await.unwrap().unwrap(), entry(3, 200).as_bytes());
}

#[tokio::test]
async fn too_large_entry_is_not_sent_and_the_older_one_is_gone() {
    let server = Cloudflare::start();
    let backend = small(&server);
    backend.set(&key(1), entry(1, SMALL), None).await.unwrap();
    assert_eq!(kind(backend.set(&key(1), entry(1, SMALL + 1), None)).await, Err(Kind::TooLarge));
    assert!(!backend.exists(&key(1)).await.unwrap());

    backend.set_many((1..6).map(|number| (key(number), entry(number, 200), None)).collect()).await.unwrap();
    let large = |number| (key(number), entry(number, SMALL + 1), None);
    let last_fits = [large(3), (key(3), entry(3, 300), None)];
    let last_is_large = [(key(4), entry(4, 300), None), large(4)];
    let writes = [large(1), (key(2), entry(2, 300), None)].into_iter().chain(last_fits).chain(last_is_large);
    assert_eq!(kind(backend.set_many(writes.collect())).await, Err(Kind::TooLarge));
    let found = backend.get_many(&[1, 2, 3, 4, 5].map(key)).await.unwrap();
    let lengths: Vec<_> = found.into_iter().map(|found| found.map(|entry| entry.len())).collect();
    assert_eq!(lengths, [None, Some(300), Some(300), None, Some(200)]);
}

#[tokio::test]
async fn entry_that_the_server_finds_too_large_takes_the_older_one_along() {
    let fake = HttpFake::start(|asked| match asked.method.as_str() {
        "PUT" => refusal(413, 1),
        _ => success("null"),
    })
    .await;
    assert_eq!(kind(at(fake.port).set(&key(1), entry(1, 200), None)).await, Err(Kind::TooLarge));
    let methods: Vec<_> = fake.asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["PUT", "DELETE"]);
}

#[tokio::test]
async fn batch_that_the_server_finds_too_large_is_written_in_parts() {
    // No two of the entries of 200 bytes fit, or no four of them.
    for largest in [500, 1_000] {
        let server = Cloudflare::with_largest_body(largest);
        let backend = at(server.0.port);
        let minute = Some(Duration::from_secs(90));
        for number in 1..6 {
            backend.set(&key(number), entry(number, 300), None).await.unwrap();
        }
        let small = (1..9).map(|number| (key(number), entry(number, 200), minute));
        assert_eq!(kind(backend.set_many(small.collect())).await, Ok(()), "{largest}");
        let sizes = [(1, 250), (2, 1_200), (3, 250), (4, 250), (5, 1_200)];
        let some_large = sizes.map(|(number, size)| (key(number), entry(number, size), None));
        assert_eq!(kind(backend.set_many(some_large.into())).await, Err(Kind::TooLarge), "{largest}");
        let found = backend.get_many(&[1, 2, 3, 4, 5, 6, 7, 8].map(key)).await.unwrap();
        let lengths: Vec<_> = found.into_iter().map(|found| found.map(|entry| entry.len())).collect();
        let [old, new] = [200, 250].map(Some);
        assert_eq!(lengths, [new, None, new, new, None, old, old, old], "{largest}");
        let expirations = server.expirations().await;
        let expiring = expirations.iter().filter(|(_, expiration)| expiration.is_some()).count();
        assert_eq!((expirations.len(), expiring), (6, 3), "{largest}");
    }
}

/// The parts after it are written all the same.
#[tokio::test]
async fn part_with_a_too_large_entry_does_not_end_a_batch() {
    let large = key(1).as_str().to_owned();
    let fake = HttpFake::start(move |asked| match asked.method.as_str() {
        "PUT" if asked.path.ends_with(&large) => refusal(413, 1),
        _ => success("null"),
    })
    .await;
    let writes = vec![(key(1), entry(1, 5 << 20), None), (key(2), entry(2, 200), None)];
    assert_eq!(kind(at(fake.port).set_many(writes)).await, Err(Kind::TooLarge));
    let asked: Vec<_> = fake.asked().into_iter().map(|it| (it.method, it.path)).collect();
    let ends = [("PUT", key(1)), ("DELETE", key(1)), ("PUT", key(2))];
    assert_eq!(asked.len(), ends.len(), "{asked:?}");
    for ((method, path), (expected, name)) in asked.iter().zip(ends) {
        assert!(method == expected && path.ends_with(name.as_str()), "{asked:?}");
    }
}

#[tokio::test]
async fn entry_that_cannot_be_removed_is_the_error_of_that() {
    let fake = HttpFake::start(|_| Said::answer(500, "", "")).await;
    let backend = Cloudflare::builder(fake.port).max_entry(SMALL).build().unwrap();
    assert_eq!(kind(backend.set(&key(1), entry(1, SMALL + 1), None)).await, Err(Kind::Transient));
}

#[tokio::test]
async fn larger_entry_of_another_is_rejected() {
    let server = Cloudflare::start();
    at(server.0.port).set(&key(1), entry(1, SMALL + 1), None).await.unwrap();
    let backend = small(&server);
    assert_eq!(kind(backend.get(&key(1))).await, Err(Kind::Rejected));
    assert_eq!(kind(backend.get_many(&[key(1), key(2)])).await, Err(Kind::Rejected));
    assert!(backend.exists(&key(1)).await.unwrap());
}

#[tokio::test]
async fn ttl_reaches_the_store_within_its_limits() {
    let server = Cloudflare::start();
    let backend = at(server.0.port);
    let ttls = [
        (1, Some(Duration::from_millis(1)), Some(60)),
        (2, Some(Duration::from_millis(60_001)), Some(61)),
        (3, Some(Duration::MAX), Some(3_650 * 24 * 3_600)),
        (4, None, None),
    ];
    for (number, ttl, _) in ttls {
        backend.set(&key(number), entry(number, 200), ttl).await.unwrap();
        let batch = [number + 10, number + 20].map(|number| (key(number), entry(number, 200), ttl));
        backend.set_many(batch.into()).await.unwrap();
    }
    let all = ttls.iter().flat_map(|(number, _, expected)| [0, 10, 20].map(|by| (number + by, *expected)));
    expire_after(&server, &all.collect::<Vec<_>>()).await;
}

/// The namespace holds these names and no others, and each expires after so many seconds from when it was written.
pub(crate) async fn expire_after(server: &Cloudflare, expected: &[(u64, Option<u64>)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expirations = server.expirations().await;
    assert_eq!(expirations.len(), expected.len());
    for (number, expected) in expected {
        let (_, found) = expirations.iter().find(|(name, _)| name == key(*number).as_str()).unwrap();
        // Some seconds may have passed since.
        let left = found.map(|at| at - now);
        let near =
            left.zip(*expected).is_none_or(|(left, expected)| left <= expected && left + 30 > expected);
        assert!(left.is_some() == expected.is_some() && near, "{number}: {left:?} for {expected:?}");
    }
}

#[tokio::test]
async fn batch_of_many_names_is_few_requests() {
    let count =
        |asked: &Asked| serde_json::from_slice::<Value>(&asked.body).unwrap().as_array().unwrap().len();
    let fake = HttpFake::start(|_| success("null")).await;
    let backend = at(fake.port);
    let writes = (0..10_001).map(|number| (key(number), entry(number, 116), None));
    in_time(backend.set_many(writes.collect())).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(count(&asked[0]), 10_000);
    assert!(asked[1].path.contains("/values/")); // one alone
    let keys: Vec<_> = (0..130).chain(0..130).map(key).collect();
    let deleted = in_time(backend.delete_many(&keys)).await.unwrap();
    assert_eq!(deleted, [[true; 130], [false; 130]].concat());
    let asked = fake.asked().split_off(2);
    assert_eq!(asked.len(), 131);
    assert_eq!(count(&asked[130]), 130);
}
