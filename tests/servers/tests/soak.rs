//! Many callers on a real Redis for a long time, while it is killed and started again: no wrong value, no error once it is
//! back, and memory that does not grow.
//!
//! `BLINDCACHE_SOAK_MINUTES=10 cargo test -p blindcache-server-tests --test soak -- --nocapture` has two outages in
//! ten minutes; without the variable it is ten seconds with one.

use std::{
    convert::Infallible,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blindcache::{
    AnyBackend, Backend as _, BackendExt, BreakerState, Cache, ComputeError, EncryptedBackend, Keyring,
    MasterKey, RedisBackend,
};
use blindcache_server_tests::{Server, until_so};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Callers at the same time.
const TASKS: u64 = 64;
/// Keys that they ask for.
const KEYS: u64 = 2_000;
/// Entries in memory, of the half of the callers that keeps any.
const IN_MEMORY: usize = 500;
/// Of the whole time, how long the store is away each time.
const OUTAGE: u32 = 12;
/// What an answer may take: the machine may be busy.
const LONG: Duration = Duration::from_secs(20);
/// By how much memory may have grown at the end, against a third of the time.
const GROWTH: u64 = 16 << 20;

/// A value that tells for which key it was written, of a length that goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Written {
    key: u64,
    version: u64,
    text: String,
}

impl Written {
    fn new(key: u64, version: u64) -> Self {
        let length = (key * 37 + version * 101) % 2_000;
        Self { key, version, text: "x".repeat(length as usize) }
    }

    fn is_for(&self, key: u64) -> bool {
        *self == Self::new(key, self.version)
    }
}

/// How the store is, as far as the callers are told.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Up,
    Away,
}

#[derive(Default)]
struct Tally {
    over: AtomicBool,
    /// Counts the times that the store went away or came back: even while it is up.
    phase: AtomicU8,
    calls: AtomicU64,
    wrong: AtomicU64,
    /// Errors of calls that met an outage.
    during: AtomicU64,
    /// Errors of calls that began after the store was back, or before it went, and ended before it went again.
    outside: AtomicU64,
}

impl Tally {
    fn turn(&self, to: Phase) {
        let phase = self.phase.fetch_add(1, SeqCst) + 1;
        assert_eq!(phase % 2 == 1, to == Phase::Away);
    }

