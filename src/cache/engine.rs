//! From a key to a value: memory, then the store, then the caller's function.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::{runtime::Handle, time::timeout};

use super::{
    Cache, Value,
    call::Settings,
    flight::{Leader, Published, Seat, SlotKey, Turn},
    mode::Mode,
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    error::Error,
    key::CacheKey,
    metrics::Outcome,
};

/// One key of one tenant, at which this call has a seat.
pub(super) struct Spot {
    pub(super) cache: Cache,
    pub(super) key: SlotKey,
    pub(super) seat: Seat,
}

/// What a leader hands to those who wait.
struct Handed<T> {
    stored: Arc<Stored<T>>,
    why: Why,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was fresh.
    Fresh,
    /// It is stale, and the function has just failed or taken too long.
    FailSafe,
    /// It may be stale, and is being refreshed.
    Refreshing,
}

impl Cache {
    pub(super) fn spot(&self, key: &CacheKey) -> Spot {
        let key = SlotKey { scope: self.scope, key: key.as_bytes().into() };
        let seat = self.shared.slots.enter(key.clone());
        Spot { cache: self.clone(), key, seat }
    }

    /// A handed value that may be used: fresh, or stale for one of these reasons.
    pub(super) fn usable<T: Value>(&self, published: &Published, stale: &[Why]) -> Option<Arc<Stored<T>>> {
        let Handed { stored, why } = published.downcast_ref::<Handed<T>>()?;
        let now = self.now();
        let in_time = stored.label.is_fresh(now) || stale.contains(why) && stored.label.is_alive(now);
        (in_time && self.survives_what_is_known(&stored.label)).then(|| stored.clone())
    }

    /// `get_or_compute` of every kind.
    pub(super) async fn compute<T, E, F, Fut, M>(
        &self,
        key: Result<CacheKey, Error>,
        settings: Settings,
        mode: M,
        f: F,
    ) -> Result<T, M::Error<E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        M: Mode,
    {
        let key = match key.and_then(|key| settings.check(self).map(|()| key)) {
            Ok(key) => key,
            Err(error) => {
                self.trouble(&error);
                mode.trouble(error)?;
                return f().await.map_err(|error| mode.compute(error));
            }
        };
        if let Some(stored) = self.hit::<T>(key.as_bytes()) {
            return Ok(stored.value.clone());
        }
        let spot = self.spot(&key);
        let stale: &[Why] = if M::FAIL_SAFE { &[Why::FailSafe] } else { &[] };
        let turn = spot.seat.lead_or(|published| self.usable::<T>(published, stale));
        let turn = match mode.hard_timeout() {
            Some((limit, error)) => timeout(limit, turn).await.map_err(|_| error)?,
            None => turn.await,
        };
        match turn {
            Turn::Value(stored) => {
                self.outcome(Outcome::Waited);
                Ok(stored.value.clone())
            }
            Turn::Lead(leader) => spot.lead(leader, &settings, mode, f).await,
        }
    }
}

impl Spot {
    /// Looks once more, then computes.
    async fn lead<T, E, F, Fut, M>(
        self,
        leader: Leader,
        settings: &Settings,
        mode: M,
        f: F,
    ) -> Result<T, M::Error<E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        M: Mode,
    {
        let (found, trouble) = self.find::<T>().await;
        let well = is_well(trouble.as_ref());
        trouble.map_or(Ok(()), |error| mode.trouble(error))?;
        if let Some(stored) = found.as_ref().filter(|stored| stored.label.is_fresh(self.cache.now())) {
            share(leader, stored, Why::Fresh);
            self.cache.outcome(Outcome::Hit);
            return Ok(stored.value.clone());
        }
        let fallback = found.filter(|_| M::FAIL_SAFE);
        let created_at = self.cache.creation_time(settings);
        let computed = match (&fallback, settings.policy.soft_timeout, mode.hard_timeout()) {
            (Some(stale), Some(limit), _) => {
                let mut computing = pin!(f());
                match timeout(limit, &mut computing).await {
                    Ok(computed) => computed,
                    Err(_) if stale.label.is_alive(self.cache.now()) => {
                        return Ok(self.fall_back(leader, stale));
                    }
                    Err(_) => computing.await,
                }
            }
            (_, _, Some((limit, error))) => match timeout(limit, f()).await {
                Ok(computed) => computed,
                Err(_) => return Err(error),
            },
            _ => f().await,
        };
        match (computed, fallback.filter(|stored| stored.label.is_alive(self.cache.now()))) {
            (Ok(value), _) => self.finish(leader, settings, mode, value, created_at, well).await,
            (Err(_), Some(stale)) => Ok(self.fall_back(leader, &stale)),
            (Err(error), None) => {
                self.cache.outcome(Outcome::Error);
                Err(mode.compute(error))
            }
        }
    }

