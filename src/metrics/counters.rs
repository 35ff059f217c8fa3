//! What a cache counts.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    BreakerState, MAX_KEYS, Operation, Outcome, Requests, Stats,
    call::Call,
    emit::{self, Emitter},
    label::{self, TROUBLES, UNREADABLE},
    span::{self, Span},
};
use crate::{crypto::KeyId, error::Error};

/// The counters of a cache, its clones and tenants.
pub(crate) struct Counters {
    requests: [[Cell; Outcome::ALL.len()]; Operation::ALL.len()],
    unreadable: Family,
    troubles: Family,
    opened: Mutex<BTreeMap<Option<KeyId>, (AtomicU64, emit::Counter)>>,
    waits: (AtomicU64, emit::Counter),
    emitter: Emitter,
}

/// The requests of one operation that ended in one way.
#[derive(Default)]
struct Cell {
    count: AtomicU64,
    timed: AtomicU64,
    nanos: AtomicU64,
    emitted: emit::Counter,
    durations: emit::Histogram,
}

/// Counts by the values of one label.
struct Family(Vec<(&'static str, AtomicU64, emit::Counter)>);

impl Family {
    fn new(labels: &'static [&'static str], emitted: impl Fn(&'static str) -> emit::Counter) -> Self {
        Self(labels.iter().map(|label| (*label, AtomicU64::new(0), emitted(label))).collect())
    }

    fn count(&self, label: &str) {
        if let Some((_, count, emitted)) = self.0.iter().find(|(known, ..)| *known == label) {
            count.fetch_add(1, Relaxed);
            emitted.increment(1);
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|(label, count, _)| (*label, count.load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

impl Counters {
    /// For a cache over the backend of this name.
    pub(crate) fn new(backend: &'static str, breaker: Option<BreakerState>) -> Self {
        let emitter = Emitter::new(backend);
        if let Some(state) = breaker {
            emit::breaker(backend, state);
        }
        let mut requests: [[Cell; Outcome::ALL.len()]; Operation::ALL.len()] = Default::default();
        for operation in Operation::ALL {
            for outcome in operation.outcomes() {
                let cell = &mut requests[*operation as usize][*outcome as usize];
                (cell.emitted, cell.durations) = emitter.requests(operation.as_str(), outcome.as_str());
            }
        }
        Self {
            requests,
            unreadable: Family::new(UNREADABLE, |reason| emitter.unreadable(reason)),
            troubles: Family::new(TROUBLES, |reason| emitter.troubles(reason)),
            opened: Mutex::default(),
            waits: (AtomicU64::new(0), emitter.waits()),
            emitter,
        }
    }

    /// A call that begins.
    pub(crate) fn call(&self, operation: Operation) -> Call<'_> {
        Call::new(self, operation)
    }

    /// A call that memory answered at once.
    pub(crate) fn at_hand(&self, operation: Operation, outcome: Outcome) {
        Span::new(operation).outcome(outcome);
        self.count(operation, outcome, 1);
    }

    pub(super) fn count(&self, operation: Operation, outcome: Outcome, keys: u64) {
        debug_assert!(operation.outcomes().contains(&outcome), "{operation:?} {outcome:?}");
        let cell = &self.requests[operation as usize][outcome as usize];
        cell.count.fetch_add(keys, Relaxed);
        cell.emitted.increment(keys);
    }

    pub(super) fn time(&self, operation: Operation, outcome: Outcome, duration: Duration) {
        let cell = &self.requests[operation as usize][outcome as usize];
        cell.timed.fetch_add(1, Relaxed);
        cell.nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        cell.durations.record(duration);
    }

    /// Counts trouble with the cache, and traces it, with the place in the store if it is of one.
    pub(crate) fn trouble(&self, error: &Error, place: Option<&dyn fmt::Debug>) {
        span::trouble(error, place);
        match label::trouble(error) {
            Ok(reason) => self.troubles.count(reason),
            Err(reason) => self.unreadable.count(reason.as_str()),
        }
    }

    /// Counts an entry or marker that was opened with this key: who watches sees when an old key is no longer needed.
    pub(crate) fn opened(&self, key: KeyId) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Some(key).filter(|_| opened.len() < MAX_KEYS || opened.contains_key(&Some(key)));
        let (count, emitted) =
            opened.entry(key).or_insert_with(|| (AtomicU64::new(0), self.emitter.opened(key)));
        count.fetch_add(1, Relaxed);
        emitted.increment(1);
    }

    /// Counts a call that had to wait for another's computation.
    pub(crate) fn waited(&self) {
        self.waits.0.fetch_add(1, Relaxed);
        self.waits.1.increment(1);
    }

    /// Tells how many entries and bytes there are in memory, after a change.
    pub(crate) fn memory(&self, size: impl FnOnce() -> (u64, u64)) {
        self.emitter.memory(size);
    }

    /// All numbers. What is not counted here comes in as it is now.
    pub(crate) fn stats(
        &self,
        (l1_entries, l1_bytes): (u64, u64),
        in_flight: u64,
        breaker: Option<BreakerState>,
    ) -> Stats {
        let sum = |counts: &[(_, u64)]| counts.iter().map(|(_, count)| count).sum();
        let (unreadable, troubles) = (self.unreadable.counts(), self.troubles.counts());
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Stats {
            unreadable: sum(&unreadable),
            unreadable_by_reason: unreadable,
            troubles: sum(&troubles),
            troubles_by_reason: troubles,
            opened: opened.iter().map(|(key, (count, _))| (*key, count.load(Relaxed))).collect(),
            waits: self.waits.0.load(Relaxed),
            l1_entries,
            l1_bytes,
            in_flight,
            breaker,
            ..Stats::of(self.requests().collect())
        }
    }

    fn requests(&self) -> impl Iterator<Item = Requests> {
        let all = Operation::ALL
            .iter()
            .flat_map(|operation| operation.outcomes().iter().map(move |outcome| (*operation, *outcome)));
        let all = all.map(|(operation, outcome)| {
            let cell = &self.requests[operation as usize][outcome as usize];
            Requests {
                operation: operation.as_str(),
                outcome: outcome.as_str(),
                reads: operation.reads(),
                count: cell.count.load(Relaxed),
                timed: cell.timed.load(Relaxed),
                time: Duration::from_nanos(cell.nanos.load(Relaxed)),
            }
        });
        all.filter(|requests| requests.count > 0)
    }
}
