//! A store inside the process: bounded, least recently used out first.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use lru::LruCache;
use tokio::time::Instant;

use super::{Backend, Write};
use crate::{
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "memory";
/// What an entry is taken to cost beyond its own bytes and its name: the links, the hash table, the allocator.
const OVERHEAD: usize = 128;

/// A store in this process's memory, for tests, for single processes, and for a start without any server.
///
/// It holds at most [`ENTRIES`](Self::ENTRIES) entries and [`BYTES`](Self::BYTES) bytes, or what
/// [`with_limits`](Self::with_limits) says, and drops what was least recently used to stay within. Clones share it.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blindcache::{Backend, MemoryBackend, Sealed, StoreKey};
///
/// let memory = MemoryBackend::with_limits(10_000, 64 << 20);
/// let key = StoreKey::parse(&format!("b1.{}", "a".repeat(52)))?;
/// let entry = Sealed::parse([b"\xC1bc\x01", &[0; 112][..]].concat())?;
/// memory.set(&key, entry, None).await?;
/// assert!(memory.exists(&key).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryBackend(Arc<Mutex<Shelf>>);

struct Shelf {
    slots: LruCache<StoreKey, Slot>,
    bytes: usize,
    max_entries: usize,
    max_bytes: usize,
}

struct Slot {
    entry: Bytes,
    expires: Option<Instant>,
}

impl MemoryBackend {
    /// How many entries [`new`](Self::new) allows.
    pub const ENTRIES: usize = 100_000;
    /// How many bytes [`new`](Self::new) allows: 256 MiB.
    pub const BYTES: usize = 256 << 20;

    /// An empty store of at most [`ENTRIES`](Self::ENTRIES) entries and [`BYTES`](Self::BYTES) bytes.
    pub fn new() -> Self {
        Self::with_limits(Self::ENTRIES, Self::BYTES)
    }

    /// An empty store of at most so many entries and bytes.
    ///
    /// An entry counts with its own length, that of its name, and 128 bytes of overhead. One that is larger than all
    /// of `bytes` is refused as [`TooLarge`](BackendErrorKind::TooLarge); where either limit is 0, every one is.
    /// An expired entry counts until it is next asked for, or drops out as the least recently used.
    pub fn with_limits(entries: usize, bytes: usize) -> Self {
        let slots = LruCache::unbounded();
        Self(Arc::new(Mutex::new(Shelf { slots, bytes: 0, max_entries: entries, max_bytes: bytes })))
    }

    /// How many entries it holds, expired ones included that nobody asked for since.
    pub fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops every entry.
    pub fn clear(&self) {
        let mut shelf = self.lock();
        shelf.slots.clear();
        shelf.bytes = 0;
    }

    /// All that this store knows: each name and the bytes under it, most recently used first, without the expired.
    ///
    /// For looking at what a store gets to see. Nothing counts as used by it.
    pub fn entries(&self) -> Vec<(StoreKey, Bytes)> {
        let shelf = self.lock();
        let live = shelf.slots.iter().filter(|(_, slot)| !slot.is_expired());
        live.map(|(key, slot)| (key.clone(), slot.entry.clone())).collect()
    }

    /// The shelf, also after a panic elsewhere: every change to it is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = {
            let shelf = self.lock();
            (shelf.slots.len(), shelf.bytes)
        };
        f.debug_struct("MemoryBackend").field("entries", &entries).field("bytes", &bytes).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for MemoryBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(self.lock().get(key))
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.lock().set(key.clone(), entry, ttl)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.lock().delete(key))
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.lock().get(key).is_some())
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut shelf = self.lock();
        Ok(keys.iter().map(|key| shelf.get(key)).collect())
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let mut shelf = self.lock();
        writes.into_iter().try_for_each(|(key, entry, ttl)| shelf.set(key, entry, ttl))
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut shelf = self.lock();
        Ok(keys.iter().map(|key| shelf.delete(key)).collect())
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl Shelf {
    fn get(&mut self, key: &StoreKey) -> Option<Bytes> {
        let slot = self.slots.get(key)?;
        if slot.is_expired() {
            self.remove(key);
            return None;
        }
        Some(slot.entry.clone())
    }

    /// What stood under this name is gone even if the entry is refused: it would be stale.
    fn set(&mut self, key: StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.remove(&key);
        let entry = entry.into_bytes();
        let cost = cost(&key, &entry);
        if cost > self.max_bytes || self.max_entries == 0 {
            return Err(BackendError::new(NAME, BackendErrorKind::TooLarge));
        }
        self.make_room(cost);
        // A deadline beyond what the clock can tell is none.
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.bytes += cost;
        self.slots.put(key, Slot { entry, expires });
        Ok(())
    }

    fn delete(&mut self, key: &StoreKey) -> bool {
        self.remove(key).is_some_and(|slot| !slot.is_expired())
    }

    fn remove(&mut self, key: &StoreKey) -> Option<Slot> {
        let slot = self.slots.pop(key)?;
        self.bytes -= cost(key, &slot.entry);
        Some(slot)
    }

    /// Drops what was least recently used until one more entry of this cost is within the limits.
    fn make_room(&mut self, cost_of_new: usize) {
        while self.slots.len() >= self.max_entries || self.bytes > self.max_bytes - cost_of_new {
            let Some((key, slot)) = self.slots.pop_lru() else { return };
            self.bytes -= cost(&key, &slot.entry);
        }
    }
}

impl Slot {
    fn is_expired(&self) -> bool {
        self.expires.is_some_and(|at| Instant::now() >= at)
    }
}

