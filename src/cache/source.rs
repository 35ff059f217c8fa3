//! The application's own function: running it alone, or as long as there is time.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::timeout;

use crate::{
    crypto::StoreKey,
    metrics::{Call, Outcome},
};

/// A function that computes one value, once.
pub(super) trait Source<T, E> {
    /// What it gives.
    type Output;
    /// What computes.
    type Running: Future<Output = Self::Output>;

    fn start(self) -> Self::Running;

    /// The value, and whether it is to be kept.
    fn sort(output: Self::Output) -> Result<(T, bool), E>;
}

impl<T, E, F: FnOnce() -> Fut, Fut: Future<Output = Result<T, E>>> Source<T, E> for F {
    type Output = Result<T, E>;
    type Running = Fut;

    fn start(self) -> Fut {
        self()
    }

    fn sort(output: Result<T, E>) -> Result<(T, bool), E> {
        output.map(|value| (value, true))
    }
}

/// A function that says of its value whether it is to be kept.
#[cfg(feature = "macros")]
pub(super) struct Sorting<F>(pub(super) F);

#[cfg(feature = "macros")]
impl<T, E, F: FnOnce() -> Fut, Fut: Future<Output = Result<(T, bool), E>>> Source<T, E> for Sorting<F> {
    type Output = Result<(T, bool), E>;
    type Running = Fut;

    fn start(self) -> Fut {
        self.0()
    }

    fn sort(output: Result<(T, bool), E>) -> Result<(T, bool), E> {
        output
    }
}

/// Computes without the cache.
pub(super) async fn alone<T, E, F: Source<T, E>>(call: &Call<'_>, f: F) -> Result<T, E> {
    call.beyond(|| None::<StoreKey>);
    let (value, _) = F::sort(f.start().await)?;
    call.outcome(Outcome::Computed);
    Ok(value)
}

/// What is computed; or, after the soft time-out, what can stand in for it, if there is such.
pub(super) async fn in_time<F: Future, S>(
    soft_timeout: Option<Duration>,
    stand_in: impl Fn() -> Option<S>,
    computing: F,
) -> Result<F::Output, S> {
    let mut computing = pin!(computing);
    if let Some(limit) = soft_timeout.filter(|_| stand_in().is_some()) {
        if let Ok(computed) = timeout(limit, &mut computing).await {
            return Ok(computed);
        }
        if let Some(stale) = stand_in() {
            return Err(stale);
        }
    }
    Ok(computing.await)
}
