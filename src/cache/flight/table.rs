//! The table of the keys in use.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{BuildHasher, Hash, Hasher},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use lru::DefaultHasher;

use super::{Mutex, MutexGuard, slot::Slot};

const SHARDS: usize = 32;

/// The name of a slot: the scope of a tenant and namespace, and a canonical key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SlotKey {
    pub(crate) scope: [u8; 16],
    pub(crate) key: Box<[u8]>,
}

impl SlotKey {
    /// Hashes its parts, without their lengths: one of them is always the same.
    #[inline]
    pub(crate) fn hash_of<H: Hasher>(scope: &[u8; 16], key: &[u8], state: &mut H) {
        state.write(scope);
        state.write(key);
    }
}

impl Hash for SlotKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Self::hash_of(&self.scope, &self.key, state);
    }
}

/// Faster than the hasher of `std`. Whoever finds keys that collide gains little: only those in use at one time are here.
type Shard = HashSet<Listed, DefaultHasher>;

/// The slots of all keys in use; a slot leaves with its last seat.
pub(crate) struct Slots {
    shards: [Mutex<Shard>; SHARDS],
    /// Of another seed than those of the shards, which else would fill few of their buckets.
    hasher: DefaultHasher,
}

impl Default for Slots {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: DefaultHasher::default() }
    }
}

impl Slots {
    /// A seat at the slot of this key, which is made where nobody sits yet.
    pub(crate) fn enter(self: &Arc<Self>, key: SlotKey) -> Seat {
        let mut shard = self.shard(&key);
        let slot = match shard.get(&key) {
            Some(Listed(slot)) => {
                slot.seats.fetch_add(1, Relaxed);
                Arc::clone(slot)
            }
            None => {
                let slot = Arc::new(Slot::new(key, Arc::clone(self)));
                shard.insert(Listed(Arc::clone(&slot)));
                slot
            }
        };
        Seat { slot, waited: AtomicBool::new(false) }
    }

    /// How many keys are in use.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, key: &SlotKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS])
    }
}

/// A place at a slot, which keeps it in the table. Every handle of a slot holds one.
pub(crate) struct Seat {
    pub(super) slot: Arc<Slot>,
    pub(super) waited: AtomicBool,
}

impl Seat {
    /// Another seat at the same slot.
    pub(super) fn beside(&self) -> Self {
        self.slot.seats.fetch_add(1, Relaxed);
        Self { slot: Arc::clone(&self.slot), waited: AtomicBool::new(false) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The count reaches 0 only under the lock under which `enter` raises it, together with the removal.
        let not_last = |seats| if seats > 1 { Some(seats - 1) } else { None };
        if self.slot.seats.fetch_update(Relaxed, Relaxed, not_last).is_ok() {
            return;
        }
        let mut shard = self.slot.home.shard(&self.slot.key);
        if self.slot.seats.fetch_sub(1, Relaxed) == 1 {
            shard.remove(&self.slot.key);
        }
    }
}

/// A slot found by its key.
struct Listed(Arc<Slot>);

impl Borrow<SlotKey> for Listed {
    fn borrow(&self) -> &SlotKey {
        &self.0.key
    }
}

impl Hash for Listed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for Listed {}

/// A panic of a closure leaves no state half changed here, so poisoning says nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
