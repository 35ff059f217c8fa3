//! Setting, deleting and invalidating; and plain reading.

use std::sync::Arc;

use super::{
    Cache, Shared, Value, call::Settings, engine::is_well, flight::SlotKey, tags::Tag, value::Stored,
};
use crate::{
    backend::Backend,
    encrypted::later,
    error::{Error, KeyError},
    key::CacheKey,
    metrics::{Call, Outcome},
};

/// The end of time: FORMAT.md, "never".
const NEVER: u64 = u64::MAX;

impl Cache {
    pub(super) async fn read<T: Value>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
        strict: bool,
    ) -> Result<Option<T>, Error> {
        let key = key?;
        let (found, trouble) = self.spot(call, &key).find::<T>().await;
        let fresh = found.filter(|stored| stored.label.is_fresh(self.now()));
        match (fresh, trouble) {
            (_, Some(error)) if strict => Err(error),
            (Some(stored), _) => {
                call.outcome(Outcome::Hit);
                Ok(Some(stored.value.clone()))
            }
            (None, Some(error)) if !is_well(Some(&error)) => Err(error),
            (None, _) => {
                call.outcome(Outcome::Miss);
                Ok(None)
            }
        }
    }

    pub(super) async fn write<T: Value>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
        settings: &Settings,
        value: T,
    ) -> Result<(), Error> {
        let key = key?;
        settings.check(self)?;
        let created_at = self.creation_time(settings);
        let label = settings.label(created_at, &value)?;
        let stored = Arc::new(Stored { value, label });
        let write = self.seal(key.as_bytes(), &stored)?;
        let spot = self.spot(call, &key);
        let writing = spot.seat.write().await;
        self.forget(&key);
        if let (Some(store), Some((name, entry, ttl))) = (&self.store, write.clone()) {
            let written = store.backend().set(&name, entry, ttl).await.map_err(Error::from);
            written.inspect_err(|error| self.trouble(error))?;
        }
        writing.finish(|| self.keep(&spot.key, &stored, write.as_ref()));
        Ok(())
    }

    pub(super) async fn remove(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
    ) -> Result<bool, Error> {
        let key = key?;
        let spot = self.spot(call, &key);
        let writing = spot.seat.write().await;
        let in_memory = self.forget(&key);
        let in_store = match &self.store {
            Some(store) => {
                let name = store.entry_place(key.as_bytes()).name;
                let deleted = store.backend().delete(&name).await.map_err(Error::from);
                deleted.inspect_err(|error| self.trouble(error))?
            }
            None => false,
        };
        writing.finish(|| _ = self.forget(&key));
        call.found(in_memory || in_store);
        Ok(in_memory || in_store)
    }

    /// Removes the value from memory; tells whether there was one that could have been used.
    pub(super) fn forget(&self, key: &CacheKey) -> bool {
        let key = SlotKey { scope: self.scope, key: key.as_bytes().into() };
        let removed = self.shared.tier.as_ref().and_then(|tier| tier.remove(&key));
        self.shared.tell_memory();
        removed
            .is_some_and(|kept| kept.label.is_alive(self.now()) && self.survives_what_is_known(&kept.label))
    }

    pub(super) async fn holds(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
    ) -> Result<bool, Error> {
        let key = key?;
        let tier = self.shared.tier.as_ref();
        if tier
            .and_then(|tier| tier.get(&self.scope, key.as_bytes()))
            .is_some_and(|kept| self.is_believed(&kept))
        {
            call.outcome(Outcome::L1Hit);
            return Ok(true);
        }
        let found = match &self.store {
            Some(store) => {
                let name = store.entry_place(key.as_bytes()).name;
                call.beyond(|| Some(&name));
                let found = store.backend().exists(&name).await.map_err(Error::from);
                found.inspect_err(|error| self.trouble(error))?
            }
            None => false,
        };
        call.found(found);
        Ok(found)
    }

    /// Remembers the invalidation in this process, then tells the store.
    pub(super) async fn invalidate(&self, call: &Call<'_>, tag: &[u8]) -> Result<(), Error> {
        call.beyond(|| Some(self.store.as_ref()?.marker_place(tag).name));
        self.mark(tag).await
    }

    /// [`invalidate`](Self::invalidate), unwatched.
    pub(super) async fn mark(&self, tag: &[u8]) -> Result<(), Error> {
        let remembered = Tag { scope: self.scope, tag: tag.into() };
        let at = self.shared.markers.invalidate(remembered, self.now());
        let Some(store) = &self.store else { return Ok(()) };
        // Entries with a tag come from this cache, which bounds their lives; others in the namespace may live for ever.
        let expires_at =
            if tag.is_empty() { NEVER } else { later(at, self.shared.policy.longest).unwrap_or(NEVER) };
        let (name, entry, ttl) = store.seal_marker(tag, at, expires_at)?;
        let written = store.backend().set(&name, entry, ttl).await.map_err(Error::from);
        written.inspect_err(|error| self.trouble(error))
    }

    pub(super) fn trouble(&self, error: &Error) {
        self.shared.counters.trouble(error, None);
    }
}

impl Shared {
    /// How many entries are in memory, and how many bytes these count for.
    pub(super) fn memory(&self) -> (u64, u64) {
        self.tier.as_ref().map_or((0, 0), |tier| (tier.len() as u64, tier.bytes()))
    }

    /// After a change of what is in memory.
    pub(super) fn tell_memory(&self) {
        self.counters.memory(|| self.memory());
    }
}
