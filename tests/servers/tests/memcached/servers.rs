//! Names spread over several servers.

use blindcache::{Backend, BackendErrorKind as Kind, MemcachedBackend};
use blindcache_server_tests::{LIMIT, Memcached, MemcachedOptions, entry, healed, in_time, key};

use crate::failing;

const NAMES: u64 = 600;

fn start(count: usize) -> Vec<Memcached> {
    (0..count).map(|_| Memcached::with(MemcachedOptions::default())).collect()
}

fn over(servers: &[Memcached]) -> MemcachedBackend {
    let list: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    MemcachedBackend::builder(&format!("memcache://{}", list.join(","))).timeout(LIMIT * 5).build().unwrap()
}

async fn fill(backend: &MemcachedBackend) {
    let writes = (0..NAMES).map(|number| (key(number), entry(number, 200), None));
    backend.set_many(writes.collect()).await.unwrap();
}

#[tokio::test]
async fn every_server_has_its_share_and_batches_keep_their_order() {
    let servers = start(3);
    let backend = over(&servers);
    fill(&backend).await;
    let shares: Vec<_> = servers.iter().map(|server| server.stat("curr_items")).collect();
    assert_eq!(shares.iter().sum::<u64>(), NAMES);
    assert!(shares.iter().all(|share| *share > NAMES / 6), "{shares:?}");
    let keys: Vec<_> = (0..NAMES).map(key).collect();
    let found = backend.get_many(&keys).await.unwrap();
    assert!((0..).zip(found).all(|(number, found)| found.unwrap() == entry(number, 200).as_bytes()));
    assert_eq!(backend.get(&key(5)).await.unwrap().unwrap(), entry(5, 200).as_bytes());
    backend.delete(&key(7)).await.unwrap();
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(deleted.iter().position(|there| !there), Some(7));
    assert!(servers.iter().all(|server| server.stat("curr_items") == 0));
}

#[tokio::test]
async fn one_more_server_costs_its_share_of_the_names() {
    let mut servers = start(3);
    fill(&over(&servers)).await;
    servers.extend(start(1));
    let keys: Vec<_> = (0..NAMES).map(key).collect();
    let found = over(&servers).get_many(&keys).await.unwrap();
    let misses = found.iter().filter(|found| found.is_none()).count() as u64;
    assert!((NAMES / 8..=NAMES * 3 / 8).contains(&misses), "{misses} of {NAMES}");
    // Two processes may list them in another order.
    servers.rotate_left(2);
    assert_eq!(over(&servers).get_many(&keys).await.unwrap(), found);
}

#[tokio::test]
async fn while_one_is_down_its_names_fail_and_the_others_go_on() {
    let mut servers = start(3);
    let backend = over(&servers);
    fill(&backend).await;
    let before = servers[1].stat("curr_items");
    servers[1].stop();
    let (mut failed, mut found) = (0, 0);
    for number in 0..NAMES {
        match in_time(backend.get(&key(number))).await {
            Ok(entry) => found += u64::from(entry.is_some()),
            Err(err) => {
                assert_eq!(err.kind(), Kind::Transient);
                failed += 1;
            }
        }
    }
    assert_eq!((failed, found), (before, NAMES - before));
    let keys: Vec<_> = (0..NAMES).map(key).collect();
    assert_eq!(failing(backend.get_many(&keys)).await, Kind::Transient);
    assert_eq!(failing(backend.ping()).await, Kind::Transient);
    // A batch is done where it can be.
    assert_eq!(failing(backend.delete_many(&keys)).await, Kind::Transient);
    assert_eq!((servers[0].stat("curr_items"), servers[2].stat("curr_items")), (0, 0));
    servers[1].start_again();
    blindcache_server_tests::until("the backend heals", async || in_time(backend.ping()).await.is_ok()).await;
    healed(&backend).await;
    assert!(backend.get_many(&keys).await.unwrap().iter().all(Option::is_none));
}
