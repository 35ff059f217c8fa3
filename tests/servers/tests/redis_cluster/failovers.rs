//! A node or a master that dies or hangs: calls end in time, and succeed again by themselves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{
    Cluster, Fault, HANG, LIMIT, Proxy, Remote, Store, Trio, cluster::announce, entry, failing, in_time, key,
    until,
};
use tokio::task::JoinSet;

/// Names that the calls are about, on all nodes.
const NAMES: u64 = 64;

fn stored(number: u64) -> Vec<u8> {
    entry(number, 200 + number as usize).as_bytes().to_vec()
}

/// What the calls of 64 tasks have met.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    good: AtomicU64,
    failed: AtomicU64,
    kinds: Mutex<Vec<Kind>>,
    slowest: Mutex<Duration>,
}

impl Load {
    /// Each task asks for names of all nodes, straight from the backend.
    fn start(backend: &RedisBackend) -> (Arc<Self>, JoinSet<()>) {
        let (load, mut tasks) = (Arc::new(Self::default()), JoinSet::new());
        for task in 0..64 {
            let (load, backend) = (load.clone(), backend.clone());
            tasks.spawn(async move {
                let mut random = fastrand::Rng::with_seed(task);
                while !load.over.load(SeqCst) {
                    load.call(&backend, random.u64(0..NAMES), random.u8(0..4)).await;
                    tokio::time::sleep(Duration::from_millis(2)).await; // the servers need a core, too
                }
            });
        }
        (load, tasks)
    }

    /// An answer is what was written under that name, or nothing where that was lost with its node.
    async fn call(&self, backend: &RedisBackend, number: u64, what: u8) {
        let since = Instant::now();
        let right =
            |number: u64, found: Option<_>| found.as_deref().is_none_or(|found| *found == stored(number));
        let key = key(number);
        let outcome = match what {
            0 => in_time(backend.set(&key, entry(number, 200 + number as usize), None)).await,
            1 => {
                let numbers = [number, (number + 7) % NAMES, (number + 31) % NAMES];
                let keys = numbers.map(blindcache_server_tests::key);
                in_time(backend.get_many(&keys)).await.map(|found| {
                    assert!(numbers.into_iter().zip(found).all(|(number, found)| right(number, found)));
                })
            }
            _ => {
                in_time(backend.get(&key)).await.map(|found| assert!(right(number, found), "of another name"))
            }
        };
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = slowest.max(since.elapsed());
        match outcome {
            Ok(()) => self.good.fetch_add(1, SeqCst),
            Err(err) => {
                self.kinds.lock().unwrap().push(err.kind());
                self.failed.fetch_add(1, SeqCst)
            }
        };
    }

    /// Waits until calls on all names succeed, and none fails any more.
    async fn is_well(&self, backend: &impl Backend) {
        until("all names are served", async || {
            for number in 0..NAMES {
                if in_time(backend.exists(&key(number))).await.is_err() {
                    return false;
                }
            }
            true
        })
        .await;
        tokio::time::sleep(LIMIT * 2).await; // calls from before run into their limits
        let failed = self.failed.load(SeqCst);
        let goal = self.good.load(SeqCst) + 640;
        until("the callers go on", async || self.good.load(SeqCst) >= goal).await;
        assert_eq!(self.failed.load(SeqCst), failed, "calls fail though all is well");
    }

    /// Ends the tasks and tells what they met.
    async fn end(&self, tasks: JoinSet<()>, what: &str) {
        self.over.store(true, SeqCst);
        in_time(tasks.join_all()).await;
        let mut kinds = self.kinds.lock().unwrap().clone();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        kinds.dedup();
        let (good, failed, slowest) =
            (self.good.load(SeqCst), self.failed.load(SeqCst), *self.slowest.lock().unwrap());
        println!(
            "{what}: {good} calls succeeded, {failed} failed as {kinds:?}, the slowest took {slowest:?}"
        );
        assert!(failed > 0, "nothing failed, so nothing was tested");
        assert!(kinds.iter().all(|kind| [Kind::Transient, Kind::Timeout].contains(kind)), "{kinds:?}");
        // Both limits and the time that a busy machine takes besides.
        assert!(slowest < 2 * LIMIT + Duration::from_secs(1), "{slowest:?}");
    }
}

