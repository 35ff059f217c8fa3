//! A hit in the in-memory tier, and in a `MemoryBackend`, beside a bare quick_cache and a bare moka.
//!
//!     cargo bench -p blindcache-rivals --bench hits
//!
//! The values are behind an `Arc`. Each round runs every row once, so that noise meets all alike; a row gives the
//! smallest and the median time of one call over all rounds, and their ratios to the bare quick_cache get.

use std::{convert::Infallible, future::Future, hint::black_box, sync::Arc, time::Instant};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend};

const ENTRIES: u64 = 1000;
const CALLS: u64 = 5000;
const ROUNDS: usize = 200;

type Row<'a> = (&'static str, Box<dyn FnMut(u64) + 'a>);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let keys = || {
        Keyring::new(MasterKey::generate().expect("random bytes"))
            .expect("a key id")
            .tenant("t")
            .expect("an id")
    };
    let value = Arc::new("x".repeat(64));

    let bare = quick_cache::sync::Cache::<u64, Arc<String>>::new(10_000);
    let moka = moka::future::Cache::<u64, Arc<String>>::new(10_000);
    let alone = Cache::in_memory().build().expect("defaults");
    let behind = || EncryptedBackend::new(MemoryBackend::new(), keys());
    let day = std::time::Duration::from_secs(86_400);
    let tiered = Cache::builder(behind()).ttl(day).l1_ttl(day).marker_ttl(day).build().expect("defaults");
    let store = behind();
    let untiered = Cache::builder(store).ttl(day).l1(0).marker_ttl(day).build().expect("defaults");
    runtime.block_on(async {
        for key in 0..ENTRIES {
            bare.insert(key, value.clone());
            moka.insert(key, value.clone()).await;
            for cache in [&alone, &tiered, &untiered] {
                cache.set(key, value.clone()).await.expect("a set");
            }
        }
    });

    let compute = || async { Ok::<_, Infallible>(Arc::new(String::new())) };
    let mut rows: Vec<Row<'_>> = vec![
        ("quick_cache get", Box::new(|key| drop(black_box(bare.get(&key))))),
        ("moka get", Box::new(|key| drop(black_box(now(moka.get(&key)))))),
        ("Cache::get, in memory", Box::new(|key| drop(black_box(now(alone.get::<Arc<String>>(key)))))),
        ("Cache::get, L1", Box::new(|key| drop(black_box(now(tiered.get::<Arc<String>>(key)))))),
        ("get_or_compute, L1", Box::new(|key| drop(black_box(now(tiered.get_or_compute(key, compute)))))),
        (
            "get_or_compute, MemoryBackend",
            Box::new(|key| drop(black_box(now(untiered.get_or_compute(key, compute))))),
        ),
    ];
    let _entered = runtime.enter();
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, call), times) in rows.iter_mut().zip(&mut times) {
            let began = Instant::now();
            (0..CALLS).for_each(|call_number| call(call_number % ENTRIES));
            times.push(began.elapsed().as_nanos() as f64 / CALLS as f64);
        }
    }
    println!("cargo bench -p blindcache-rivals --bench hits: {ROUNDS} rounds of {CALLS} calls\n");
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let (least, median) = (times[0][0], times[0][ROUNDS / 2]);
    for ((name, _), times) in rows.iter().zip(&times) {
        let (min, mid) = (times[0], times[ROUNDS / 2]);
        println!("{name:32} {min:7.0} ns {mid:7.0} ns   {:5.1} x {:5.1} x", min / least, mid / median);
    }
}

/// Polls a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a hit waits for nothing"),
    }
}
