//! The parts by themselves.

use std::{hint::black_box, time::Instant};

use blindcache::{
    Backend, Key as _, RedisBackend, StoreKey,
    testing::bench::{Cipher, Steps},
};
use bytes::Bytes;
use serde_bytes::ByteBuf;

use crate::{
    Row,
    calls::{KEY, NAMESPACE},
    format::Format,
    median, values,
};

/// Runs a part: the nanoseconds that it took.
type Part = Box<dyn Fn() -> f64>;

pub struct Parts {
    store: RedisBackend,
    name: StoreKey,
    rows: Vec<(&'static str, Part)>,
}

impl Parts {
    /// For a value of so many bytes.
    pub async fn new(url: &str, length: usize) -> Self {
        let store = RedisBackend::new(url).unwrap();
        store.ping().await.unwrap();
        let steps: &'static Steps = Box::leak(Box::new(Steps::new(NAMESPACE).unwrap()));
        let mut parts = Self { store, name: steps.blind(b"never stored"), rows: Vec::new() };
        parts.add("clock", || (), |()| ());
        parts.names(steps);
        parts.values(steps, length);
        parts.bare(steps, length);
        parts
    }

    fn names(&mut self, steps: &'static Steps) {
        let key = KEY.to_cache_key().unwrap();
        self.add("canonical key", || KEY, |key| key.to_cache_key().unwrap());
        self.add("blind", move || key.clone(), |key| steps.blind(key.as_bytes()));
    }

    fn values(&mut self, steps: &'static Steps, length: usize) {
        let value = values::raw(length);
        let encoded = rmp_serde::to_vec_named(&value).unwrap();
        let entry = steps.seal(Cipher::AwsLc, &encoded).unwrap().into_bytes();
        let payload: &'static [u8] = encoded.leak();
        let value: &'static ByteBuf = Box::leak(Box::new(value));
        self.add("encode", move || value, |value| steps.encode(value).unwrap());
        self.add("encode, rmp-serde", move || value, |value| rmp_serde::to_vec_named(value).unwrap());
        let draft = move || steps.draft(payload).unwrap();
        self.add("seal", draft, |draft| steps.seal_in_place(Cipher::AwsLc, draft).unwrap());
        let arrived = move || Bytes::from(entry.to_vec());
        self.add("open", arrived, |entry| drop(steps.open(Cipher::AwsLc, entry).unwrap()));
        self.add("decode", move || payload, |payload| steps.decode::<ByteBuf>(payload).unwrap());
        let decode = |payload| rmp_serde::from_slice::<ByteBuf>(payload).unwrap();
        self.add("decode, rmp-serde", move || payload, decode);
    }

    /// What the format asks for.
    fn bare(&mut self, steps: &Steps, length: usize) {
        let format: &'static Format = Box::leak(Box::new(Format::new(steps, length)));
        self.add("bare HMAC", || (), |()| format.blind());
        self.add("bare expansions", || (), |()| format.expand());
        let encoded = rmp_serde::to_vec_named(&values::raw(length)).unwrap();
        let sealed = format.seal(format.draft(&encoded));
        self.add("bare seal", move || format.draft(&encoded), |entry| format.seal(entry));
        self.add("bare open", move || sealed.clone(), |entry| format.open(entry));
        self.add("24 random bytes", || (), |()| format.random());
    }

    /// A part with what goes in, made before the clock starts. What comes out is dropped after it stopped.
    fn add<I, O>(
        &mut self,
        name: &'static str,
        input: impl Fn() -> I + 'static,
        work: impl Fn(I) -> O + 'static,
    ) {
        let part = move || {
            let input = black_box(input());
            let start = Instant::now();
            let done = black_box(work(input));
            let took = start.elapsed();
            drop(done);
            took.as_nanos() as f64
        };
        self.rows.push((name, Box::new(part)));
    }

    pub async fn rows(self, rounds: usize) -> Vec<Row> {
        let count = self.rows.len();
        let mut samples = vec![(Vec::new(), Vec::new()); count];
        for round in 0..rounds {
            for turn in 0..count {
                let at = (round + turn) % count;
                let (_, part) = &self.rows[at];
                self.store.exists(&self.name).await.unwrap();
                samples[at].0.push(part());
                samples[at].1.push(part());
            }
        }
        let named = self.rows.iter().map(|(name, _)| *name);
        let medians = samples.into_iter().map(|(cold, warm)| (median(cold), median(warm)));
        let mut rows = named.zip(medians);
        let (_, (clock_cold, clock_warm)) = rows.next().unwrap();
        rows.map(|(name, (cold, warm))| Row {
            name,
            cold: Some(cold - clock_cold),
            warm: Some(warm - clock_warm),
        })
        .collect()
    }
}
