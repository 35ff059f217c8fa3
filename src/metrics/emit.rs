//! The numbers through the facade of the crate `metrics`. A handle is taken once and kept: counting looks nothing up.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::BreakerState;
use crate::crypto::KeyId;

const REQUESTS: &str = "blindcache_requests_total";
const DURATION: &str = "blindcache_call_duration_seconds";
const UNREADABLE: &str = "blindcache_unreadable_total";
const TROUBLES: &str = "blindcache_troubles_total";
const OPENED: &str = "blindcache_opened_total";
const WAITS: &str = "blindcache_waits_total";
const L1_ENTRIES: &str = "blindcache_l1_entries";
const L1_BYTES: &str = "blindcache_l1_bytes";
const BREAKER: &str = "blindcache_breaker_state";

/// A counter's handle, or nothing.
pub(super) struct Counter(metrics::Counter);

/// A histogram's handle, or nothing.
pub(super) struct Histogram(metrics::Histogram);

/// The handles of one cache.
pub(super) struct Emitter {
    backend: &'static str,
    memory: Mutex<Memory>,
}

/// What this cache has added to the gauges, which several caches share.
struct Memory {
    entries: (Gauge, u64),
    bytes: (Gauge, u64),
}

impl Default for Counter {
    fn default() -> Self {
        Self(metrics::Counter::noop())
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self(metrics::Histogram::noop())
    }
}

impl Counter {
    pub(super) fn increment(&self, by: u64) {
        self.0.increment(by);
    }
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        self.0.record(duration);
    }
}

impl Emitter {
    pub(super) fn new(backend: &'static str) -> Self {
        describe();
        let entries = (gauge!(L1_ENTRIES, "backend" => backend), 0);
        let bytes = (gauge!(L1_BYTES, "backend" => backend), 0);
        Self { backend, memory: Mutex::new(Memory { entries, bytes }) }
    }

    pub(super) fn requests(&self, operation: &'static str, outcome: &'static str) -> (Counter, Histogram) {
        let labels = [("backend", self.backend), ("operation", operation), ("outcome", outcome)];
        (Counter(counter!(REQUESTS, &labels)), Histogram(histogram!(DURATION, &labels)))
    }

    pub(super) fn unreadable(&self, reason: &'static str) -> Counter {
        Counter(counter!(UNREADABLE, "backend" => self.backend, "reason" => reason))
    }

    pub(super) fn troubles(&self, reason: &'static str) -> Counter {
        Counter(counter!(TROUBLES, "backend" => self.backend, "reason" => reason))
    }

    pub(super) fn opened(&self, key: Option<KeyId>) -> Counter {
        let key = key.map_or_else(|| "other".to_owned(), |key| key.to_string());
        Counter(counter!(OPENED, "backend" => self.backend, "key_id" => key))
    }

    pub(super) fn waits(&self) -> Counter {
        Counter(counter!(WAITS, "backend" => self.backend))
    }

    /// Under the lock, so that the one who looks last also tells last.
    pub(super) fn memory(&self, size: impl FnOnce() -> (u64, u64)) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, bytes) = size();
        step(&mut memory.entries, entries);
        step(&mut memory.bytes, bytes);
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        self.memory(|| (0, 0));
    }
}

fn step((gauge, before): &mut (Gauge, u64), now: u64) {
    gauge.increment(now as f64 - *before as f64);
    *before = now;
}

/// Tells the state of a breaker before the backend of this name; of several the one that changed last.
pub(crate) fn breaker(backend: &'static str, state: BreakerState) {
    let state = match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    };
    gauge!(BREAKER, "backend" => backend).set(state);
}

fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Keys asked for, by operation and how it ended");
    describe_histogram!(DURATION, Unit::Seconds, "Time of the calls that went beyond memory");
    describe_counter!(UNREADABLE, Unit::Count, "Entries and markers that could not be read");
    describe_counter!(TROUBLES, Unit::Count, "Calls on the store that failed, and what was refused");
    describe_counter!(OPENED, Unit::Count, "Entries and markers opened, by the master key that sealed them");
    describe_counter!(WAITS, Unit::Count, "Calls that waited for another's computation");
    describe_gauge!(L1_ENTRIES, Unit::Count, "Entries in memory");
    describe_gauge!(L1_BYTES, Unit::Bytes, "Bytes that the entries in memory count for");
    describe_gauge!(BREAKER, "The circuit breaker before the store: 0 closed, 1 half open, 2 open");
}
