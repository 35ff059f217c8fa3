//! One call on a cache, from its begin to its end.

use std::{
    fmt,
    future::Future,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::time::Instant;

use super::{Counters, Operation, Outcome, span::Span};

/// A call under way. At its end, even if that is being dropped, each of its keys has been counted once.
///
/// The time is taken only of calls that go beyond memory: reading the clock would cost as much as a hit in it.
pub(crate) struct Call<'a> {
    counters: &'a Counters,
    operation: Operation,
    span: Span,
    // One task uses them, so they are never changed by two at once.
    keys: AtomicU64,
    counted: AtomicU64,
    /// How the key ended that went the longest way.
    longest: AtomicUsize,
    begun: OnceLock<Instant>,
}

impl<'a> Call<'a> {
    pub(super) fn new(counters: &'a Counters, operation: Operation) -> Self {
        Self {
            counters,
            operation,
            span: Span::new(operation),
            keys: AtomicU64::new(1),
            counted: AtomicU64::new(0),
            longest: AtomicUsize::new(0),
            begun: OnceLock::new(),
        }
    }

    /// The body of the call, within its span. What it gives goes to [`end`](Self::end).
    ///
    /// The two are no one `async fn`, which would take twice the body's room.
    pub(crate) fn around<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F> {
        self.span.around(body)
    }

    /// Counts what the body did not.
    pub(crate) fn end<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        self.rest(if result.is_ok() { self.operation.rest() } else { Outcome::Error });
        result
    }

    /// This is a call for so many keys.
    pub(crate) fn keys(&self, keys: usize) {
        self.keys.store(keys as u64, Relaxed);
        self.span.keys(keys);
    }

    /// The call goes beyond memory, to this place if it is one.
    pub(crate) fn beyond<N: fmt::Debug>(&self, name: impl FnOnce() -> Option<N>) {
        self.begun.get_or_init(Instant::now);
        self.span.locator(name);
    }

    /// One of its keys ended so.
    pub(crate) fn outcome(&self, outcome: Outcome) {
        self.count(outcome, 1);
    }

    /// There was an entry under one of its keys, or not.
    pub(crate) fn found(&self, found: bool) {
        self.outcome(if found { Outcome::Hit } else { Outcome::Miss });
    }

    fn count(&self, outcome: Outcome, keys: u64) {
        self.counted.store(self.counted.load(Relaxed) + keys, Relaxed);
        self.longest.store(self.longest.load(Relaxed).max(outcome as usize), Relaxed);
        self.counters.count(self.operation, outcome, keys);
    }

    fn rest(&self, outcome: Outcome) {
        let rest = self.keys.load(Relaxed).saturating_sub(self.counted.load(Relaxed));
        if rest > 0 {
            self.count(outcome, rest);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.rest(Outcome::Dropped);
        if self.counted.load(Relaxed) == 0 {
            return; // a batch of no keys
        }
        let outcome = Outcome::ALL[self.longest.load(Relaxed)];
        self.span.outcome(outcome);
        if let Some(begun) = self.begun.get() {
            self.counters.time(self.operation, outcome, begun.elapsed());
        }
    }
}
