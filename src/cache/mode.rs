//! What a call makes of trouble with the store: nothing, or an error.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::tags::Trust;
use crate::error::{ComputeError, Error};

/// How trouble with the cache reaches the caller of a computation.
pub(super) trait Mode: Copy {
    /// What the caller gets for an `E` of their function's.
    type Error<E>;

    /// The function's own error.
    fn compute<E>(self, error: E) -> Self::Error<E>;

    /// Trouble with the cache: an error, or nothing but a miss.
    fn trouble<E>(self, error: Error) -> Result<(), Self::Error<E>>;

    /// Waits for a function, the call's own or another's, until the hard time-out.
    fn within<F: Future, E>(self, waiting: F) -> impl Future<Output = Result<F::Output, Self::Error<E>>>;

    /// Whether a stale value may stand in for a function that failed.
    const FAIL_SAFE: bool;

    /// Which knowledge of markers is enough.
    const TRUST: Trust;
}

/// Computes whatever happens to the store.
#[derive(Clone, Copy)]
pub(super) struct Lenient;

impl Mode for Lenient {
    type Error<E> = E;

    fn compute<E>(self, error: E) -> E {
        error
    }

    fn trouble<E>(self, _: Error) -> Result<(), E> {
        Ok(())
    }

    async fn within<F: Future, E>(self, waiting: F) -> Result<F::Output, E> {
        Ok(waiting.await)
    }

    const FAIL_SAFE: bool = true;
    const TRUST: Trust = Trust::Asked;
}

/// Fails closed.
#[derive(Clone, Copy)]
pub(super) struct Closed {
    until: Option<Instant>,
}

impl Closed {
    /// From now on, with a hard time-out or without.
    pub(super) fn new(hard_timeout: Option<Duration>) -> Self {
        // A moment too far away to be told is never reached.
        Self { until: hard_timeout.and_then(|limit| Instant::now().checked_add(limit)) }
    }
}

impl Mode for Closed {
    type Error<E> = ComputeError<E>;

    fn compute<E>(self, error: E) -> ComputeError<E> {
        ComputeError::Compute(error)
    }

    fn trouble<E>(self, error: Error) -> Result<(), ComputeError<E>> {
        Err(ComputeError::Cache(error))
    }

    async fn within<F: Future, E>(self, waiting: F) -> Result<F::Output, ComputeError<E>> {
        match self.until {
            Some(until) => timeout_at(until, waiting).await.map_err(|_| ComputeError::TimedOut),
            None => Ok(waiting.await),
        }
    }

    const FAIL_SAFE: bool = false;
    const TRUST: Trust = Trust::Answered;
}
