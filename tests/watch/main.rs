//! What can be watched: the numbers of `Cache::stats`, the same through the features `metrics` and `tracing`, and that none of
//! it names a key, a tenant or a value.

#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used)]

mod canary;
mod listener;
mod numbers;
mod same;
mod spans;
#[allow(dead_code)] // the tests of the cache use the rest
#[path = "../cache/store.rs"]
mod store;
