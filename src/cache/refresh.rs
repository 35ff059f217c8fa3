//! Refreshing: in the background, or at once.

use std::{future::Future, sync::Arc};

use tokio::{runtime::Handle, time::timeout};

use super::{
    Cache, Value,
    call::Settings,
    engine::{Spot, Why, alone, hand, is_well, share},
    flight::{Leader, Published, Turn},
    mode::Lenient,
    value::{Label, Stored},
};
use crate::{
    error::Error,
    key::CacheKey,
    metrics::{self, Call, Operation, Outcome},
};

impl Cache {
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
                return alone(call, f).await;
            }
        };
        let spot = match self.alive_in_memory::<T>(key.as_bytes()) {
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
                spot.finish(call, leader, &settings, Lenient, value, created_at, is_well(trouble.as_ref()))
                    .await
            }
        }
    }

    /// How a request ended with a value that was found so, which may be stale.
    fn outcome_of(&self, label: &Label, found: Outcome) -> Outcome {
        if label.is_fresh(self.now()) { found } else { Outcome::Stale }
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
                return alone(call, f).await;
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
        let created_at = self.cache.creation_time(&settings);
        leader.publish(hand(until_then, Why::Refreshing), || ());
        let cache = self.cache.clone();
        let refresh = async move {
            let call = cache.call(Operation::BackgroundRefresh);
            let body = async {
                call.beyond(|| Some(cache.store.as_ref()?.entry_place(&self.key.key).name));
                let Ok(Ok(value)) = timeout(left, f()).await else {
                    metrics::background_failed();
                    return Err(());
                };
                // Where a set or delete came meanwhile, this leader is no longer heard.
                let done: Result<T, E> =
                    self.finish(&call, leader, &settings, Lenient, value, created_at, true).await;
                done.map(drop).map_err(drop)
            };
            let _ = call.end(call.around(body).await);
        };
        tasks.spawn_on(refresh, &runtime);
    }
}