    /// Counts how a call ended that began in this phase.
    fn count<E: std::fmt::Debug>(&self, began: u8, key: u64, result: Result<Option<Written>, E>) {
        self.calls.fetch_add(1, SeqCst);
        match result {
            Ok(found) if found.as_ref().is_none_or(|value| value.is_for(key)) => {}
            Ok(_) => drop(self.wrong.fetch_add(1, SeqCst)),
            Err(_) if began % 2 == 1 || self.phase.load(SeqCst) != began => {
                self.during.fetch_add(1, SeqCst);
            }
            Err(err) => {
                if self.outside.fetch_add(1, SeqCst) < 10 {
                    println!("an error while the store is up: {err:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_use_with_outages_gives_no_wrong_value_and_keeps_memory_flat() {
    let minutes: Option<u32> = env::var("BLINDCACHE_SOAK_MINUTES").ok().map(|it| it.parse().unwrap());
    let (length, outages) = match minutes {
        Some(minutes) => (Duration::from_secs(60) * minutes, 2),
        None => (Duration::from_secs(10), 1),
    };
    let mut server = Server::start();
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let boundary = EncryptedBackend::new(patient(&server.url()), keys.tenant("acme").unwrap());
    let ttl = Duration::from_secs(5);
    let builder = || Cache::builder(boundary.clone()).ttl(ttl).stale(ttl);
    let caches = [builder().l1(0).build().unwrap(), builder().l1(IN_MEMORY).build().unwrap()];

    let tally = Arc::<Tally>::default();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(call(task, caches[task as usize % 2].clone(), tally.clone()));
    }
    let mut watch = Watch::start(length);
    let part = length / (outages + 1);
    for outage in 1..=outages {
        watch.until(part * outage - length / OUTAGE).await;
        tally.turn(Phase::Away);
        server.stop();
        watch.until(part * outage).await;
        server.start_again();
        until_so("the breaker closes", || boundary.backend().breaker_state() == Some(BreakerState::Closed))
            .await;
        ends(boundary.backend().ping()).await.unwrap();
        tally.turn(Phase::Up);
        println!("{:>5.0} s: the store is back", watch.started.elapsed().as_secs_f64());
    }
    watch.until(length).await;
    tally.over.store(true, SeqCst);
    ends(tasks.join_all()).await;
    report(&tally, &caches, &watch, outages);
}

/// The layers of `resilient()` with limits that a busy machine does not meet: what fails, fails because of an outage.
fn patient(url: &str) -> AnyBackend {
    let redis = RedisBackend::builder(url).connect_timeout(LONG).response_timeout(LONG).build().unwrap();
    let layered = redis.timeout(2 * LONG).unwrap().breaker().limit(256, 16_384).unwrap();
    AnyBackend::new(layered.retry().deadline(4 * LONG).unwrap())
}

/// Asks, writes, deletes and computes by turns, with errors told.
async fn call(task: u64, cache: Cache, tally: Arc<Tally>) {
    let mut random = fastrand::Rng::with_seed(task);
    while !tally.over.load(SeqCst) {
        let (number, version) = (random.u64(0..KEYS), random.u64(0..1_000));
        let (key, began) = (("user", number), tally.phase.load(SeqCst));
        let compute = || async { Ok::<_, Infallible>(Written::new(number, version)) };
        match random.u8(0..20) {
            0..9 => {
                let Ok(value) = ends(cache.get_or_compute(key, compute)).await;
                tally.count::<()>(began, number, Ok(Some(value)));
            }
            9..14 => {
                let computed: Result<_, ComputeError<_>> =
                    ends(cache.entry(key).strict().get_or_compute(compute)).await;
                tally.count(began, number, computed.map(Some));
            }
            14..16 => tally.count(began, number, ends(cache.get(key)).await),
            16 => {
                let set = ends(cache.set(key, Written::new(number, version))).await;
                tally.count(began, number, set.map(|()| None));
            }
            17 => {
                let tag = format!("group {}", number % 10);
                let set = ends(cache.entry(key).tags([&tag]).set(Written::new(number, version))).await;
                tally.count(began, number, set.map(|()| None));
                if random.u8(0..100) == 0 {
                    tally.count(began, number, ends(cache.invalidate_tag(&tag)).await.map(|()| None));
                }
            }
            18 => tally.count(began, number, ends(cache.delete(key)).await.map(|_| None)),
            _ => {
                let batch: Vec<u64> = (0..20).map(|_| random.u64(0..KEYS)).collect();
                let found = ends(cache.get_many(batch.iter().map(|number| ("user", number)))).await;
                match found {
                    Ok(found) => batch
                        .iter()
                        .zip(found)
                        .for_each(|(key, found)| tally.count::<()>(began, *key, Ok(found))),
                    Err(err) => tally.count(began, number, Err(err)),
                }
            }
        }
        sleep(Duration::from_millis(1)).await; // the store's process needs a core, too
    }
}

async fn ends<T>(call: impl Future<Output = T>) -> T {
    timeout(8 * LONG, call).await.expect("a call hangs")
}

/// Memory over time, ten times in all.
struct Watch {
    started: Instant,
    length: Duration,
    seen: Vec<u64>,
}

impl Watch {
    fn start(length: Duration) -> Self {
        Self { started: Instant::now(), length, seen: Vec::new() }
    }

    async fn until(&mut self, end: Duration) {
        loop {
            let next = self.length / 10 * (self.seen.len() as u32 + 1);
            sleep(next.min(end).saturating_sub(self.started.elapsed())).await;
            if next > end {
                return;
            }
            self.seen.push(resident());
            let (at, memory) = (self.started.elapsed().as_secs_f64(), resident() >> 10);
            println!("{at:>5.0} s: {memory} KiB resident");
        }
    }
}

/// Bytes of this process in memory now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn report(tally: &Tally, caches: &[Cache; 2], watch: &Watch, outages: u32) {
    let [calls, wrong, during, outside] =
        [&tally.calls, &tally.wrong, &tally.during, &tally.outside].map(|count| count.load(SeqCst));
    for (cache, what) in caches.iter().zip(["without memory", "with memory"]) {
        let stats = cache.stats();
        println!(
            "{what}: {} hits, {} in memory, {} stale, {} waited, {} misses, {} computed, {} errors, unreadable {:?}, troubles {:?}",
            stats.hits,
            stats.l1_hits,
            stats.stale,
            stats.waited,
            stats.misses,
            stats.computed,
            stats.errors,
            stats.unreadable_by_reason,
            stats.troubles_by_reason,
        );
        assert_eq!(stats.unreadable, 0);
        assert_eq!(stats.in_flight, 0);
        assert!(stats.hits > 0);
    }
    println!(
        "{calls} calls, {outages} outages: {wrong} wrong values, {during} errors during, {outside} outside"
    );
    assert_eq!((wrong, outside), (0, 0));
    assert!(during > 0, "no call met an outage");
    let (third, last) = (watch.seen[2], watch.seen[9]);
    assert!(last < third + GROWTH, "memory grew from {third} to {last} bytes");
}
