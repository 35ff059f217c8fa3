//! How large an item and a batch may be.

use std::time::Duration;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use blindcache::{Backend, BackendErrorKind as Kind, DynamoDbBackend};
use blindcache_server_tests::{
    Remote, Store,
    dynamodb::{Dynoxide, TABLE, at, client},
    entry, key,
};

use crate::failing;

/// Without an expiry, an item has its key, the entry and three characters of names.
const LARGEST: usize = DynamoDbBackend::LARGEST_ITEM - 55 - 3;
/// `exp`, and ten digits as six bytes.
const EXPIRY: usize = 9;

/// The largest item that the store takes is the largest that is sent; what is larger takes the older entry with it.
pub(crate) async fn largest_item_passes(store: &impl Remote) {
    let backend = store.backend();
    for (ttl, largest) in [(None, LARGEST), (Some(Duration::from_secs(600)), LARGEST - EXPIRY)] {
        backend.set(&key(1), entry(1, largest), ttl).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, largest).as_bytes());
        assert_eq!(failing(backend.set(&key(1), entry(1, largest + 1), ttl)).await, Kind::TooLarge);
        assert!(backend.get(&key(1)).await.unwrap().is_none());
        assert!(!backend.exists(&key(1)).await.unwrap());
    }
    // By the store's own count: one byte more and it refuses.
    let put = |size| {
        let value = AttributeValue::B(Blob::new(entry(1, size).as_bytes()));
        let name = AttributeValue::S(key(1).as_str().into());
        client(store.port()).put_item().table_name(TABLE).item("pk", name).item("v", value).send()
    };
    put(LARGEST).await.unwrap();
    assert!(put(LARGEST + 1).await.is_err());
}

#[tokio::test]
async fn largest_item_passes_and_a_larger_one_is_too_large_and_gone() {
    largest_item_passes(&Dynoxide::start().await).await;
}

#[tokio::test]
async fn too_large_an_entry_of_a_batch_is_deleted_and_the_rest_written() {
    let backend = Dynoxide::start().await;
    let (_server, backend) = (&backend, backend.backend());
    for number in 0..3 {
        backend.set(&key(number), entry(9, 200), None).await.unwrap();
    }
    let large = || entry(1, LARGEST + 1);
    let writes = vec![
        (key(0), entry(0, 300), None),
        (key(1), large(), None),
        (key(2), large(), None),
        (key(2), entry(2, 300), None), // the last one counts
    ];
    assert_eq!(failing(backend.set_many(writes)).await, Kind::TooLarge);
    let found = backend.get_many(&[key(0), key(1), key(2)]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap(), entry(0, 300).as_bytes());
    assert!(found[1].is_none());
    assert_eq!(found[2].as_ref().unwrap(), entry(2, 300).as_bytes());
}

#[tokio::test]
async fn largest_entry_that_is_set_bounds_writes_and_reads() {
    let server = Dynoxide::start().await;
    let small = at(server.port).timeout(Duration::from_secs(30)).max_entry(1_000).build().unwrap();
    small.set(&key(1), entry(1, 1_000), None).await.unwrap();
    assert_eq!(small.get(&key(1)).await.unwrap().unwrap(), entry(1, 1_000).as_bytes());
    assert_eq!(failing(small.set(&key(1), entry(1, 1_001), None)).await, Kind::TooLarge);
    assert!(small.get(&key(1)).await.unwrap().is_none());

    server.backend().set(&key(2), entry(2, 200_000), None).await.unwrap();
    assert_eq!(failing(small.get(&key(2))).await, Kind::Rejected);
    assert_eq!(failing(small.get_many(&[key(2)])).await, Kind::Rejected);
    assert!(small.exists(&key(2)).await.unwrap());
    assert!(small.delete(&key(2)).await.unwrap());
}

/// More names than a request takes, each of them twice; and more bytes than an answer holds, 16 MB.
pub(crate) async fn large_batches_pass(store: &impl Remote) {
    let backend = store.backend();
    let numbers: Vec<u64> = (0..230).collect();
    backend.set_many(numbers.iter().map(|&it| (key(it), entry(it, 200), None)).collect()).await.unwrap();
    let keys: Vec<_> = numbers.iter().chain(&numbers).copied().map(key).collect();
    let found = backend.get_many(&keys).await.unwrap();
    for (number, found) in numbers.iter().chain(&numbers).zip(found) {
        assert_eq!(found.unwrap(), entry(*number, 200).as_bytes());
    }
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(deleted, [vec![true; 230], vec![false; 230]].concat());

    let size = 400_000;
    backend.set_many((0..50).map(|it| (key(it), entry(it, size), None)).collect()).await.unwrap();
    let found = backend.get_many(&(0..50).map(key).collect::<Vec<_>>()).await.unwrap();
    assert!(found.into_iter().all(|found| found.is_some_and(|found| found.len() == size)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_batches_pass_by_parts() {
    large_batches_pass(&Dynoxide::start().await).await;
}