    /// The stale value, for those who wait too: their own functions would do no better now.
    fn fall_back<T: Value>(&self, leader: Leader, stale: &Arc<Stored<T>>) -> T {
        share(leader, stale, Why::FailSafe);
        self.cache.outcome(Outcome::Stale);
        stale.value.clone()
    }

    /// Keeps a value that was computed, hands it to those who wait, and writes it to the store.
    ///
    /// `well`: the store has just answered. If not, the write is left to the background, so that a store that is
    /// down costs one time-out and not two.
    pub(super) async fn finish<T: Value, E, M: Mode>(
        self,
        mut leader: Leader,
        settings: &Settings,
        mode: M,
        value: T,
        created_at: u64,
        well: bool,
    ) -> Result<T, M::Error<E>> {
        let cache = &self.cache;
        cache.outcome(Outcome::Computed);
        let label = match settings.label(created_at, &value) {
            Ok(label) => label,
            Err(error) => {
                cache.trouble(&error);
                return mode.trouble(error).map(|()| value);
            }
        };
        let stored = Arc::new(Stored { value, label });
        let write = match cache.seal(&self.key.key, &stored) {
            Ok(write) => write,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                share(leader, &stored, Why::Fresh);
                return Ok(stored.value.clone());
            }
        };
        leader.publish(hand(&stored, Why::Fresh), || cache.keep(&self.key, &stored, write.as_ref()));
        if let Some(write) = write {
            if well {
                self.write(&leader, write).await.or_else(|error| mode.trouble(error))?;
            } else {
                self.write_behind(leader, write).await;
            }
        }
        Ok(stored.value.clone())
    }

    async fn write(&self, leader: &Leader, (name, entry, ttl): Write) -> Result<(), Error> {
        let (Some(store), Some(_turn)) = (&self.cache.store, leader.write().await) else { return Ok(()) };
        let written = store.backend().set(&name, entry, ttl).await.map_err(Error::from);
        written.inspect_err(|error| self.cache.trouble(error))
    }

    /// In the background, unless there is none (any more).
    async fn write_behind(self, leader: Leader, write: Write) {
        let tasks = self.cache.shared.tasks.clone();
        let write = async move { _ = self.write(&leader, write).await };
        match Handle::try_current() {
            Ok(runtime) if !tasks.is_closed() => drop(tasks.spawn_on(write, &runtime)),
            Ok(_) | Err(_) => write.await,
        }
    }
}

/// Whether the store has just answered, if only with something that cannot be read.
pub(super) fn is_well(trouble: Option<&Error>) -> bool {
    trouble.is_none_or(|error| matches!(error, Error::Unreadable(_)))
}

pub(super) fn hand_fresh<T: Value>(stored: &Arc<Stored<T>>) -> Published {
    hand(stored, Why::Fresh)
}

pub(super) fn hand<T: Value>(stored: &Arc<Stored<T>>, why: Why) -> Published {
    Arc::new(Handed { stored: stored.clone(), why })
}

/// Hands a value to those who wait now, and to nobody later.
pub(super) fn share<T: Value>(mut leader: Leader, stored: &Arc<Stored<T>>, why: Why) {
    leader.publish(hand(stored, why), || ());
}
