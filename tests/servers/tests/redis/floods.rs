//! A server may send what the calls in flight can be answered with, and little more.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    Fault, Flood, HANG, Proxy, Script, Server, entry, failing, healed, in_time, key, until,
};
use tokio::time::timeout;

/// The largest entry in these tests.
const MAX_ENTRY: usize = 1 << 20;
/// More than the sockets hold of what one side sends and the other does not read.
const SOCKETS: usize = 32 << 20;

/// A backend that has enough time, so that no test is about time.
fn patient(url: &str) -> RedisBackend {
    let builder = RedisBackend::builder(url).max_entry(MAX_ENTRY);
    builder.connect_timeout(HANG).response_timeout(HANG).build().unwrap()
}

#[tokio::test]
async fn flood_without_a_call_ends_the_connection() {
    let flood = Flood::unasked().await;
    let backend = patient(&flood.url());
    let _ = in_time(backend.ping()).await;
    until("the flood ends", async || flood.ended() > 0).await;
    assert!(flood.taken() < SOCKETS, "{} bytes were taken", flood.taken());
}

#[tokio::test]
async fn flood_during_a_call_is_rejected() {
    let flood = Flood::in_answer().await;
    let backend = patient(&flood.url());
    let keys = [key(1), key(2), key(3)];
    assert_eq!(failing(backend.get(&keys[0])).await, Kind::Rejected);
    assert_eq!(failing(backend.get_many(&keys)).await, Kind::Rejected);
    let (get, delete_many, set) = tokio::join!(
        failing(backend.get(&keys[0])),
        failing(backend.delete_many(&keys)),
        failing(backend.set(&keys[0], entry(1, 200), None)),
    );
    assert_eq!([get, delete_many, set], [Kind::Rejected; 3]); // those in flight beside it too
    until("the floods end", async || flood.ended() == 3).await;
    assert!(flood.taken() < 3 * SOCKETS, "{} bytes were taken", flood.taken());
}

#[tokio::test]
async fn largest_entry_and_batches_of_it_pass() {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let backend = patient(&proxy.url());
    let keys: Vec<_> = (0..20).map(key).collect();
    let writes = (0..20).map(|number| (key(number), entry(number, MAX_ENTRY), None));
    backend.set_many(writes.collect()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(backend.get(&key(7)).await.unwrap().unwrap(), entry(7, MAX_ENTRY).as_bytes());
        let (all, again) = tokio::join!(backend.get_many(&keys), backend.get_many(&keys));
        for found in [all.unwrap(), again.unwrap()] {
            assert!(found.into_iter().all(|found| found.is_some_and(|it| it.len() == MAX_ENTRY)));
        }
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn larger_entry_is_neither_sent_nor_read_and_what_was_stored_is_gone() {
    let server = Server::start();
    let backend = patient(&server.url());
    for number in 1..3 {
        backend.set(&key(number), entry(number, 200), None).await.unwrap();
    }
    let large = || entry(1, MAX_ENTRY + 1);
    assert_eq!(failing(backend.set(&key(1), large(), None)).await, Kind::TooLarge);
    assert!(!backend.exists(&key(1)).await.unwrap());
    let writes = vec![(key(3), entry(3, 200), None), (key(2), large(), None), (key(1), large(), None)];
    assert_eq!(failing(backend.set_many(writes)).await, Kind::TooLarge);
    assert_eq!(server.admin::<usize>(&["DBSIZE"]), 0);

    let other = RedisBackend::new(&server.url()).unwrap(); // with the default limit
    other.set(&key(1), entry(1, 4 * MAX_ENTRY), None).await.unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Rejected);
    healed(&backend).await;
}

#[tokio::test]
async fn late_answers_to_callers_who_gave_up_do_not_cost_the_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let backend = patient(&proxy.url());
    backend.set(&key(1), entry(1, MAX_ENTRY), None).await.unwrap();
    for _ in 0..3 {
        proxy.set(Fault::Delay(Duration::from_millis(100)));
        for _ in 0..20 {
            assert!(timeout(Duration::from_millis(2), backend.get(&key(1))).await.is_err());
        }
        proxy.set(Fault::None);
        assert!(!in_time(backend.exists(&key(2))).await.unwrap()); // comes after all those
    }
    assert_eq!(proxy.accepted(), 1);
}

/// What a client keeps of them: it takes them for confirmations of subscriptions, whose names it remembers.
#[tokio::test]
async fn push_messages_beside_the_answers_end_the_connection() {
    const PUSH: usize = 8 << 10;
    const CALLS: usize = 1_000;
    let pushes = AtomicUsize::new(0);
    let server = Script::start(move |_| {
        let name = format!("{:0>PUSH$}", pushes.fetch_add(1, SeqCst));
        Some(format!("$-1\r\n>3\r\n$9\r\nsubscribe\r\n${PUSH}\r\n{name}\r\n:1\r\n").into_bytes())
    })
    .await;
    let backend = patient(&server.url());
    for _ in 0..CALLS {
        let _ = in_time(backend.get(&key(1))).await;
    }
    assert!(server.accepted() >= CALLS / 4, "{} connections", server.accepted());
}

/// A byte too few in the count of any answer would here be more than may come unasked.
#[tokio::test]
async fn answers_of_every_kind_do_not_cost_the_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let keys: Vec<_> = (0..512).map(key).collect();
    server.admin::<i64>(&["HSET", key(1_000).as_str(), "a", "b"]);
    for (protocol, connections) in [("", 1), ("?protocol=resp3", 2)] {
        let backend = patient(&format!("{}/{protocol}", proxy.url()));
        for _ in 0..40 {
            assert!(backend.get_many(&keys).await.unwrap().iter().all(Option::is_none));
            assert!(!backend.delete_many(&keys).await.unwrap().contains(&true));
            let writes = keys.iter().map(|key| (key.clone(), entry(1, 200), None));
            backend.set_many(writes.collect()).await.unwrap();
            assert!(backend.get_many(&keys).await.unwrap().iter().all(Option::is_some));
            assert!(!backend.delete_many(&keys).await.unwrap().contains(&false));
            backend.ping().await.unwrap();
            assert_eq!(failing(backend.get(&key(1_000))).await, Kind::Rejected);
        }
        assert_eq!(proxy.accepted(), connections, "{protocol}");
    }
}
