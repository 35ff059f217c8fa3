//! `#[cached]`: what it caches, under which keys, and how its functions look to their users.
#![cfg(all(feature = "macros", feature = "l1"))]
#![deny(warnings, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used)]

mod default;
mod keys;
mod quiet;
mod results;
mod settings;
mod shapes;
mod strict;

use std::sync::atomic::{AtomicU64, Ordering};

use blindcache::Cache;

/// A cache in memory.
fn cache() -> Cache {
    Cache::in_memory().build().unwrap()
}

/// Counts how often a body ran.
#[derive(Default)]
struct Runs(AtomicU64);

impl Runs {
    /// One run more; tells which it is.
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
