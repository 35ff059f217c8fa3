//! From a key to a value: memory, then the store, then the caller's function.

use std::{sync::Arc, time::Duration};

use super::{
    Cache, Value,
    call::Settings,
    finish::{Begun, Terms},
    flight::{Leader, Published, Seat, SlotKey, Turn},
    handed::{Why, hand, share},
    memory::Local,
    mode::Mode,
    search::Found,
    source::{Source, alone, in_time},
    value::Stored,
};
use crate::{
    error::{Error, KeyError},
    key::CacheKey,
    metrics::{Call, Outcome},
};

/// One key of one tenant, at which this call has a seat.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) cache: &'a Cache,
    pub(super) seat: &'a Seat,
}

impl Cache {
    /// The seat of a call for one key that memory did not answer.
    pub(super) fn seat(&self, call: &Call<'_>, key: &CacheKey) -> Seat {
        call.beyond(|| Some(self.store.as_ref()?.entry_place(key.as_bytes()).name));
        self.seat_at(key)
    }

    pub(super) fn seat_at(&self, key: &CacheKey) -> Seat {
        self.shared.slots.enter(SlotKey { scope: self.scope, key: key.as_bytes().into() })
    }

    pub(super) fn spot<'a>(&'a self, seat: &'a Seat) -> Spot<'a> {
        Spot { cache: self, seat }
    }

    /// The key of a call, or `None` where key or settings are refused and the call goes on without the cache.
    pub(super) fn admit<E, M: Mode>(
        &self,
        key: Result<CacheKey, KeyError>,
        settings: &Settings,
        mode: M,
    ) -> Result<Option<CacheKey>, M::Error<E>> {
        match key.map_err(Error::from).and_then(|key| settings.check(self).map(|()| key)) {
            Ok(key) => Ok(Some(key)),
            Err(error) => {
                self.trouble(&error);
                mode.trouble(error).map(|()| None)
            }
        }
    }

    /// `get_or_compute` of every kind, where the value was not [`at_hand`](Self::at_hand).
    pub(super) async fn compute<T: Value, E, M: Mode>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
        settings: Settings,
        mode: M,
        f: impl Source<T, E>,
    ) -> Result<T, M::Error<E>> {
        let Some(key) = self.admit(key, &settings, mode)? else {
            return alone(call, f).await.map_err(|error| mode.compute(error));
        };
        let seat = self.seat(call, &key);
        let (spot, terms) = (self.spot(&seat), Terms { call, settings: &settings, mode });
        let turn = match seat.try_lead() {
            Some(leader) => Ok(Turn::Lead(leader)),
            None => {
                let known = self.confirmed_in_memory::<T>(key.as_bytes(), M::TRUST, Local::is_fresh);
                if let Some(local) = Box::pin(known).await {
                    call.outcome(Outcome::Hit);
                    return Ok(local.stored.into_value());
                }
                let limit = settings.policy.soft_timeout;
                Box::pin(mode.within(spot.turn_in_time::<T, M>(limit))).await?
            }
        };
        match turn {
            Ok(Turn::Value(stored)) => {
                call.outcome(Outcome::Waited);
                Ok(stored.into_value())
            }
            Ok(Turn::Lead(leader)) => spot.lead(leader, terms, f).await,
            Err(local) => {
                call.outcome(Outcome::Stale);
                Ok(local.stored.into_value())
            }
        }
    }
}

/// A value to go on with, or the lead; or what stands in for a value that takes too long.
type Waited<T> = Result<Turn<Arc<Stored<T>>>, Local<T>>;

impl Spot<'_> {
    /// Waits for another's function, which is bounded as that of one's own.
    pub(super) async fn turn_in_time<T: Value, M: Mode>(self, soft_timeout: Option<Duration>) -> Waited<T> {
        let stale: &[Why] = if M::FAIL_SAFE { &[Why::FailSafe] } else { &[] };
        let turn = self.turn(|published| self.cache.usable::<T>(published, stale, M::TRUST));
        let known = || self.cache.known_in_memory::<T>(&self.seat.key().key, M::TRUST);
        let stand_in = || known().filter(|_| M::FAIL_SAFE);
        in_time(soft_timeout, stand_in, turn).await
    }

    /// [`Seat::lead_or`], counted the first time that it waits.
    pub(super) async fn turn<V>(self, usable: impl Fn(&Published) -> Option<V>) -> Turn<V> {
        let _counted = Waiting { spot: self, waited_before: self.seat.waited() };
        self.seat.lead_or(usable).await
    }

    /// How a request ended whose value was there when its turn came.
    pub(super) fn found(self) -> Outcome {
        if self.seat.waited() { Outcome::Waited } else { Outcome::Hit }
    }

    /// Looks once more, then computes.
    async fn lead<T: Value, E, M: Mode, F: Source<T, E>>(
        self,
        leader: Leader,
        terms: Terms<'_, M>,
        f: F,
    ) -> Result<T, M::Error<E>> {
        let Terms { call, settings, mode } = terms;
        let Found { stored, trouble, now, place } = self.find::<T>(M::TRUST).await;
        let well = is_well(trouble.as_ref());
        trouble.map_or(Ok(()), |error| mode.trouble(error))?;
        let fallback = match stored {
            Some(stored) if stored.label.is_fresh(now) => {
                share(leader, &stored, Why::Fresh, well);
                call.outcome(self.found());
                return Ok(stored.into_value());
            }
            stored => stored.filter(|_| M::FAIL_SAFE),
        };
        if let Some(stale) =
            fallback.as_ref().filter(|stale| self.cache.stands_in(self.seat.key(), &stale.label))
        {
            share(leader, stale, Why::FailSafe, well);
            call.outcome(Outcome::Stale);
            return Ok(stale.value.clone());
        }
        let begun = Begun { beginning: self.cache.beginning(settings), well, place, behind: false };
        let stand_in = || fallback.clone().filter(|stale| stale.label.is_alive(self.cache.now()));
        match mode.within(in_time(settings.policy.soft_timeout, stand_in, f.start())).await? {
            Ok(output) => match F::sort(output) {
                Ok((value, true)) => self.finish(leader, terms, value, begun).await,
                Ok((value, false)) => Ok(Self::pass_on(leader, terms, value, begun)),
                Err(error) => match stand_in() {
                    Some(stale) => Ok(self.fall_back(leader, terms, &stale)),
                    None => Err(mode.compute(error)),
                },
            },
            Err(stale) => Ok(self.fall_back(leader, terms, &stale)),
        }
    }

    /// The stale value, for those who wait too: their own functions would do no better now.
    fn fall_back<T: Value, M: Mode>(
        self,
        mut leader: Leader,
        Terms { call, settings, mode: _ }: Terms<'_, M>,
        stale: &Arc<Stored<T>>,
    ) -> T {
        let stand_in = || self.cache.let_stand_in(self.seat.key(), &stale.label, &settings.policy);
        leader.publish(hand(stale, Why::FailSafe, false), stand_in);
        call.outcome(Outcome::Stale);
        stale.value.clone()
    }
}

/// Counts at its end, also where that is being dropped, a call that had to wait.
struct Waiting<'a> {
    spot: Spot<'a>,
    waited_before: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Spot { cache, seat } = self.spot;
        if !self.waited_before && seat.waited() {
            cache.shared.counters.waited();
        }
    }
}

/// Whether the store has just answered, if only with something that cannot be read.
pub(super) fn is_well(trouble: Option<&Error>) -> bool {
    trouble.is_none_or(|error| matches!(error, Error::Unreadable(_)))
}
