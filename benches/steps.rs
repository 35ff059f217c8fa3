//! Each step on an entry's way, by itself, and the whole way over a store in memory; with either AEAD.
//!
//! ```text
//! cargo bench --bench steps                                      # with aws-lc-rs
//! cargo bench --bench steps --no-default-features --features l1  # the whole way with aes-gcm
//! cargo bench --bench steps -- 'seal|open'                       # some of it
//! ```
//!
//! Groups are steps, and a benchmark in them is called `AEAD/value`. What comes out of a step is dropped after the clock
//! has stopped, and what goes in is made before it starts. The steps are those of `testing::bench`, with the features of
//! this library's tests; `benches/rivals` measures what users get, beside others.
#![allow(clippy::unwrap_used, unreachable_pub)] // a benchmark

#[path = "common/values.rs"]
mod values;

use std::{future::Future, hint::black_box, time::Duration};

use blindcache::{
    EncryptedBackend, Key as _, Keyring, MasterKey, MemoryBackend,
    testing::bench::{Cipher, Steps},
};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion};
use values::{Value, Visit};

/// The AEAD of the whole way; the steps are measured with both.
const FASTEST: &str = if cfg!(feature = "aws-lc-rs") { "aws-lc-rs" } else { "aes-gcm" };
/// How a step is called that has no AEAD in it.
const NONE: &str = "any AEAD";
const CIPHERS: &[(&str, Cipher)] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", Cipher::AwsLc),
    ("aes-gcm", Cipher::RustCrypto),
];
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    // The second run, with the other AEAD, is about the whole way alone.
    let steps = cfg!(feature = "aws-lc-rs").then(|| Steps::new("users").unwrap());
    if let Some(steps) = &steps {
        names(&mut criterion, steps);
        values::each(&mut EachStep { criterion: &mut criterion, steps });
    }
    values::each(&mut Whole { criterion: &mut criterion });
    #[cfg(feature = "l1")]
    hit(&mut criterion);
    criterion.final_summary();
}

/// From a logical key to its name.
fn names(criterion: &mut Criterion, steps: &Steps) {
    let texts = [("8 B", 8), ("64 B", 64), ("1 KiB", 1024)].map(|(name, length)| (name, "k".repeat(length)));
    for (name, text) in &texts {
        let id = BenchmarkId::new(NONE, name);
        criterion.benchmark_group("canonical key").bench_with_input(id, text, |bencher, text| {
            bencher.iter_with_large_drop(|| black_box(text.as_str()).to_cache_key().unwrap());
        });
        let (id, key) = (BenchmarkId::new(NONE, name), text.as_str().to_cache_key().unwrap());
        criterion.benchmark_group("blind").bench_with_input(id, &key, |bencher, key| {
            bencher.iter_with_large_drop(|| steps.blind(black_box(key.as_bytes())));
        });
    }
    let pair = ("user", 42);
    let id = BenchmarkId::new(NONE, "(\"user\", 42)");
    criterion.benchmark_group("canonical key").bench_function(id, |bencher| {
        bencher.iter_with_large_drop(|| black_box(pair).to_cache_key().unwrap());
    });
}

struct EachStep<'a> {
    criterion: &'a mut Criterion,
    steps: &'a Steps,
}

impl Visit for EachStep<'_> {
    fn visit<T: Value>(&mut self, name: &'static str, value: T) {
        let Self { criterion, steps } = self;
        let id = |aead: &str| BenchmarkId::new(aead, name);
        let encoded = steps.encode(&value).unwrap();
        let payload = encoded.payload();
        criterion.benchmark_group("encode").bench_function(id(NONE), |bencher| {
            bencher.iter_with_large_drop(|| steps.encode(black_box(&value)).unwrap());
        });
        criterion.benchmark_group("decode").bench_function(id(NONE), |bencher| {
            bencher.iter_with_large_drop(|| steps.decode::<T>(black_box(payload)).unwrap());
        });
        for (aead, cipher) in CIPHERS {
            criterion.benchmark_group("seal").bench_function(id(aead), |bencher| {
                bencher.iter_with_large_drop(|| steps.seal(*cipher, black_box(payload)).unwrap());
            });
            let entry = steps.seal(*cipher, payload).unwrap().into_bytes();
            assert_eq!(steps.open(*cipher, entry.clone()).unwrap().payload(), payload);
            let arrived = || Bytes::from(entry.to_vec());
            criterion.benchmark_group("open").bench_function(id(aead), |bencher| {
                let open = |entry| steps.open(*cipher, entry).unwrap();
                bencher.iter_batched(arrived, open, BatchSize::LargeInput);
            });
        }
    }
}

/// Typed sets and gets over a `MemoryBackend`.
struct Whole<'a> {
    criterion: &'a mut Criterion,
}

impl Visit for Whole<'_> {
    fn visit<T: Value>(&mut self, name: &'static str, value: T) {
        let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
        let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
        let id = || BenchmarkId::new(FASTEST, name);
        self.criterion.benchmark_group("set over memory").bench_function(id(), |bencher| {
            bencher.iter(|| now(acme.set("user:42", black_box(&value), TTL)).unwrap());
        });
        self.criterion.benchmark_group("get over memory").bench_function(id(), |bencher| {
            bencher.iter_with_large_drop(|| now(acme.get::<T>(black_box("user:42"))).unwrap().unwrap());
        });
    }
}

/// A hit in the in-memory tier, the value behind an `Arc`.
#[cfg(feature = "l1")]
fn hit(criterion: &mut Criterion) {
    use std::sync::Arc;

    use blindcache::Cache;
    use values::{PROFILE, Profile};

    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
    let cache = Cache::builder(acme).ttl(TTL).l1_ttl(TTL).marker_ttl(TTL).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(cache.set("user:42", Arc::new(Profile::ada()))).unwrap();
    criterion.benchmark_group("L1 hit").bench_function(BenchmarkId::new(NONE, PROFILE), |bencher| {
        bencher.iter(|| now(cache.get::<Arc<Profile>>(black_box("user:42"))).unwrap().unwrap());
    });
}

/// Polls a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("memory waits for nothing"),
    }
}
