//! Verdicts that are remembered with an entry in memory, so that a hit takes no lock that all hits share. Such a hit does not
//! count as a use of the entry's tags; the next look at what is known of them does.

use super::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Whatever could end a valid entry begins a new round. A round begins, and a verdict is remembered, under one lock.
pub(super) struct Rounds(AtomicU64);

/// In which round an entry was found valid, and until when that is known, in Unix milliseconds.
#[derive(Default)]
pub(super) struct Judged {
    /// 0: in none.
    round: AtomicU64,
    until: AtomicU64,
}

impl Rounds {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(1))
    }

    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Release);
    }

    /// The entry is valid until then, unless a new round begins.
    pub(super) fn remember(&self, judged: &Judged, until: u64) {
        judged.until.store(until, Release);
        judged.round.store(self.0.load(Relaxed), Release);
    }

    /// Until when the entry is valid, if it was found so in this round.
    ///
    /// The order counts. A time that was remembered later than the round that was read is of a later verdict, and then
    /// either that was of the same round, or the last line sees the round that began before it.
    pub(super) fn valid_until(&self, judged: &Judged) -> Option<u64> {
        let round = judged.round.load(Acquire);
        let until = judged.until.load(Acquire);
        (round == self.0.load(Acquire)).then_some(until)
    }
}
