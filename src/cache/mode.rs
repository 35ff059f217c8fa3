//! What a call makes of trouble with the store: nothing, or an error.

use std::time::Duration;

use crate::error::{ComputeError, Error};

/// How trouble with the cache reaches the caller of a computation.
pub(super) trait Mode: Copy {
    /// What the caller gets for an `E` of their function's.
    type Error<E>;

    /// The function's own error.
    fn compute<E>(self, error: E) -> Self::Error<E>;

    /// Trouble with the cache: an error, or nothing but a miss.
    fn trouble<E>(self, error: Error) -> Result<(), Self::Error<E>>;

    /// How long the function may take, and what it is if it takes longer.
    fn hard_timeout<E>(self) -> Option<(Duration, Self::Error<E>)>;

    /// Whether a stale value may stand in for a function that failed.
    const FAIL_SAFE: bool;
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

    fn hard_timeout<E>(self) -> Option<(Duration, E)> {
        None
    }

    const FAIL_SAFE: bool = true;
}

/// Fails closed.
#[derive(Clone, Copy)]
pub(super) struct Closed {
    pub(super) hard_timeout: Option<Duration>,
}

impl Mode for Closed {
    type Error<E> = ComputeError<E>;

    fn compute<E>(self, error: E) -> ComputeError<E> {
        ComputeError::Compute(error)
    }

    fn trouble<E>(self, error: Error) -> Result<(), ComputeError<E>> {
        Err(ComputeError::Cache(error))
    }

    fn hard_timeout<E>(self) -> Option<(Duration, ComputeError<E>)> {
        self.hard_timeout.map(|limit| (limit, ComputeError::TimedOut))
    }

    const FAIL_SAFE: bool = false;
}
