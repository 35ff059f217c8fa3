//! A hit in the in-memory tier, part by part.

use std::{future::Future, hint::black_box, pin::pin, sync::Arc, task, time::Duration};

use blindcache::{Cache, EncryptedBackend, Key as _, Keyring, MasterKey, MemoryBackend, testing::bench::Hit};

use crate::{Row, median, values::Profile};

const KEY: &str = "user:42";
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Calls in a turn.
const CALLS: usize = 1000;

/// Medians of a call: a bare look, the parts, and the whole. From `look` on, each does what the one before it does, and more.
pub async fn rows(rounds: usize) -> Vec<Row> {
    let value = Arc::new(Profile::ada());
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
    let cache = Cache::builder(acme).ttl(TTL).l1_ttl(TTL).marker_ttl(TTL).build().unwrap();
    cache.set(KEY, value.clone()).await.unwrap();
    cache.get::<Arc<Profile>>(KEY).await.unwrap().unwrap(); // which asks for the marker of the namespace, once
    let bare = quick_cache::sync::Cache::<String, Arc<Profile>>::new(10_000);
    bare.insert(KEY.to_owned(), value);
    let hit = Hit::new(&cache, KEY);
    let rows: [(&'static str, &dyn Fn() -> f64); 9] = [
        ("bare quick_cache", &|| turn(|| bare.get(black_box(KEY)).unwrap())),
        ("exact clock", &|| turn(|| black_box(&hit).exact_clock())),
        ("coarse clock", &|| turn(|| black_box(&hit).coarse_clock())),
        ("canonical key", &|| turn(|| black_box(KEY).to_cache_key().unwrap())),
        ("look", &|| turn(|| black_box(&hit).look().unwrap())),
        ("judged", &|| turn(|| black_box(&hit).judged().unwrap())),
        ("value", &|| turn(|| black_box(&hit).value::<Arc<Profile>>().unwrap())),
        ("counted", &|| turn(|| black_box(&hit).counted::<Arc<Profile>>().unwrap())),
        ("whole", &|| turn(|| now(cache.get::<Arc<Profile>>(black_box(KEY))).unwrap().unwrap())),
    ];
    let mut samples = [const { Vec::new() }; 9];
    for round in 0..rounds {
        for turn in 0..rows.len() {
            let at = (round + turn) % rows.len();
            samples[at].push(rows[at].1());
        }
    }
    let named = rows.iter().map(|(name, _)| *name).zip(samples);
    named.map(|(name, samples)| Row { name, cold: None, warm: Some(median(samples)) }).collect()
}

/// The nanoseconds of a call.
fn turn<T>(call: impl Fn() -> T) -> f64 {
    let start = std::time::Instant::now();
    (0..CALLS).for_each(|_| drop(black_box(call())));
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

/// Polls a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(value) => value,
        task::Poll::Pending => panic!("memory waits for nothing"),
    }
}