/// A master dies, and its replica takes its place: nobody starts it again meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_node_is_replaced_under_load() {
    let mut cluster = Cluster::six().await;
    let backend = cluster.impatient();
    let (load, tasks) = Load::start(&backend);
    load.is_well(&backend).await;
    let since = Instant::now();
    cluster.kill(1);
    until("calls fail", async || load.failed.load(SeqCst) > 0).await;
    load.is_well(&backend).await;
    println!("all is well {:?} after the node was killed", since.elapsed());
    assert_eq!(cluster.nodes[4].role(), "master");
    cluster.bring_back(1);
    cluster.settled().await;
    load.is_well(&backend).await;
    load.end(tasks, "killed node").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_node_is_replaced_under_load() {
    let cluster = Cluster::six().await;
    let backend = cluster.impatient();
    let (load, tasks) = Load::start(&backend);
    load.is_well(&backend).await;
    cluster.nodes[1].freeze();
    until("calls fail", async || load.failed.load(SeqCst) > 0).await;
    load.is_well(&backend).await;
    assert_eq!(cluster.nodes[4].role(), "master");
    cluster.nodes[1].thaw();
    cluster.settled().await;
    load.is_well(&backend).await;
    load.end(tasks, "hung node").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_master_is_found_again_under_load() {
    let mut trio = <Trio as Store>::start().await;
    let backend = Trio::impatient(&trio);
    let (load, tasks) = Load::start(&backend);
    load.is_well(&backend).await;
    let (since, old) = (Instant::now(), trio.master());
    trio.kill(old);
    until("calls fail", async || load.failed.load(SeqCst) > 0).await;
    load.is_well(&backend).await;
    println!("all is well {:?} after the master was killed", since.elapsed());
    assert_ne!(trio.master(), old);
    trio.bring_back(old);
    trio.settled().await;
    load.is_well(&backend).await;
    load.end(tasks, "killed master").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_master_is_replaced_under_load() {
    let trio = <Trio as Store>::start().await;
    let backend = Trio::impatient(&trio);
    let (load, tasks) = Load::start(&backend);
    load.is_well(&backend).await;
    let old = trio.master();
    trio.servers[old].freeze();
    until("calls fail", async || load.failed.load(SeqCst) > 0).await;
    load.is_well(&backend).await;
    trio.servers[old].thaw(); // thinks for a moment that it still is the master
    trio.settled().await;
    load.is_well(&backend).await;
    assert_ne!(trio.master(), old);
    load.end(tasks, "hung master").await;
}

/// Two names, the first of them on this node.
fn on_and_off(cluster: &Cluster, node: usize) -> (blindcache::StoreKey, blindcache::StoreKey) {
    let find = |on: bool| (0..).map(key).find(|key| (cluster.master_of(key) == node) == on).unwrap();
    (find(true), find(false))
}

#[tokio::test]
async fn node_that_hangs_takes_no_part_in_calls_to_others() {
    let cluster = Cluster::three().await;
    let patient =
        RedisBackend::cluster_builder(cluster.urls()).connect_timeout(HANG / 4).response_timeout(HANG / 4);
    let backend = patient.build().unwrap();
    let (hung, other) = on_and_off(&cluster, 1);
    backend.ping().await.unwrap();
    cluster.nodes[1].freeze();
    let calls = async {
        let since = Instant::now();
        for _ in 0..50 {
            assert!(!backend.exists(&other).await.unwrap());
        }
        since.elapsed()
    };
    let (kind, took) = tokio::join!(failing(backend.get(&hung)), calls);
    assert_eq!(kind, Kind::Timeout);
    assert!(took < HANG / 8, "{took:?}");
    // Nor while the map is asked for, which the hung node would have been, too.
    assert!(!in_time(backend.exists(&other)).await.unwrap());
    cluster.nodes[1].thaw();
    until("the node is back", async || backend.get(&hung).await.is_ok()).await;
}

#[tokio::test]
async fn faults_of_one_node_are_not_those_of_others() {
    let cluster = Cluster::three().await;
    let mut proxy = Proxy::start(cluster.nodes[1].port).await;
    announce(&cluster.nodes[1], proxy.port);
    let backend = cluster.impatient();
    let (behind, other) = on_and_off_by(&cluster, proxy.port).await;
    backend.set(&behind, entry(1, 200), None).await.unwrap();
    let before = proxy.accepted();
    assert!(before > 0, "the proxy stands before nothing");
    for (fault, kind) in [
        (Fault::Reset, Kind::Transient),
        (Fault::Cut(3), Kind::Transient),
        (Fault::BlackHole, Kind::Timeout),
        (Fault::Garbage, Kind::Rejected),
    ] {
        proxy.set(fault);
        for _ in 0..2 {
            assert_eq!(failing(backend.get(&behind)).await, kind, "{fault:?}");
            assert_eq!(failing(backend.get_many(&[other.clone(), behind.clone()])).await, kind, "{fault:?}");
            assert!(in_time(backend.get(&other)).await.unwrap().is_none());
            assert_eq!(failing(backend.ping()).await, kind, "{fault:?}");
        }
        proxy.set(Fault::None);
        until("the node is back", async || in_time(backend.get(&behind)).await.is_ok()).await;
    }
    proxy.set(Fault::CutOnce(2));
    assert!(backend.get(&behind).await.unwrap().is_some(), "is made again once");
    proxy.close().await;
    assert_eq!(failing(backend.get(&behind)).await, Kind::Transient);
    proxy.open();
    until("the node is back", async || in_time(backend.get(&behind)).await.is_ok()).await;
}

/// Two names, the first of them on the node that all nodes say is at this port.
async fn on_and_off_by(cluster: &Cluster, port: u16) -> (blindcache::StoreKey, blindcache::StoreKey) {
    until("all know the port", async || cluster.nodes.iter().all(|node| node.knows(port))).await;
    let middle = |key: &blindcache::StoreKey| {
        let slot = blindcache_server_tests::cluster::slot_of(&cluster.nodes[0], key);
        slot * 3 / blindcache_server_tests::cluster::SLOTS == 1
    };
    let find = |on: bool| (0..).map(key).find(|key| middle(key) == on).unwrap();
    (find(true), find(false))
}

/// While nothing is called, a node dies and its replica takes its place: the first call does not notice.
#[tokio::test]
async fn failover_between_two_calls_is_not_noticed() {
    let mut cluster = Cluster::six().await;
    let backend = cluster.impatient();
    let (on, _) = on_and_off(&cluster, 0);
    backend.set(&on, entry(1, 200), None).await.unwrap();
    until("it is replicated", async || cluster.nodes[3].admin::<usize>(&["DBSIZE"]) == 1).await;
    cluster.kill(0);
    cluster.settled().await;
    assert!(backend.get(&on).await.unwrap().is_some());
    // Nor does one that never knew more than the dead node and another.
    assert!(Remote::impatient(&cluster, cluster.nodes[0].port).get(&on).await.unwrap().is_some());
}

#[tokio::test]
async fn calls_during_an_outage_fail_at_once_and_share_few_attempts() {
    let cluster = Cluster::three().await;
    let mut proxy = Proxy::start(cluster.nodes[1].port).await;
    announce(&cluster.nodes[1], proxy.port);
    let backend = cluster.impatient();
    let (behind, _) = on_and_off_by(&cluster, proxy.port).await;
    proxy.set(Fault::Refuse);
    let end = Instant::now() + Duration::from_secs(2);
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (backend, behind) = (backend.clone(), behind.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                assert_eq!(failing(backend.get(&behind)).await, Kind::Transient);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    tasks.join_all().await;
    // Pauses of at least 25, 50, 100, 200, 400 and 500 ms.
    assert!((2..=12).contains(&proxy.accepted()), "{} attempts", proxy.accepted());
    proxy.set(Fault::None);
    until("the node is back", async || in_time(backend.get(&behind)).await.is_ok()).await;
    proxy.close().await;
}
