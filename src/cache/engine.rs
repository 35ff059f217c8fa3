//! From a key to a value: memory, then the store, then the caller's function.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::{runtime::Handle, time::timeout};

use super::{
    Cache, Value,
    call::Settings,
    flight::{Leader, Published, Seat, SlotKey, Turn},
    mode::{Lenient, Mode},
    value::{Label, Stored},
};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
    error::Error,
    key::CacheKey,
    metrics::{self, Call, Operation, Outcome},
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
enum Why {
    /// It is fresh.
    Fresh,
    /// It is stale, and the function has just failed or taken too long.
    FailSafe,
    /// It is stale, and is being refreshed.
    Refreshing,
}

impl Cache {
    /// The spot of a call that memory did not answer.
    pub(super) fn spot(&self, call: &Call<'_>, key: &CacheKey) -> Spot {
        call.beyond(|| Some(self.store.as_ref()?.entry_place(key.as_bytes()).name));
        self.spot_at(key)
    }

    pub(super) fn spot_at(&self, key: &CacheKey) -> Spot {
        let key = SlotKey { scope: self.scope, key: key.as_bytes().into() };
        let seat = self.shared.slots.enter(key.clone());
        Spot { cache: self.clone(), key, seat }
    }

    /// How a request ended with this value, which was found so: it may be stale.
    fn outcome_of(&self, label: &Label, found: Outcome) -> Outcome {
        if label.is_fresh(self.now()) { found } else { Outcome::Stale }
    }

    /// A handed value that may be used: fresh, or stale for one of these reasons.
    fn usable<T: Value>(&self, published: &Published, stale: &[Why]) -> Option<Arc<Stored<T>>> {
        let Handed { stored, why } = published.downcast_ref::<Handed<T>>()?;
        let now = self.now();
        let in_time = match why {
            Why::Fresh => stored.label.is_fresh(now),
            why => stale.contains(why) && stored.label.is_alive(now),
        };
        (in_time && self.survives_what_is_known(&stored.label)).then(|| stored.clone())
    }

    /// `get_or_compute` of every kind.
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
                return alone(call, mode, f).await;
            }
        };
        if let Some(stored) = self.hit::<T>(call, &key) {
            return Ok(stored.value.clone());
        }
        let spot = self.spot(call, &key);
        let stale: &[Why] = if M::FAIL_SAFE { &[Why::FailSafe] } else { &[] };
        match spot.turn(|published| self.usable::<T>(published, stale)).await {
            Turn::Value(stored) => {
                call.outcome(Outcome::Waited);
                Ok(stored.value.clone())
            }
            Turn::Lead(leader) => spot.lead(call, leader, &settings, mode, f).await,
        }
    }

    /// `get_or_refresh`: `f` runs in the caller only where there is nothing to return at once.
    pub(super) async fn get_or_refresh_at<T, E, F, Fut>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
        settings: Settings,
        f: F,
    ) -> Result<T, E>
    where
        T: Value,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let key = match key.and_then(|key| settings.check(self).map(|()| key)) {
            Ok(key) => key,
            Err(error) => {
                self.trouble(&error);
                return alone(call, Lenient, f).await;
            }
        };
        let spot = match self.alive_in_memory::<T>(&key) {
            Some(stored) if !settings.is_due(&stored.label, self.now()) => {
                call.outcome(Outcome::L1Hit);
                return Ok(stored.value.clone());
            }
            Some(stored) => {
                let spot = self.spot(call, &key);
                if let Some(leader) = spot.seat.try_lead() {
                    spot.refresh_behind(leader, settings, &stored, f);
                }
                call.outcome(self.outcome_of(&stored.label, Outcome::L1Hit));
                return Ok(stored.value.clone());
            }
            None => self.spot(call, &key),
        };
        let stale = [Why::FailSafe, Why::Refreshing];
        let leader = match spot.turn(|published| self.usable::<T>(published, &stale)).await {
            Turn::Value(stored) => {
                call.outcome(Outcome::Waited);
                return Ok(stored.value.clone());
            }
            Turn::Lead(leader) => leader,
        };
        let (found, trouble) = spot.find::<T>().await;
        match found {
            Some(stored) => {
                call.outcome(self.outcome_of(&stored.label, spot.found()));
                if settings.is_due(&stored.label, self.now()) {
                    spot.refresh_behind(leader, settings, &stored, f);
                } else {
                    share(leader, &stored, Why::Fresh);
                }
                Ok(stored.value.clone())
            }
            None => {
                let created_at = self.creation_time(&settings);
                let value = f().await?;
                spot.finish(call, leader, &settings, Lenient, value, created_at, trouble.is_none()).await
            }
        }
    }

    /// `refresh`: computes whatever there is.
    pub(super) async fn refresh_at<T, E, F, Fut>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
        settings: Settings,
        f: F,
    ) -> Result<T, E>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let key = match key.and_then(|key| settings.check(self).map(|()| key)) {
            Ok(key) => key,
            Err(error) => {
                self.trouble(&error);
                return alone(call, Lenient, f).await;
            }
        };
        let spot = self.spot(call, &key);
        let nothing = |_: &Published| None::<std::convert::Infallible>;
        match spot.turn(nothing).await {
            Turn::Value(never) => match never {},
            Turn::Lead(leader) => {
                let created_at = self.creation_time(&settings);
                let value = f().await?;
                spot.finish(call, leader, &settings, Lenient, value, created_at, true).await
            }
        }
    }
}

