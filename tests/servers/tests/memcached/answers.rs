//! What a real server answers, and what comes of it: sizes, full memory, expiry, batches.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blindcache::{Backend, BackendErrorKind as Kind, MemcachedBackend, StoreKey};
use blindcache_server_tests::{
    Memcached, MemcachedOptions, Proxy, Store, entry, healed, in_time, key, until,
};

use crate::failing;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// With its own largest item, of 1 MiB.
fn plain() -> Memcached {
    Memcached::with(MemcachedOptions::default())
}

fn with(arguments: &'static [&'static str]) -> Memcached {
    Memcached::with(MemcachedOptions { arguments, ..MemcachedOptions::default() })
}

fn at(server: &Memcached) -> MemcachedBackend {
    MemcachedBackend::new(&server.url()).unwrap()
}

/// A name with the longest prefix.
fn longest() -> StoreKey {
    StoreKey::parse(&format!("{}{}", "p".repeat(64), key(1).as_str())).unwrap()
}

#[tokio::test]
async fn largest_entry_fits_under_the_longest_name_and_not_a_byte_more() {
    let server = plain();
    let backend = at(&server);
    let largest = entry(1, MemcachedBackend::ENTRY);
    backend.set(&longest(), largest.clone(), None).await.unwrap();
    assert_eq!(backend.get(&longest()).await.unwrap().unwrap(), largest.as_bytes());
    let larger = || MemcachedBackend::builder(&server.url()).max_entry(2 << 20).build().unwrap();
    let more = entry(1, MemcachedBackend::ENTRY + 1);
    assert_eq!(failing(larger().set(&longest(), more, None)).await, Kind::TooLarge);
    // A shorter name leaves more room.
    larger().set(&key(1), entry(1, MemcachedBackend::ENTRY + 64), None).await.unwrap();
    assert_eq!(
        failing(larger().set(&key(1), entry(1, MemcachedBackend::ENTRY + 65), None)).await,
        Kind::TooLarge
    );
}

#[tokio::test]
async fn entry_too_large_for_the_server_or_the_setting_leaves_nothing_stale() {
    let server = plain();
    let proxy = Proxy::start(server.port).await;
    let at_most = |bytes| {
        let builder = MemcachedBackend::builder(&format!("memcache://127.0.0.1:{}", proxy.port));
        builder.max_entry(bytes).build().unwrap()
    };
    let (by_server, by_setting) = (at_most(8 << 20), at_most(1_000));
    for (backend, large) in [(by_server, 4 << 20), (by_setting, 1_001)] {
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        assert_eq!(failing(backend.set(&key(1), entry(2, large), None)).await, Kind::TooLarge);
        assert!(backend.get(&key(1)).await.unwrap().is_none(), "the old one is still there");

        backend
            .set_many((1..5).map(|number| (key(number), entry(number, 200), None)).collect())
            .await
            .unwrap();
        let size = |number| if number % 2 == 0 { large } else { 300 };
        let writes = (1..5).map(|number| (key(number), entry(number, size(number)), None));
        assert_eq!(failing(backend.set_many(writes.collect())).await, Kind::TooLarge);
        let found = backend.get_many(&[1, 2, 3, 4].map(key)).await.unwrap();
        let lengths: Vec<_> = found.iter().map(|found| found.as_ref().map(|it| it.len())).collect();
        assert_eq!(lengths, [Some(300), None, Some(300), None]);
    }
    assert_eq!(proxy.accepted(), 2); // the refusals cost no connection
}

#[tokio::test]
async fn entry_too_large_where_the_server_is_down_says_so() {
    let mut server = plain();
    let backend = at(&server);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    server.stop();
    // The old entry may still be there: the caller must not take it for gone.
    assert_eq!(failing(backend.set(&key(1), entry(1, 2 << 20), None)).await, Kind::Transient);
}

