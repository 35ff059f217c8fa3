//! Every counter, its name and its labels.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{crypto::KeyId, error::Unreadable};

/// How a request for a value ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Found in memory.
    L1Hit,
    /// Found in the store.
    Hit,
    /// Found, past its ttl, and used.
    Stale,
    /// Not found.
    Miss,
    /// Computed by the caller's function.
    Computed,
    /// Got from another call that computed it.
    Waited,
    /// The function failed, and nothing stood in for it.
    Error,
}

/// What a cache counts.
#[derive(Default)]
pub(crate) struct Counters {
    outcomes: [AtomicU64; 7],
    unreadable: AtomicU64,
    troubles: AtomicU64,
    opened: Mutex<HashMap<KeyId, u64>>,
}

impl Counters {
    pub(crate) fn outcome(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn trouble(&self, unreadable: Option<Unreadable>) {
        let counter = if unreadable.is_some() { &self.unreadable } else { &self.troubles };
        counter.fetch_add(1, Relaxed);
    }

    /// An entry that was opened with this key: who counts these sees when an old key is no longer needed.
    pub(crate) fn opened(&self, key: KeyId) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        *opened.entry(key).or_default() += 1;
    }

    pub(crate) fn stats(&self, l1_entries: u64, l1_bytes: u64, in_flight: u64) -> Stats {
        let count = |outcome: Outcome| self.outcomes[outcome as usize].load(Relaxed);
        Stats {
            l1_hits: count(Outcome::L1Hit),
            hits: count(Outcome::Hit),
            stale: count(Outcome::Stale),
            misses: count(Outcome::Miss),
            computed: count(Outcome::Computed),
            waited: count(Outcome::Waited),
            errors: count(Outcome::Error),
            unreadable: self.unreadable.load(Relaxed),
            troubles: self.troubles.load(Relaxed),
            l1_entries,
            l1_bytes,
            in_flight,
        }
    }
}

/// What a cache has done since it was built: counts, but for the last three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Values found in memory.
    pub l1_hits: u64,
    /// Values found in the store.
    pub hits: u64,
    /// Values used past their ttl.
    pub stale: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Values computed by the caller's function.
    pub computed: u64,
    /// Values got from another call that computed them.
    pub waited: u64,
    /// Functions that failed with nothing to stand in.
    pub errors: u64,
    /// Entries that could not be read.
    pub unreadable: u64,
    /// Other trouble: a store that failed, a key, value or ttl that was refused.
    pub troubles: u64,
    /// How many entries are in memory now.
    pub l1_entries: u64,
    /// How many bytes these count for.
    pub l1_bytes: u64,
    /// How many keys are being read, computed or written now.
    pub in_flight: u64,
}
