//! The in-memory tier: values of this process, decoded or still sealed.

use std::{
    hash::{Hash, Hasher},
    num::NonZeroUsize,
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use quick_cache::{
    DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{
    flight::{Published, SlotKey},
    value::Label,
    verdict::Judged,
};
use crate::sync::point;

/// What the in-memory tier keeps.
///
/// A value that has expired or was invalidated leaves it when it is asked for, or pushed out by others: until then its bytes
/// lie in memory. [`Cache::delete`](crate::Cache::delete) removes it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum L1 {
    /// The decoded value: a hit clones it, so an `Arc<T>` is a pointer copy (serde's feature `rc`).
    #[default]
    Values,
    /// The sealed entry, opened and decoded at each hit: no plaintext lies in memory between the calls, but for what is handed
    /// out while a refresh or a write of it goes on in the background.
    Sealed,
}

/// One entry of the tier. In this order, what a hit looks at comes first and together: that is a line of the processor's
/// cache less.
#[repr(C)]
pub(super) struct Kept {
    pub(super) content: Content,
    pub(super) judged: Judged,
    /// When it came from the store or was written here, in Unix milliseconds.
    pub(super) since: u64,
    pub(super) label: Label,
    /// When a stale value stands in without another try, in Unix milliseconds; never: it has not been tried.
    pub(super) stands_in: Range<u64>,
    /// What it counts for, in bytes.
    pub(super) size: usize,
}

#[derive(Clone)]
pub(super) enum Content {
    Value(Published),
    Sealed(Box<Bytes>),
}

/// What an entry counts for beyond its own bytes: its key, its label, the table.
const OVERHEAD: usize = 128;

/// What a shard has room for at least, in bytes, unless the whole tier has less: an entry must fit into its shard.
const SHARD: u64 = 4 << 20;

/// The tier, bounded by entries and bytes.
pub(super) struct Tier {
    kept: Cache<SlotKey, Arc<Kept>, Size>,
    pub(super) mode: L1,
}

/// Weighs an entry at its bytes, and at least so much that no more than the bounded number fit.
#[derive(Clone)]
struct Size {
    least: u64,
}

impl Weighter<SlotKey, Arc<Kept>> for Size {
    fn weight(&self, key: &SlotKey, kept: &Arc<Kept>) -> u64 {
        ((kept.size + key.key.len() + OVERHEAD) as u64).max(self.least)
    }
}

/// A [`SlotKey`] that borrows: looking up allocates nothing.
struct Borrowed<'a> {
    scope: &'a [u8; 16],
    key: &'a [u8],
}

impl Hash for Borrowed<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        SlotKey::hash_of(self.scope, self.key, state);
    }
}

impl Equivalent<SlotKey> for Borrowed<'_> {
    #[inline]
    fn equivalent(&self, other: &SlotKey) -> bool {
        *self.scope == other.scope && *self.key == *other.key
    }
}

impl Tier {
    /// At most `entries` and `bytes`, each at least 1.
    pub(super) fn new(entries: usize, bytes: u64, mode: L1) -> Self {
        // One more than `entries` do not fit; and a single one does, which may not take quite all that there is.
        let least = bytes / (entries as u64).saturating_add(1) + 1;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let shards = cores.saturating_mul(4).min(usize::try_from(bytes / SHARD).unwrap_or(usize::MAX));
        // quick_cache rounds up to a power of two, by which a shard would be smaller.
        let shards = (shards + 1).next_power_of_two() / 2;
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(entries).weight_capacity(bytes).shards(shards.max(1));
        let options = options.build();
        #[expect(
            clippy::expect_used,
            reason = "quick_cache refuses options without a capacity, and both are given"
        )]
        let options = options.expect("both capacities are given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { kept: Cache::with_options(options, Size { least }, hasher, lifecycle), mode }
    }

    fn kept(&self) -> &Cache<SlotKey, Arc<Kept>, Size> {
        point();
        &self.kept
    }

    pub(super) fn get(&self, scope: &[u8; 16], key: &[u8]) -> Option<Arc<Kept>> {
        self.kept().get(&Borrowed { scope, key })
    }

    pub(super) fn put(&self, key: SlotKey, kept: Kept) {
        self.kept().insert(key, Arc::new(kept));
    }

    pub(super) fn remove(&self, key: &SlotKey) -> Option<Arc<Kept>> {
        self.kept().remove(key).map(|(_, kept)| kept)
    }

    /// Removes this very entry.
    pub(super) fn remove_this(&self, scope: &[u8; 16], key: &[u8], this: &Arc<Kept>) {
        self.kept().remove_if(&Borrowed { scope, key }, |kept| Arc::ptr_eq(kept, this));
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.weight()
    }
}