#[tokio::test]
async fn larger_entry_of_another_writer_is_rejected() {
    let server = Memcached::start();
    server.backend().set(&key(1), entry(1, 1 << 20), None).await.unwrap();
    let small = at(&server);
    assert_eq!(failing(small.get(&key(1))).await, Kind::Rejected);
    assert_eq!(failing(small.get_many(&[key(1), key(2)])).await, Kind::Rejected);
    assert!(small.exists(&key(1)).await.unwrap());
    healed(&small).await;
}

#[tokio::test]
async fn full_memory_is_throttled_and_leaves_nothing_stale() {
    let server = with(&["-M", "-m", "2"]);
    let proxy = Proxy::start(server.port).await;
    let backend = MemcachedBackend::new(&format!("memcache://127.0.0.1:{}", proxy.port)).unwrap();
    let set = async |number| backend.set(&key(number), entry(number, 100_000), None).await;
    let mut stored = 0;
    while set(stored).await.is_ok() {
        stored += 1;
        assert!(stored < 100, "the memory is never full");
    }
    assert!(stored > 5);
    assert_eq!(failing(backend.set(&key(0), entry(7, 100_000), None)).await, Kind::Throttled);
    assert!(backend.get(&key(0)).await.unwrap().is_none(), "the old one is still there");
    let writes = vec![(key(0), entry(0, 100_000), None), (key(1), entry(7, 100_000), None)];
    assert_eq!(failing(backend.set_many(writes)).await, Kind::Throttled);
    assert!(backend.get(&key(2)).await.unwrap().is_some());
    assert_eq!(proxy.accepted(), 1); // the refusals cost no connection
}

