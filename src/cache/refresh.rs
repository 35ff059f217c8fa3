//! Refreshing: in the background, or at once.

use std::{convert::Infallible, sync::Arc};

use tokio::time::timeout;

use super::{
    Cache, Value,
    call::Settings,
    engine::{Spot, is_well},
    finish::{Begun, Terms},
    flight::{Leader, Published, Turn},
    handed::{Why, hand, share},
    mode::{Lenient, Mode},
    search::Found,
    source::{Source, alone},
    value::{Label, Stored},
};
use crate::{
    error::KeyError,
    key::CacheKey,
    metrics::{self, Call, Operation, Outcome},
};

impl Cache {
    /// `get_or_refresh`: `f` runs in the caller only where there is nothing to return at once.
    pub(super) async fn get_or_refresh_at<T: Value, E, F>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
        settings: Settings,
        f: F,
    ) -> Result<T, E>
    where
        E: Send + 'static,
        F: Source<T, E, Output = Result<T, E>, Running: Send + 'static> + Send + 'static,
    {
        let Some(key) = self.admit(key, &settings, Lenient)? else { return alone(call, f).await };
        if let Some(local) = self.known_in_memory::<T>(key.as_bytes(), Lenient::TRUST) {
            let stored = local.stored;
            call.outcome(self.outcome_of(&stored.label, Outcome::L1Hit));
            if settings.is_due(&stored.label, self.now()) {
                let seat = self.seat_at(&key);
                // What is handed out meanwhile is looked for once this call leads: a set may have ended before that.
                if let Some(leader) = seat.try_lead()
                    && let Some(local) = self.known_in_memory::<T>(key.as_bytes(), Lenient::TRUST)
                    && settings.is_due(&local.stored.label, self.now())
                {
                    self.spot(&seat).refresh_behind(leader, settings, &local.stored, true, f);
                }
            }
            return Ok(stored.into_value());
        }
        let seat = self.seat(call, &key);
        let spot = self.spot(&seat);
        let leader = match seat.try_lead() {
            Some(leader) => leader,
            None => {
                let known = self.confirmed_in_memory::<T>(key.as_bytes(), Lenient::TRUST, |_| true);
                if let Some(local) = Box::pin(known).await {
                    call.outcome(self.outcome_of(&local.stored.label, Outcome::Hit));
                    return Ok(local.stored.into_value());
                }
                let stale = [Why::FailSafe, Why::Refreshing];
                match spot.turn(|published| self.usable::<T>(published, &stale, Lenient::TRUST)).await {
                    Turn::Value(stored) => {
                        call.outcome(Outcome::Waited);
                        return Ok(stored.into_value());
                    }
                    Turn::Lead(leader) => leader,
                }
            }
        };
        let Found { stored, trouble, now: _, place } = spot.find::<T>(Lenient::TRUST).await;
        let well = is_well(trouble.as_ref());
        let Some(stored) = stored else {
            let begun = Begun { beginning: self.beginning(&settings), well, place, behind: false };
            let value = f.start().await?;
            let terms = Terms { call, settings: &settings, mode: Lenient };
            return spot.finish(leader, terms, value, begun).await;
        };
        call.outcome(self.outcome_of(&stored.label, spot.found()));
        if settings.is_due(&stored.label, self.now()) {
            spot.refresh_behind(leader, settings, &stored, well, f);
        } else {
            share(leader, &stored, Why::Fresh, well);
        }
        Ok(stored.into_value())
    }

    /// How a request ended with a value that was found so, which may be stale.
    fn outcome_of(&self, label: &Label, found: Outcome) -> Outcome {
        if label.is_fresh(self.now()) { found } else { Outcome::Stale }
    }

    /// `refresh`: computes whatever there is.
    pub(super) async fn refresh_at<T: Value, E, M: Mode>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, KeyError>,
        settings: Settings,
        mode: M,
        f: impl Source<T, E, Output = Result<T, E>>,
    ) -> Result<T, M::Error<E>> {
        let Some(key) = self.admit(key, &settings, mode)? else {
            return alone(call, f).await.map_err(|error| mode.compute(error));
        };
        let seat = self.seat(call, &key);
        let spot = self.spot(&seat);
        let nothing = |_: &Published| None::<Infallible>;
        match mode.within(spot.turn(nothing)).await? {
            Turn::Value(never) => match never {},
            Turn::Lead(leader) => {
                let beginning = self.beginning(&settings);
                let begun = Begun { beginning, well: true, place: None, behind: false };
                let value = mode.within(f.start()).await?.map_err(|error| mode.compute(error))?;
                let terms = Terms { call, settings: &settings, mode };
                spot.finish(leader, terms, value, begun).await
            }
        }
    }
}

impl Spot<'_> {
    /// Computes in a task of its own, until the value that is returned meanwhile ends for good. All who ask meanwhile
    /// get that value too. Nothing is done while the value stands in for a function that has just failed.
    fn refresh_behind<T: Value, E, F>(
        self,
        mut leader: Leader,
        settings: Settings,
        until_then: &Arc<Stored<T>>,
        well: bool,
        f: F,
    ) where
        E: Send + 'static,
        F: Source<T, E, Output = Result<T, E>, Running: Send + 'static> + Send + 'static,
    {
        let Some(background) = self.cache.background() else { return };
        if self.cache.stands_in(self.seat.key(), &until_then.label) {
            return;
        }
        let until_then = until_then.clone();
        let left = until_then.label.left(self.cache.now());
        let beginning = self.cache.beginning(&settings);
        let begun = Begun { beginning, well: true, place: None, behind: true };
        leader.publish(hand(&until_then, Why::Refreshing, well), || ());
        let (cache, seat) = (self.cache.clone(), self.seat.beside());
        let refresh = async move {
            let call = cache.call(Operation::BackgroundRefresh);
            let body = async {
                call.beyond(|| Some(cache.store.as_ref()?.entry_place(&seat.key().key).name));
                let Ok(Ok(value)) = timeout(left, f.start()).await else {
                    metrics::background_failed();
                    let stand_in = || cache.let_stand_in(seat.key(), &until_then.label, &settings.policy);
                    leader.publish(hand(&until_then, Why::Refreshing, well), stand_in);
                    return Err(());
                };
                // Where a set or delete came meanwhile, this leader is no longer heard.
                let terms = Terms { call: &call, settings: &settings, mode: Lenient };
                let done: Result<T, E> = cache.spot(&seat).finish(leader, terms, value, begun).await;
                done.map(drop).map_err(drop)
            };
            let _ = call.end(call.around(body).await);
        };
        background.start(refresh);
    }
}
