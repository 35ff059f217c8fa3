//! Slots move from node to node while calls are made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use blindcache::{Backend, StoreKey};
use blindcache_server_tests::{
    Cluster, Store,
    cluster::{MASTERS, SLOTS, slot_of},
    entry, in_time, key, until,
};
use tokio::task::JoinSet;

/// Names that the calls are about.
const NAMES: u64 = 48;

/// The node that serves a slot at first.
fn home(slot: usize) -> usize {
    slot * MASTERS / SLOTS
}

/// `MOVED` and `ASK`, as a node counts the errors that it answered.
fn pointed(cluster: &Cluster) -> (u64, u64) {
    let count = |code: &str| {
        let counts = cluster.nodes.iter().map(|node| {
            let stats: String = node.admin(&["INFO", "errorstats"]);
            let line = stats
                .lines()
                .find_map(|line| line.strip_prefix(&format!("errorstat_{code}:count=")))
                .map(str::to_owned);
            line.map_or(0, |line| line.trim().parse().unwrap())
        });
        counts.sum()
    };
    (count("MOVED"), count("ASK"))
}

#[tokio::test]
async fn name_on_its_way_is_found_where_it_is() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let slot = slot_of(&cluster.nodes[0], &key(1));
    let (from, to) = (home(slot), (home(slot) + 1) % MASTERS);
    cluster
        .move_slot(slot, from, to, async || {
            for _ in 0..2 {
                assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
                assert!(backend.exists(&key(1)).await.unwrap());
                let found = backend.get_many(&[key(2), key(1), key(3), key(1)]).await.unwrap();
                let there: Vec<_> = found.iter().map(Option::is_some).collect();
                assert_eq!(there, [false, true, false, true]);
            }
        })
        .await;
    let (_, asked) = pointed(&cluster);
    assert_eq!(asked, 16, "for each time that it is named while it is on its way");
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
    assert_eq!(cluster.nodes[to].admin::<usize>(&["EXISTS", key(1).as_str()]), 1);
    assert!(backend.delete(&key(1)).await.unwrap());
}

#[tokio::test]
async fn moved_slot_is_asked_about_once_or_twice() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let slot = slot_of(&cluster.nodes[0], &key(1));
    tokio::time::sleep(std::time::Duration::from_millis(150)).await; // the map is old enough for another
    cluster.move_slot(slot, home(slot), (home(slot) + 1) % MASTERS, async || ()).await;
    until("the new node is known", async || {
        let (before, _) = pointed(&cluster);
        assert!(backend.exists(&key(1)).await.unwrap());
        before == pointed(&cluster).0
    })
    .await;
    let (moved, _) = pointed(&cluster);
    assert!((1..=5).contains(&moved), "{moved}");
}

/// One call of a task on names of its own: what it finds is what it wrote last.
async fn call(backend: &impl Backend, random: &mut fastrand::Rng, mine: &mut [(StoreKey, Option<u64>)]) {
    let stored = |number: u64| entry(number, 200 + number as usize % 300);
    let at = random.usize(0..mine.len());
    match random.u8(0..6) {
        0 => {
            let number = random.u64(..);
            backend.set(&mine[at].0, stored(number), None).await.unwrap();
            mine[at].1 = Some(number);
        }
        1 => {
            let was = mine[at].1.take().is_some();
            assert_eq!(backend.delete(&mine[at].0).await.unwrap(), was);
        }
        2 => {
            let writes = mine.iter_mut().map(|(key, number)| {
                let new = random.u64(..);
                *number = Some(new);
                (key.clone(), stored(new), None)
            });
            backend.set_many(writes.collect()).await.unwrap();
        }
        3 => {
            let keys: Vec<_> = mine.iter().map(|(key, _)| key.clone()).collect();
            let found = backend.get_many(&keys).await.unwrap();
            for (found, (_, number)) in found.into_iter().zip(mine) {
                assert_eq!(found, number.map(|number| stored(number).into_bytes()));
            }
        }
        4 => assert_eq!(backend.exists(&mine[at].0).await.unwrap(), mine[at].1.is_some()),
        _ => {
            let found = backend.get(&mine[at].0).await.unwrap();
            assert_eq!(found, mine[at].1.map(|number| stored(number).into_bytes()));
        }
    }
}

/// 64 tasks, without any layer above the backend, while the slots of all their names move to another node and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load_without_an_error() {
    let cluster = Cluster::three().await;
    let backend = cluster.backend();
    let (over, calls) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (backend, over, calls) = (backend.clone(), over.clone(), calls.clone());
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            // A quarter of the names is in slots that move; each is one task's only.
            let first = if task % 4 == 0 { task / 4 * 3 } else { 10_000 + task * 3 };
            let mut mine: Vec<_> = (first..first + 3).map(|number| (key(number), None)).collect();
            while !over.load(SeqCst) {
                in_time(call(&backend, &mut random, &mut mine)).await;
                calls.fetch_add(1, SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(1)).await; // the nodes need a core, too
            }
        });
    }
    for there in [true, false] {
        for number in 0..NAMES {
            let slot = slot_of(&cluster.nodes[0], &key(number));
            let (from, to) = (home(slot), (home(slot) + 1) % MASTERS);
            let (from, to) = if there { (from, to) } else { (to, from) };
            cluster.move_slot(slot, from, to, async || tokio::task::yield_now().await).await;
            // Nodes whose slots move faster than they tell each other about it disagree for long.
            cluster.settled().await;
        }
    }
    over.store(true, SeqCst);
    in_time(tasks.join_all()).await;
    let (moved, asked) = pointed(&cluster);
    println!("{} calls, {moved} MOVED, {asked} ASK", calls.load(SeqCst));
    assert!(moved > 0 && asked > 0);
}
