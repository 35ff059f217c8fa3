//! Without the feature `metrics`: nothing is emitted, and nothing costs anything.

use std::time::Duration;

use super::BreakerState;
use crate::crypto::KeyId;

#[derive(Default)]
pub(super) struct Counter;

#[derive(Default)]
pub(super) struct Histogram;

pub(super) struct Emitter;

impl Counter {
    pub(super) fn increment(&self, _: u64) {}
}

impl Histogram {
    pub(super) fn record(&self, _: Duration) {}
}

impl Emitter {
    pub(super) fn new(_: &'static str) -> Self {
        Self
    }

    pub(super) fn requests(&self, _: &'static str, _: &'static str) -> (Counter, Histogram) {
        (Counter, Histogram)
    }

    pub(super) fn unreadable(&self, _: &'static str) -> Counter {
        Counter
    }

    pub(super) fn troubles(&self, _: &'static str) -> Counter {
        Counter
    }

    pub(super) fn opened(&self, _: Option<KeyId>) -> Counter {
        Counter
    }

    pub(super) fn waits(&self) -> Counter {
        Counter
    }

    pub(super) fn memory(&self, _: impl FnOnce() -> (u64, u64)) {}
}

pub(crate) fn breaker(_: &'static str, _: BreakerState) {}
