//! The table of the keys in use.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use hashbrown::{HashTable, hash_table::Entry};
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

type Shard = HashTable<Arc<Slot>>;

/// The slots of all keys in use; a slot leaves with its last seat.
pub(crate) struct Slots {
    shards: [Mutex<Shard>; SHARDS],
    /// Faster than that of `std`. Whoever finds keys that collide gains little: only those in use at one time are here.
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
        let hash = self.hasher.hash_one(&key);
        let slot = match self.shard(hash).entry(hash, |slot| slot.key == key, |slot| slot.hash) {
            Entry::Occupied(slot) => {
                slot.get().seats.fetch_add(1, Relaxed);
                Arc::clone(slot.get())
            }
            Entry::Vacant(place) => {
                let slot = Arc::new(Slot::new(key, hash, Arc::clone(self)));
                place.insert(Arc::clone(&slot));
                slot
            }
        };
        Seat { slot, waited: AtomicBool::new(false) }
    }

    /// How many keys are in use.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// By bits of the hash that a table looks at last.
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

/// A place at a slot, which keeps it in the table. Every handle of a slot holds one.
pub(crate) struct Seat {
    pub(super) slot: Arc<Slot>,
    pub(super) waited: AtomicBool,
}

impl Seat {
    /// The key of the slot.
    pub(crate) fn key(&self) -> &SlotKey {
        &self.slot.key
    }

    /// Another seat at the same slot.
    pub(crate) fn beside(&self) -> Self {
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
        let slot = &self.slot;
        let mut shard = slot.home.shard(slot.hash);
        if slot.seats.fetch_sub(1, Relaxed) == 1
            && let Ok(listed) = shard.find_entry(slot.hash, |listed| Arc::ptr_eq(listed, slot))
        {
            listed.remove();
        }
    }
}

/// A panic of a closure leaves no state half changed here, so poisoning says nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