/// Memcached keeps items of more than 512 KiB in parts, and may find no room for a later one.
#[tokio::test]
async fn full_memory_for_a_large_entry_is_throttled() {
    let server = with(&["-M", "-m", "2"]);
    let proxy = Proxy::start(server.port).await;
    let backend = MemcachedBackend::new(&format!("memcache://127.0.0.1:{}", proxy.port)).unwrap();
    let mut stored = 0;
    while backend.set(&key(stored), entry(stored, 900_000), None).await.is_ok() {
        stored += 1;
        assert!(stored < 20, "the memory is never full");
    }
    assert_eq!(failing(backend.set(&key(100), entry(100, 900_000), None)).await, Kind::Throttled);
    assert!(backend.get(&key(100)).await.unwrap().is_none());
    assert_eq!(backend.get(&key(0)).await.unwrap().unwrap(), entry(0, 900_000).as_bytes());
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn evicted_entries_are_misses_and_the_others_whole() {
    let server = with(&["-m", "2"]);
    let backend = at(&server);
    let count = 2_000;
    let size = |number: u64| 500 + number as usize % 7 * 900;
    for part in (0..count).collect::<Vec<_>>().chunks(100) {
        let writes = part.iter().map(|&number| (key(number), entry(number, size(number)), Some(HOUR)));
        backend.set_many(writes.collect()).await.unwrap();
    }
    assert!(server.stat("evictions") > 100);
    let keys: Vec<_> = (0..count).map(key).collect();
    let found = backend.get_many(&keys).await.unwrap();
    let mut there = 0;
    for (number, found) in (0..).zip(found) {
        assert_eq!(backend.exists(&key(number)).await.unwrap(), found.is_some());
        if let Some(found) = found {
            assert_eq!(found, entry(number, size(number)).as_bytes());
            there += 1;
        }
    }
    assert!(there > 100 && there < count, "{there} of {count} are there");
}

#[tokio::test]
async fn ttl_is_in_seconds_and_a_later_set_replaces_it() {
    let server = plain();
    let backend = at(&server);
    // What the server says is left, in seconds.
    let left = || {
        let answer = String::from_utf8(server.ask(&format!("mg {} t\r\n", key(1).as_str()))).unwrap();
        answer.trim_end().strip_prefix("HD t").unwrap().parse::<i64>().unwrap()
    };
    let set = async |ttl| backend.set(&key(1), entry(1, 200), ttl).await.unwrap();
    let about = |ttl: Duration| (ttl.as_secs() as i64 - 30)..=(ttl.as_secs() as i64 + 3);
    for ttl in [HOUR, DAY * 30 - HOUR, DAY * 30, DAY * 30 + HOUR, DAY * 40, DAY * 365] {
        set(Some(ttl)).await;
        assert!(about(ttl).contains(&left()), "{ttl:?}: {}", left());
    }
    set(None).await;
    assert_eq!(left(), -1);
    set(Some(Duration::MAX)).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let latest = (i32::MAX as u64).saturating_sub(now.as_secs()).max(30 * DAY.as_secs());
    assert!(about(Duration::from_secs(latest)).contains(&left()), "{}", left());
    let write = |ttl| vec![(key(1), entry(1, 200), ttl)];
    backend.set_many(write(Some(DAY * 40))).await.unwrap();
    assert!(about(DAY * 40).contains(&left()));
    backend.set_many(write(None)).await.unwrap();
    assert_eq!(left(), -1);
    set(Some(Duration::ZERO)).await;
    until("the least ttl ends", async || backend.get(&key(1)).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn no_entry_goes_before_its_ttl() {
    let server = plain();
    let backend = at(&server);
    let ttl = Duration::from_secs(1);
    // At 20 times within the server's second.
    for number in 0..20 {
        let set = std::time::Instant::now();
        backend.set(&key(number), entry(number, 200), Some(ttl)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(870)).await;
        let there = backend.exists(&key(number)).await.unwrap();
        assert!(there || set.elapsed() > ttl, "it is gone after {:?}", set.elapsed());
    }
}

#[tokio::test]
async fn long_batches_keep_their_order() {
    let server = Memcached::start();
    let backend = server.backend();
    let count = 1_500;
    let keys: Vec<_> = (0..count).map(key).collect();
    let size = |number: u64| if number.is_multiple_of(150) { 1 << 20 } else { 200 };
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
    assert_eq!(server.stat("curr_items"), 0);
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let server = plain();
    let backend = at(&server);
    backend.set_many(vec![(key(1), entry(1, 200), None), (key(1), entry(2, 300), None)]).await.unwrap();
    let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
    let second = entry(2, 300).into_bytes();
    assert_eq!(found, [Some(second.clone()), None, Some(second)]);
    assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
}

#[tokio::test]
async fn empty_batch_makes_no_call() {
    let backend = MemcachedBackend::new("memcache://127.0.0.1:1").unwrap();
    assert!(backend.get_many(&[]).await.unwrap().is_empty());
    assert!(backend.delete_many(&[]).await.unwrap().is_empty());
    backend.set_many(vec![]).await.unwrap();
}

#[tokio::test]
async fn server_that_wants_a_login_denies() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("logins");
    std::fs::write(&file, "user:password\n").unwrap();
    let arguments = ["-Y", file.to_str().unwrap()].map(|text| &*text.to_owned().leak());
    let server = with(Vec::leak(arguments.to_vec()));
    let backend = at(&server);
    assert_eq!(failing(backend.ping()).await, Kind::Denied);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Denied);
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Denied);
}

#[tokio::test]
async fn full_server_is_transient() {
    let server = with(&["-c", "20", "-t", "1"]);
    // More than fit: the connection by which the start was noticed may end late, and leave room for one.
    let mut others = Vec::new();
    let mut backend = at(&server);
    let err = loop {
        match in_time(backend.get(&key(1))).await {
            Err(err) => break err,
            Ok(_) => assert!(others.len() < 60, "the server is never full"),
        }
        others.push(std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap());
        backend = at(&server);
    };
    assert_eq!(err.kind(), Kind::Transient);
    drop(others);
    healed(&backend).await;
}
