//! How many bytes the files occupy, and one lock for each leaf.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
};

use super::place::Leaf;

/// What the leaves hold as far as this process knows: what it last saw in each, and what it did there since.
pub(super) struct Ledger {
    leaves: Box<[Mutex<i64>]>,
    total: AtomicI64,
    written: AtomicU64,
}

/// The right to change what has a name in a leaf, among the clones of one backend.
pub(super) struct Account<'a> {
    ledger: &'a Ledger,
    bytes: MutexGuard<'a, i64>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let leaves = (0..Leaf::COUNT).map(|_| Mutex::default()).collect();
        Self { leaves, total: AtomicI64::new(0), written: AtomicU64::new(0) }
    }

    /// Waits for whoever changes something in this leaf.
    pub(super) fn account(&self, leaf: Leaf) -> Account<'_> {
        let bytes = self.leaves[leaf.index()].lock().unwrap_or_else(PoisonError::into_inner);
        Account { ledger: self, bytes }
    }

    /// Bytes in all leaves; 0 where less is known than was removed.
    pub(super) fn total(&self) -> u64 {
        u64::try_from(self.total.load(SeqCst)).unwrap_or_default()
    }

    /// Bytes that this process has written since it was last [taken](Self::take_written).
    pub(super) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    pub(super) fn take_written(&self) -> u64 {
        self.written.swap(0, SeqCst)
    }
}

impl Account<'_> {
    /// A file of `new` bytes came in place of one of `old`.
    pub(super) fn replaced(&mut self, old: i64, new: i64) {
        self.ledger.written.fetch_add(new.unsigned_abs(), SeqCst);
        self.add(new - old);
    }

    pub(super) fn removed(&mut self, bytes: i64) {
        self.add(-bytes);
    }

    /// So many bytes were seen in the whole leaf.
    pub(super) fn seen(&mut self, bytes: i64) {
        self.add(bytes - *self.bytes);
    }

    fn add(&mut self, change: i64) {
        *self.bytes += change;
        self.ledger.total.fetch_add(change, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_the_leaves() {
        let ledger = Ledger::new();
        let first = Leaf::after(None).unwrap();
        let second = Leaf::after(Some(first)).unwrap();
        ledger.account(first).replaced(0, 4_096);
        ledger.account(second).replaced(4_096, 12_288);
        assert_eq!((ledger.total(), ledger.written()), (12_288, 16_384));
        ledger.account(second).seen(20_480);
        assert_eq!(ledger.total(), 24_576);
        ledger.account(second).removed(20_480);
        ledger.account(first).removed(8_192);
        assert_eq!(ledger.total(), 0, "never below zero");
        assert_eq!((ledger.take_written(), ledger.written()), (16_384, 0));
    }
}
