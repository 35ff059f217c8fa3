//! A limit on calls in flight and waiting.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{Load, guarded, within};
use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind, Error},
};

/// How many calls [`resilient`](super::BackendExt::resilient) lets run and wait.
const PRESET: (usize, usize) = (256, 16_384);
/// The most that either number can be.
const MOST: usize = 1_000_000;

/// Lets so many calls run at a time and so many more wait their turn, and refuses the rest:
/// [`BackendErrorKind::Refused`], at once.
///
/// Turns are given in the order of arrival. A batch counts as one call. Clones share the numbers. A call waits for as
/// long as those before it take: put a [`Retry`](crate::Retry) around it for a deadline.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blindcache::{Backend, BackendExt, MemoryBackend};
///
/// let store = MemoryBackend::new().limit(64, 1_000)?;
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Limit<B> {
    inner: B,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    /// For each call that may be here at all, running or waiting.
    places: Semaphore,
    /// For each call that may run.
    turns: Semaphore,
}

#[derive(Debug, thiserror::Error)]
#[error("too many calls are waiting")]
struct Full;

impl<B: Backend> Limit<B> {
    /// The backend, with at most `in_flight` calls running and `waiting` more that wait.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if `in_flight` is 0, or either is more than a million.
    pub fn new(inner: B, in_flight: usize, waiting: usize) -> Result<Self, Error> {
        within((1..=MOST).contains(&in_flight), "the calls in flight are 1 to 1,000,000")?;
        within(waiting <= MOST, "the calls waiting are at most 1,000,000")?;
        Ok(Self::of(inner, (in_flight, waiting)))
    }

    pub(super) fn preset(inner: B) -> Self {
        Self::of(inner, PRESET)
    }

    fn of(inner: B, (in_flight, waiting): (usize, usize)) -> Self {
        let (places, turns) = (Semaphore::new(in_flight + waiting), Semaphore::new(in_flight));
        Self { inner, gate: Arc::new(Gate { places, turns }) }
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    async fn guard<T, F>(&self, _: Load, call: impl FnOnce() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        // Both go back when they are dropped, wherever that is.
        let _place = self.gate.places.try_acquire().map_err(|_| self.full())?;
        let _turn = self.gate.turns.acquire().await.map_err(|_| self.full())?;
        call().await
    }

    fn full(&self) -> BackendError {
        BackendError::new(self.name(), BackendErrorKind::Refused).with_source(Full)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Limit<B> {
    guarded!();
}
