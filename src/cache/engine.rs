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
    crypto::StoreKey,
    error::Error,
    key::CacheKey,
    metrics::{Call, Outcome},
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
    /// The spot of a call for one key that memory did not answer.
    pub(super) fn spot(&self, call: &Call<'_>, key: &CacheKey) -> Spot {
        call.beyond(|| Some(self.store.as_ref()?.entry_place(key.as_bytes()).name));
        self.spot_at(key)
    }

    pub(super) fn spot_at(&self, key: &CacheKey) -> Spot {
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

    /// `get_or_compute` of every kind, where the value was not [`at_hand`](Self::at_hand).
    pub(super) async fn compute<T, E, F, Fut, M>(
        &self,
        call: &Call<'_>,
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
                return alone(call, f).await.map_err(|error| mode.compute(error));
            }
        };
        let spot = self.spot(call, &key);
        let stale: &[Why] = if M::FAIL_SAFE { &[Why::FailSafe] } else { &[] };
        let turn = spot.turn(|published| self.usable::<T>(published, stale));
        let turn = match mode.hard_timeout() {
            Some((limit, error)) => timeout(limit, turn).await.map_err(|_| error)?,
            None => turn.await,
        };
        match turn {
            Turn::Value(stored) => {
                call.outcome(Outcome::Waited);
                Ok(stored.value.clone())
            }
            Turn::Lead(leader) => spot.lead(call, leader, &settings, mode, f).await,
        }
    }
}

impl Spot {
    /// [`Seat::lead_or`], counted the first time that it waits.
    pub(super) async fn turn<V>(&self, usable: impl Fn(&Published) -> Option<V>) -> Turn<V> {
        let before = self.seat.waited();
        let turn = self.seat.lead_or(usable).await;
        if !before && self.seat.waited() {
            self.cache.shared.counters.waited();
        }
        turn
    }

    /// How a request ended whose value was there when its turn came.
    pub(super) fn found(&self) -> Outcome {
        if self.seat.waited() { Outcome::Waited } else { Outcome::Hit }
    }

    /// Looks once more, then computes.
    async fn lead<T, E, F, Fut, M>(
        self,
        call: &Call<'_>,
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
            call.outcome(self.found());
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
                        return Ok(self.fall_back(call, leader, stale));
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
            (Ok(value), _) => self.finish(call, leader, settings, mode, value, created_at, well).await,
            (Err(_), Some(stale)) => Ok(self.fall_back(call, leader, &stale)),
            (Err(error), None) => Err(mode.compute(error)),
        }
    }

    /// The stale value, for those who wait too: their own functions would do no better now.
    fn fall_back<T: Value>(&self, call: &Call<'_>, leader: Leader, stale: &Arc<Stored<T>>) -> T {
        share(leader, stale, Why::FailSafe);
        call.outcome(Outcome::Stale);
        stale.value.clone()
    }

    /// Keeps a value that was computed, hands it to those who wait, and writes it to the store.
    ///
    /// `well`: the store has just answered. If not, the write is left to the background, so that a store that is
    /// down costs one time-out and not two.
    #[allow(clippy::too_many_arguments)] // what every caller holds
    pub(super) async fn finish<T: Value, E, M: Mode>(
        self,
        call: &Call<'_>,
        mut leader: Leader,
        settings: &Settings,
        mode: M,
        value: T,
        created_at: u64,
        well: bool,
    ) -> Result<T, M::Error<E>> {
        let cache = &self.cache;
        let label = match settings.label(created_at, &value) {
            Ok(label) => label,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                call.outcome(Outcome::Computed);
                return Ok(value);
            }
        };
        let stored = Arc::new(Stored { value, label });
        let write = match cache.seal(&self.key.key, &stored) {
            Ok(write) => write,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                share(leader, &stored, Why::Fresh);
                call.outcome(Outcome::Computed);
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
        call.outcome(Outcome::Computed);
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

/// Computes without the cache.
pub(super) async fn alone<T, E, F, Fut>(call: &Call<'_>, f: F) -> Result<T, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    call.beyond(|| None::<StoreKey>);
    f().await.inspect(|_| call.outcome(Outcome::Computed))
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
