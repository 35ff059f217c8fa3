//! Setting, deleting and invalidating; and plain reading.

use std::sync::Arc;

use super::{
    Cache, Shared, Value,
    call::Settings,
    engine::is_well,
    flight::SlotKey,
    tags::Tag,
    value::{Label, Stored},
};
use crate::{
    backend::Backend,
    encrypted::later,
    error::{Error, Unreadable},
    key::CacheKey,
    metrics::{Outcome, Stats},
};

/// The end of time: FORMAT.md, "never".
const NEVER: u64 = u64::MAX;

impl Cache {
    pub(super) async fn read<T: Value>(&self, key: &CacheKey, strict: bool) -> Result<Option<T>, Error> {
        if let Some(stored) = self.hit::<T>(key.as_bytes()) {
            return Ok(Some(stored.value.clone()));
        }
        let (found, trouble) = self.spot(key).find::<T>().await;
        let fresh = found.filter(|stored| stored.label.is_fresh(self.now()));
        match (fresh, trouble) {
            (_, Some(error)) if strict => Err(error),
            (Some(stored), _) => {
                self.outcome(Outcome::Hit);
                Ok(Some(stored.value.clone()))
            }
            (None, Some(error)) if !is_well(Some(&error)) => Err(error),
            (None, _) => {
                self.outcome(Outcome::Miss);
                Ok(None)
            }
        }
    }

    pub(super) async fn write<T: Value>(
        &self,
        key: &CacheKey,
        settings: &Settings,
        value: T,
    ) -> Result<(), Error> {
        settings.check(self)?;
        let created_at = self.creation_time(settings);
        let label = settings.label(created_at, &value)?;
        let stored = Arc::new(Stored { value, label });
        let write = self.seal(key.as_bytes(), &stored)?;
        let spot = self.spot(key);
        let writing = spot.seat.write().await;
        self.forget(key);
        if let (Some(store), Some((name, entry, ttl))) = (&self.store, write.clone()) {
            let written = store.backend().set(&name, entry, ttl).await.map_err(Error::from);
            written.inspect_err(|error| self.trouble(error))?;
        }
        writing.finish(|| self.keep(&spot.key, &stored, write.as_ref()));
        Ok(())
    }

    pub(super) async fn remove(&self, key: &CacheKey) -> Result<bool, Error> {
        let spot = self.spot(key);
        let writing = spot.seat.write().await;
        let in_memory = self.forget(key);
        let in_store = match &self.store {
            Some(store) => {
                let name = store.entry_place(key.as_bytes()).name;
                let deleted = store.backend().delete(&name).await.map_err(Error::from);
                deleted.inspect_err(|error| self.trouble(error))?
            }
            None => false,
        };
        writing.finish(|| _ = self.forget(key));
        Ok(in_memory || in_store)
    }

    /// Removes the value from memory; tells whether there was one that could have been used.
    pub(super) fn forget(&self, key: &CacheKey) -> bool {
        let key = SlotKey { scope: self.scope, key: key.as_bytes().into() };
        let removed = self.shared.tier.as_ref().and_then(|tier| tier.remove(&key));
        removed
            .is_some_and(|kept| kept.label.is_alive(self.now()) && self.survives_what_is_known(&kept.label))
    }

    pub(super) async fn holds(&self, key: &CacheKey) -> Result<bool, Error> {
        let tier = self.shared.tier.as_ref();
        if tier
            .and_then(|tier| tier.get(&self.scope, key.as_bytes()))
            .is_some_and(|kept| self.is_believed(&kept))
        {
            return Ok(true);
        }
        let Some(store) = &self.store else { return Ok(false) };
        Ok(store.backend().exists(&store.entry_place(key.as_bytes()).name).await?)
    }

    /// Remembers the invalidation in this process, then tells the store.
    pub(super) async fn invalidate(&self, tag: &[u8]) -> Result<(), Error> {
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

    pub(super) fn outcome(&self, outcome: Outcome) {
        self.shared.counters.outcome(outcome);
    }

    /// A value that was found and returned: fresh or stale.
    pub(super) fn outcome_of(&self, label: &Label) {
        let fresh = label.is_fresh(self.now());
        self.outcome(if fresh { Outcome::Hit } else { Outcome::Stale });
    }

    pub(super) fn trouble(&self, error: &Error) {
        let unreadable: Option<Unreadable> = match error {
            Error::Unreadable(reason) => Some(*reason),
            _ => None,
        };
        self.shared.counters.trouble(unreadable);
    }
}

impl Shared {
    pub(super) fn stats(&self) -> Stats {
        let (entries, bytes) = self.tier.as_ref().map_or((0, 0), |tier| (tier.len() as u64, tier.bytes()));
        self.counters.stats(entries, bytes, self.slots.len() as u64)
    }
}
