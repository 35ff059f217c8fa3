//! Setting, deleting and invalidating; and plain reading.

use std::sync::Arc;

use super::{
    Cache, Shared, Value, call::Settings, engine::is_well, search::Found, tags::Trust, value::Stored,
};
use crate::{
    backend::Backend,
    error::{Error, KeyError},
    key::CacheKey,
    metrics::{Call, Outcome},
};

impl Cache {
    /// `get` where the value was not [`at_hand`](Self::at_hand).
    pub(super) async fn read<T: Value>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
        trust: Trust,
    ) -> Result<Option<T>, Error> {
        let key = key?;
        let seat = self.seat(call, &key);
        let Found { stored, trouble, now, .. } = self.spot(&seat).find::<T>(trust).await;
        let fresh = stored.filter(|stored| stored.label.is_fresh(now));
        match (fresh, trouble) {
            (_, Some(error)) if trust == Trust::Answered => Err(error),
            (Some(stored), _) => {
                call.outcome(Outcome::Hit);
                Ok(Some(stored.into_value()))
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
        key: Result<CacheKey, KeyError>,
        settings: &Settings,
        value: T,
    ) -> Result<(), Error> {
        let key = key?;
        settings.check(self)?;
        let beginning = self.beginning(settings);
        let label = settings.label(beginning, &value)?;
        let stored = Arc::new(Stored { value, label });
        let write = self.seal(key.as_bytes(), None, &stored, beginning)?;
        let (copy, seat) = (self.copied::<T>(write.as_ref()), self.seat(call, &key));
        let writing = seat.write().await;
        self.forget(seat.key());
        let Some(write) = write else {
            writing.finish(|| self.keep(seat.key(), &stored, copy));
            return Ok(());
        };
        let cache = self.clone();
        let work = async move {
            cache.send(write).await?;
            writing.finish(|| cache.keep(seat.key(), &stored, copy));
            Ok(())
        };
        self.unbroken(work).await
    }

    pub(super) async fn remove(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
    ) -> Result<bool, Error> {
        let seat = self.seat(call, &key?);
        let writing = seat.write().await;
        let in_memory = self.forget_usable(seat.key());
        let cache = self.clone();
        let work = async move {
            let in_store = match &cache.store {
                Some(store) => {
                    let name = store.entry_place(&seat.key().key).name;
                    let deleted = store.backend().delete(&name).await.map_err(Error::from);
                    deleted.inspect_err(|error| cache.trouble(error))?
                }
                None => false,
            };
            writing.finish(|| _ = cache.forget(seat.key()));
            Ok::<_, Error>(in_store)
        };
        let in_store = self.unbroken(work).await?;
        call.found(in_memory || in_store);
        Ok(in_memory || in_store)
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