fn cost(key: &StoreKey, entry: &Bytes) -> usize {
    key.as_str().len() + entry.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Locator;

    const SIZE: usize = 200;
    /// What one entry of `SIZE` under a name without a prefix costs.
    const COST: usize = SIZE + 55 + OVERHEAD;

    fn key(n: u8) -> StoreKey {
        StoreKey::new("", &Locator([n; 32]))
    }

    fn sized(size: usize) -> Sealed {
        let mut bytes = b"\xC1bc\x01".to_vec();
        bytes.resize(size, 7);
        Sealed::parse(bytes).unwrap()
    }

    async fn set(memory: &MemoryBackend, n: u8, ttl: Option<Duration>) {
        memory.set(&key(n), sized(SIZE), ttl).await.unwrap();
    }

    fn there(memory: &MemoryBackend) -> Vec<u8> {
        let entries = memory.entries();
        (0..=9).filter(|n| entries.iter().any(|(name, _)| *name == key(*n))).collect()
    }

    fn bytes(memory: &MemoryBackend) -> usize {
        memory.lock().bytes
    }

    #[tokio::test]
    async fn least_recently_used_goes_first() {
        let memory = MemoryBackend::with_limits(3, usize::MAX);
        for n in [1, 2, 3] {
            set(&memory, n, None).await;
        }
        memory.get(&key(1)).await.unwrap();
        set(&memory, 2, None).await;
        set(&memory, 4, None).await;
        assert_eq!(there(&memory), [1, 2, 4]);
        memory.get_many(&[key(1)]).await.unwrap();
        set(&memory, 5, None).await;
        assert_eq!(there(&memory), [1, 4, 5]);
    }

    #[tokio::test]
    async fn bytes_are_bounded_by_what_entries_cost() {
        let memory = MemoryBackend::with_limits(usize::MAX, 3 * COST);
        for n in 1..=3 {
            set(&memory, n, None).await;
        }
        assert_eq!(there(&memory), [1, 2, 3]);
        memory.set(&key(4), sized(SIZE + 1), None).await.unwrap();
        assert_eq!(there(&memory), [3, 4]);
        memory.set(&key(5), sized(3 * COST - 55 - OVERHEAD), None).await.unwrap();
        assert_eq!(there(&memory), [5]);
    }

    #[tokio::test]
    async fn the_count_of_bytes_comes_back_to_zero() {
        let memory = MemoryBackend::with_limits(20, usize::MAX);
        for n in 0..100 {
            set(&memory, n % 30, Some(Duration::from_millis(1))).await;
            memory.delete(&key(n / 2)).await.unwrap();
        }
        assert_eq!(bytes(&memory), memory.len() * COST);
        let all: Vec<_> = (0..30).map(key).collect();
        memory.delete_many(&all).await.unwrap();
        assert_eq!((bytes(&memory), memory.is_empty()), (0, true));
        set(&memory, 1, None).await;
        memory.clear();
        assert_eq!((bytes(&memory), memory.is_empty()), (0, true));
    }

    #[tokio::test]
    async fn too_large_an_entry_is_refused_and_nothing_stale_stays() {
        let memory = MemoryBackend::with_limits(10, COST);
        set(&memory, 1, None).await;
        let refused = memory.set(&key(1), sized(SIZE + 1), None).await.unwrap_err();
        assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
        assert!(memory.is_empty());
    }

    #[tokio::test]
    async fn a_limit_of_zero_refuses_everything() {
        for memory in [MemoryBackend::with_limits(0, usize::MAX), MemoryBackend::with_limits(10, 0)] {
            let refused = memory.set(&key(1), sized(SIZE), None).await.unwrap_err();
            assert_eq!(refused.kind(), BackendErrorKind::TooLarge);
            assert_eq!(memory.get(&key(1)).await.unwrap(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_lasts_as_long_as_its_ttl_and_no_longer() {
        let memory = MemoryBackend::new();
        let ttl = Duration::from_millis(1_000);
        for n in 1..=4 {
            set(&memory, n, Some(ttl)).await;
        }
        tokio::time::advance(ttl - Duration::from_millis(1)).await;
        assert!(memory.get(&key(1)).await.unwrap().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(memory.entries(), []);
        assert_eq!(memory.len(), 4);
        assert_eq!(memory.get(&key(1)).await.unwrap(), None);
        assert!(!memory.exists(&key(2)).await.unwrap());
        assert!(!memory.delete(&key(3)).await.unwrap());
        assert_eq!(memory.get_many(&[key(4)]).await.unwrap(), [None]);
        assert_eq!(memory.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_ttl_is_no_expiry() {
        let memory = MemoryBackend::new();
        set(&memory, 1, Some(Duration::MAX)).await;
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert!(memory.exists(&key(1)).await.unwrap());
    }

    #[tokio::test]
    async fn clones_share() {
        let memory = MemoryBackend::new();
        set(&memory.clone(), 1, None).await;
        assert_eq!(there(&memory), [1]);
    }

    #[tokio::test]
    async fn a_panic_elsewhere_leaves_it_usable() {
        let memory = MemoryBackend::new();
        let clone = memory.clone();
        let thread = std::thread::spawn(move || {
            let _guard = clone.lock();
            panic!("with the lock held");
        });
        assert!(thread.join().is_err());
        assert!(memory.0.is_poisoned());
        set(&memory, 1, None).await;
        assert_eq!(memory.len(), 1);
    }

    #[tokio::test]
    async fn debug_shows_counts_alone() {
        let memory = MemoryBackend::new();
        set(&memory, 1, None).await;
        assert_eq!(format!("{memory:?}"), format!("MemoryBackend {{ entries: 1, bytes: {COST} }}"));
    }
}
