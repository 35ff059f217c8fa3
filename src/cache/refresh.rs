//! Refreshing: in the background, or at once.

use std::{future::Future, sync::Arc};

use tokio::{runtime::Handle, time::timeout};

use super::{
    Cache, Value,
    call::Settings,
    engine::{Spot, Why, hand, is_well, share},
    flight::{Leader, Published, Turn},
    mode::Lenient,
    value::Stored,
};
use crate::{error::Error, key::CacheKey, metrics::Outcome};

impl Cache {
    /// `get_or_refresh`: `f` runs in the caller only where there is nothing to return at once.
    pub(super) async fn get_or_refresh_at<T, E, F, Fut>(
        &self,
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
                return f().await;
            }
        };
        let spot = match self.alive_in_memory::<T>(key.as_bytes()) {
            Some(stored) if !settings.is_due(&stored.label, self.now()) => {
                self.outcome(Outcome::L1Hit);
                return Ok(stored.value.clone());
            }
            Some(stored) => {
                let spot = self.spot(&key);
                if let Some(leader) = spot.seat.try_lead() {
                    spot.refresh_behind(leader, settings, &stored, f);
                }
                self.outcome_of(&stored.label);
                return Ok(stored.value.clone());
            }
            None => self.spot(&key),
        };
        let stale = [Why::FailSafe, Why::Refreshing];
        let leader = match spot.seat.lead_or(|published| self.usable::<T>(published, &stale)).await {
            Turn::Value(stored) => {
                self.outcome(Outcome::Waited);
                return Ok(stored.value.clone());
            }
            Turn::Lead(leader) => leader,
        };
        let (found, trouble) = spot.find::<T>().await;
        match found {
            Some(stored) => {
                self.outcome_of(&stored.label);
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
                spot.finish(leader, &settings, Lenient, value, created_at, is_well(trouble.as_ref())).await
            }
        }
    }

    /// `refresh`: computes whatever there is.
    pub(super) async fn refresh_at<T, E, F, Fut>(
        &self,
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
                return f().await;
            }
        };
        let spot = self.spot(&key);
        let nothing = |_: &Published| None::<std::convert::Infallible>;
        match spot.seat.lead_or(nothing).await {
            Turn::Value(never) => match never {},
            Turn::Lead(leader) => {
                let created_at = self.creation_time(&settings);
                let value = f().await?;
                spot.finish(leader, &settings, Lenient, value, created_at, true).await
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
        let refresh = async move {
            match timeout(left, f()).await {
                Ok(Ok(value)) => {
                    // Where a set or delete came meanwhile, this leader is no longer heard.
                    let done: Result<T, E> =
                        self.finish(leader, &settings, Lenient, value, created_at, true).await;
                    drop(done);
                }
                Ok(Err(_)) | Err(_) => self.cache.outcome(Outcome::Error),
            }
        };
        tasks.spawn_on(refresh, &runtime);
    }
}
