//! Refreshing: in the background, or at once.

use std::{convert::Infallible, sync::Arc};

use tokio::time::timeout;

use super::{
    Cache, Value,
    call::Settings,
    engine::{Spot, is_well},
    finish::Terms,
    flight::{Leader, Published, Turn},
    handed::{Why, hand, share},
    mode::{Lenient, Mode},
    source::{Source, alone},
    value::{Label, Stored},
};
use crate::{
    error::Error,
    key::CacheKey,
    metrics::{self, Call, Operation, Outcome},
};

impl Cache {
    /// `get_or_refresh`: `f` runs in the caller only where there is nothing to return at once.
    pub(super) async fn get_or_refresh_at<T: Value, E, F>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
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
                let spot = self.spot(call, &key);
                if let Some(leader) = spot.seat.try_lead() {
                    spot.refresh_behind(leader, settings, &stored, true, f);
                }
            }
            return Ok(stored.value.clone());
        }
        let spot = self.spot(call, &key);
        let stale = [Why::FailSafe, Why::Refreshing];
        let leader = match spot.turn(|published| self.usable::<T>(published, &stale, Lenient::TRUST)).await {
            Turn::Value(stored) => {
                call.outcome(Outcome::Waited);
                return Ok(stored.value.clone());
            }
            Turn::Lead(leader) => leader,
        };
        let (found, trouble) = spot.find::<T>(Lenient::TRUST).await;
        let well = is_well(trouble.as_ref());
        let Some(stored) = found else {
            let beginning = self.beginning(&settings);
            let value = f.start().await?;
            let terms = Terms { call, settings: &settings, mode: Lenient };
            return spot.finish(leader, terms, value, beginning, well).await;
        };
        call.outcome(self.outcome_of(&stored.label, spot.found()));
        if settings.is_due(&stored.label, self.now()) {
            spot.refresh_behind(leader, settings, &stored, well, f);
        } else {
            share(leader, &stored, Why::Fresh, well);
        }
        Ok(stored.value.clone())
    }

    /// How a request ended with a value that was found so, which may be stale.
    fn outcome_of(&self, label: &Label, found: Outcome) -> Outcome {
        if label.is_fresh(self.now()) { found } else { Outcome::Stale }
    }

    /// `refresh`: computes whatever there is.
    pub(super) async fn refresh_at<T: Value, E, M: Mode>(
        &self,
        call: &Call<'_>,
        key: Result<CacheKey, Error>,
        settings: Settings,
        mode: M,
        f: impl Source<T, E, Output = Result<T, E>>,
    ) -> Result<T, M::Error<E>> {
        let Some(key) = self.admit(key, &settings, mode)? else {
            return alone(call, f).await.map_err(|error| mode.compute(error));
        };
        let spot = self.spot(call, &key);
        let nothing = |_: &Published| None::<Infallible>;
        match mode.within(spot.turn(nothing)).await? {
            Turn::Value(never) => match never {},
            Turn::Lead(leader) => {
                let beginning = self.beginning(&settings);
                let value = mode.within(f.start()).await?.map_err(|error| mode.compute(error))?;
                let terms = Terms { call, settings: &settings, mode };
                spot.finish(leader, terms, value, beginning, true).await
            }
        }
    }
}

impl Spot {
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
        if self.cache.stands_in(&self.key, &until_then.label) {
            return;
        }
        let until_then = until_then.clone();
        let left = until_then.label.left(self.cache.now());
        let beginning = self.cache.beginning(&settings);
        leader.publish(hand(&until_then, Why::Refreshing, well), || ());
        let cache = self.cache.clone();
        let refresh = async move {
            let call = cache.call(Operation::BackgroundRefresh);
            let body = async {
                call.beyond(|| Some(cache.store.as_ref()?.entry_place(&self.key.key).name));
                let Ok(Ok(value)) = timeout(left, f.start()).await else {
                    metrics::background_failed();
                    let stand_in = || cache.let_stand_in(&self.key, &until_then.label, &settings.policy);
                    leader.publish(hand(&until_then, Why::Refreshing, well), stand_in);
                    return Err(());
                };
                // Where a set or delete came meanwhile, this leader is no longer heard.
                let terms = Terms { call: &call, settings: &settings, mode: Lenient };
                let done: Result<T, E> = self.finish(leader, terms, value, beginning, true).await;
                done.map(drop).map_err(drop)
            };
            let _ = call.end(call.around(body).await);
        };
        background.start(refresh);
    }
}