impl Spot {
    /// [`Seat::lead_or`], counted if it waits.
    async fn turn<V>(&self, usable: impl Fn(&Published) -> Option<V>) -> Turn<V> {
        let turn = self.seat.lead_or(usable).await;
        self.note_wait();
        turn
    }

    /// How a request ended whose value was there when its turn came.
    fn found(&self) -> Outcome {
        if self.seat.waited() { Outcome::Waited } else { Outcome::Hit }
    }

    pub(super) fn note_wait(&self) {
        if self.seat.waited() {
            self.cache.shared.counters.waited();
        }
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
        let well = trouble.is_none();
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
    async fn finish<T: Value, E, M: Mode>(
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
        let sealed = cache.seal(&self.key.key, &value, settings, created_at);
        let (label, write) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                cache.trouble(&error);
                mode.trouble(error)?;
                call.outcome(Outcome::Computed);
                return Ok(value);
            }
        };
        let stored = Arc::new(Stored { value, label });
        leader.publish(hand(&stored, Why::Fresh), || cache.keep(&self.key, &stored, write.as_ref()));
        if let Some(write) = write {
            if well {
                self.write(&leader, write).await.or_else(|error| mode.trouble(error))?;
            } else {
                self.write_behind(leader, write);
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

    fn write_behind(self, leader: Leader, write: Write) {
        if let Ok(runtime) = Handle::try_current() {
            let tasks = self.cache.shared.tasks.clone();
            tasks.spawn_on(async move { self.write(&leader, write).await }, &runtime);
        }
    }

    /// Computes in a task of its own, until the value that is returned meanwhile ends for good. All who ask meanwhile
    /// get that value too.
    fn refresh_behind<T, E, F, Fut>(
        self,
        mut leader: Leader,
        settings: Settings,
        until_then: &Arc<Stored<T>>,
        f: F,
    ) where
        T: Value,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let tasks = self.cache.shared.tasks.clone();
        let Ok(runtime) = Handle::try_current() else { return };
        if tasks.is_closed() {
            return;
        }
        let left = until_then.label.left(self.cache.now());
        let version = self.seat.version();
        let created_at = self.cache.creation_time(&settings);
        leader.publish(hand(until_then, Why::Refreshing), || ());
        let cache = self.cache.clone();
        let refresh = async move {
            let call = cache.call(Operation::BackgroundRefresh);
            let body = async {
                call.beyond(|| Some(cache.store.as_ref()?.entry_place(&self.key.key).name));
                let computed = timeout(left, f()).await;
                drop(leader);
                let Ok(Ok(value)) = computed else {
                    metrics::background_failed();
                    return Err(());
                };
                match self.seat.try_lead().filter(|_| self.seat.version() == version) {
                    Some(leader) => {
                        let done: Result<T, E> =
                            self.finish(&call, leader, &settings, Lenient, value, created_at, true).await;
                        done.map(drop).map_err(drop)
                    }
                    // Anything written meanwhile is newer.
                    None => Ok(call.outcome(Outcome::Computed)),
                }
            };
            let _ = call.watch(body).await;
        };
        tasks.spawn_on(refresh, &runtime);
    }
}

/// Without the cache.
async fn alone<T, E, F, Fut, M>(call: &Call<'_>, mode: M, f: F) -> Result<T, M::Error<E>>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    M: Mode,
{
    call.beyond(|| None::<StoreKey>);
    let computed = match mode.hard_timeout() {
        Some((limit, error)) => match timeout(limit, f()).await {
            Ok(computed) => computed,
            Err(_) => return Err(error),
        },
        None => f().await,
    };
    computed.inspect(|_| call.outcome(Outcome::Computed)).map_err(|error| mode.compute(error))
}

pub(super) fn hand_fresh<T: Value>(stored: &Arc<Stored<T>>) -> Published {
    hand(stored, Why::Fresh)
}

fn hand<T: Value>(stored: &Arc<Stored<T>>, why: Why) -> Published {
    Arc::new(Handed { stored: stored.clone(), why })
}

/// Hands a value to those who wait now, and to nobody later.
fn share<T: Value>(mut leader: Leader, stored: &Arc<Stored<T>>, why: Why) {
    leader.publish(hand(stored, why), || ());
}
