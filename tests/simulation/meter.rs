//! How long each call on the layered backend takes, and by how much the longest exceeds its deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use blindcache::{Backend, BackendError, BreakerState, Sealed, StoreKey, Write};
use bytes::Bytes;
use tokio::time::Instant;

/// The deadline of one call; a batch has twice as long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(crate) struct Overrun {
    pub(crate) calls: AtomicU64,
    /// In microseconds of simulated time.
    longest: AtomicU64,
}

impl Overrun {
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest.load(Relaxed))
    }
}

pub(crate) struct Meter<B> {
    pub(crate) inner: B,
    pub(crate) overrun: Arc<Overrun>,
}

impl<B: Backend> Meter<B> {
    async fn measure<T>(&self, deadline: Duration, call: impl Future<Output = T>) -> T {
        self.overrun.calls.fetch_add(1, Relaxed);
        let end = Instant::now() + deadline;
        let outcome = call.await;
        let over = Instant::now().saturating_duration_since(end);
        self.overrun.longest.fetch_max(over.as_micros() as u64, Relaxed);
        outcome
    }
}

impl<B: Backend> Backend for Meter<B> {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.measure(DEADLINE, self.inner.get(key)).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.measure(DEADLINE, self.inner.set(key, entry, ttl)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.measure(DEADLINE, self.inner.delete(key)).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.measure(DEADLINE, self.inner.exists(key)).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.measure(2 * DEADLINE, self.inner.get_many(keys)).await
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        self.measure(2 * DEADLINE, self.inner.set_many(writes)).await
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        self.measure(2 * DEADLINE, self.inner.delete_many(keys)).await
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        self.inner.breaker_state()
    }
}
