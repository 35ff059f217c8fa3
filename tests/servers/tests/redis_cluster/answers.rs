//! Calls and batches on a real cluster.

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    Cluster, Server, Store,
    cluster::{MASTERS, SLOTS, node, slot_of},
    entry, failing, key,
};

fn held(cluster: &Cluster) -> Vec<usize> {
    cluster.nodes.iter().map(|node| node.admin::<usize>(&["DBSIZE"])).collect()
}

#[tokio::test]
async fn every_name_is_on_the_node_of_its_slot() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    for number in 0..100 {
        backend.set(&key(number), entry(number, 200), None).await.unwrap();
        let node = slot_of(&cluster.nodes[0], &key(number)) * MASTERS / SLOTS;
        assert_eq!(cluster.nodes[node].admin::<usize>(&["EXISTS", key(number).as_str()]), 1, "{number}");
    }
    assert_eq!(held(&cluster).into_iter().sum::<usize>(), 100);
    // No node was asked for what another has: none had to point elsewhere.
    for node in &cluster.nodes {
        let errors: String = node.admin(&["INFO", "errorstats"]);
        assert!(!errors.contains("MOVED"), "{errors}");
    }
}

#[tokio::test]
async fn long_batches_over_all_nodes_keep_their_order() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    let count = 1_500;
    let keys: Vec<_> = (0..count).map(key).collect();
    let size = |number: u64| if number.is_multiple_of(500) { 6 << 20 } else { 200 };
    let writes = (0..count).map(|number| (key(number), entry(number, size(number)), None));
    backend.set_many(writes.collect()).await.unwrap();
    assert!(held(&cluster).into_iter().all(|held| held > 300));
    let found = backend.get_many(&keys).await.unwrap();
    assert_eq!(found.len(), count as usize);
    for (number, found) in (0..).zip(found) {
        assert_eq!(found.unwrap(), entry(number, size(number)).as_bytes());
    }
    backend.delete(&key(700)).await.unwrap();
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(deleted.iter().position(|there| !there), Some(700));
    assert_eq!(deleted.iter().filter(|there| **there).count(), count as usize - 1);
    assert_eq!(held(&cluster), [0; MASTERS]);
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    backend.set_many(vec![(key(1), entry(1, 200), None), (key(1), entry(2, 300), None)]).await.unwrap();
    let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
    let second = entry(2, 300).into_bytes();
    assert_eq!(found, [Some(second.clone()), None, Some(second)]);
    assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
    let nowhere = RedisBackend::cluster(["redis://127.0.0.1:1"]).unwrap();
    assert!(nowhere.get_many(&[]).await.unwrap().is_empty());
    assert!(nowhere.delete_many(&[]).await.unwrap().is_empty());
    nowhere.set_many(vec![]).await.unwrap();
}

#[tokio::test]
async fn key_of_another_type_is_as_on_one_server() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    let _: usize = cluster.nodes[cluster.master_of(&key(1))].admin(&["RPUSH", key(1).as_str(), "element"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
    let found = backend.get_many(&[key(1), key(2)]).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some());
}

#[tokio::test]
async fn full_memory_of_one_node_is_throttled() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    let full = cluster.master_of(&key(1));
    let _: () = cluster.nodes[full].admin(&["CONFIG", "SET", "maxmemory", "1"]);
    let others = (2..).map(key).find(|key| cluster.master_of(key) != full).unwrap();
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Throttled);
    let both = vec![(others.clone(), entry(2, 200), None), (key(1), entry(1, 200), None)];
    assert_eq!(failing(backend.set_many(both)).await, Kind::Throttled);
    backend.set(&others, entry(2, 200), None).await.unwrap();
    let _: () = cluster.nodes[full].admin(&["CONFIG", "SET", "maxmemory", "0"]);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
}

#[tokio::test]
async fn larger_entry_is_not_sent_and_what_was_stored_is_gone() {
    let cluster = Cluster::three().await;
    let backend = RedisBackend::cluster_builder(cluster.urls()).max_entry(1_000).build().unwrap();
    for number in 0..3 {
        backend.set(&key(number), entry(number, 200), None).await.unwrap();
    }
    assert_eq!(failing(backend.set(&key(0), entry(0, 1_001), None)).await, Kind::TooLarge);
    let writes = [1, 2].map(|number| (key(number), entry(number, 1_001), None));
    assert_eq!(failing(backend.set_many(writes.into())).await, Kind::TooLarge);
    assert_eq!(held(&cluster), [0; MASTERS]);
}

#[tokio::test]
async fn server_that_is_no_cluster_is_misconfigured() {
    let server = Server::start();
    let backend = RedisBackend::cluster([server.url()]).unwrap();
    for _ in 0..2 {
        assert_eq!(failing(backend.ping()).await, Kind::Misconfigured);
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Misconfigured);
    }
}

#[tokio::test]
async fn node_without_slots_is_transient_until_it_has_some() {
    let node = node(blindcache_server_tests::Options::default());
    let backend = RedisBackend::cluster([node.url()]).unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
    let slot = slot_of(&node, &key(1));
    let _: () = node.admin(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    let _: () = node.admin(&["CLUSTER", "ADDSLOTS", &slot.to_string()]);
    blindcache_server_tests::until("the slot is served", async || {
        backend.set(&key(1), entry(1, 200), None).await.is_ok()
    })
    .await;
    let other = (2..).map(key).find(|key| slot_of(&node, key) != slot).unwrap();
    assert_eq!(failing(backend.get(&other)).await, Kind::Transient);
    let _: () = node.admin(&["CLUSTER", "ADDSLOTS", &slot_of(&node, &other).to_string()]);
    blindcache_server_tests::until("the other slot is served", async || backend.get(&other).await.is_ok())
        .await;
}
