//! A hit in memory, part by part: for `benches/parts`.

use super::{Cache, Value, tags::Trust};
use crate::{
    error::KeyError,
    key::{CacheKey, Key},
    metrics::Operation,
};

/// A call for one key, each method a part of it. From `look` on, each does what the one before it does, and more.
pub struct Hit {
    cache: Cache,
    key: Result<CacheKey, KeyError>,
}

impl Hit {
    /// Of what this cache has under this key.
    pub fn new(cache: &Cache, key: impl Key) -> Self {
        Self { cache: cache.clone(), key: key.to_cache_key() }
    }

    /// The clock, exactly.
    pub fn exact_clock(&self) -> u64 {
        self.cache.now()
    }

    /// The clock, as far as most hits need it.
    pub fn coarse_clock(&self) -> impl Sized + use<> {
        self.cache.shared.clock.about_now()
    }

    /// Finds the entry, and lets go of it.
    pub fn look(&self) -> Option<impl Sized + use<>> {
        let key = self.key.as_ref().ok()?;
        self.cache.shared.tier.as_ref()?.get(&self.cache.scope, key.as_bytes())
    }

    /// Judges it too, by the clock and by what is known of its tags and its key.
    pub fn judged(&self) -> Option<impl Sized + use<>> {
        self.cache.seen_at(self.key.as_ref().ok()?.as_bytes(), Trust::Asked)
    }

    /// Clones the value too.
    pub fn value<T: Value>(&self) -> Option<T> {
        let key = self.key.as_ref().ok()?;
        Some(self.cache.answer(key.as_bytes(), Trust::Asked, false)?.0)
    }

    /// Counts the hit too.
    pub fn counted<T: Value>(&self) -> Option<T> {
        self.cache.at_hand(Operation::Get, &self.key, Trust::Asked, false)
    }
}
