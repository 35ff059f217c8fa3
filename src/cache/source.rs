//! The application's own function: running it alone, or as long as there is time.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::timeout;

use crate::{
    crypto::StoreKey,
    metrics::{Call, Outcome},
};

/// A function that computes one value, once.
pub(super) trait Source<T, E> {
    /// What computes.
    type Running: Future<Output = Result<T, E>>;

    fn start(self) -> Self::Running;

    /// Whether this error means that the function failed, so that a stale value may stand in.
    fn failed(error: &E) -> bool;
}

impl<T, E, F: FnOnce() -> Fut, Fut: Future<Output = Result<T, E>>> Source<T, E> for F {
    type Running = Fut;

    fn start(self) -> Fut {
        self()
    }

    fn failed(_: &E) -> bool {
        true
    }
}

/// A function that fails with `Some`; its `None` is a value that is not to be kept, and nothing stands in for it.
#[cfg(feature = "macros")]
pub(super) struct Sorting<F>(pub(super) F);

#[cfg(feature = "macros")]
impl<T, E, F: FnOnce() -> Fut, Fut: Future<Output = Result<T, Option<E>>>> Source<T, Option<E>>
    for Sorting<F>
{
    type Running = Fut;

    fn start(self) -> Fut {
        self.0()
    }

    fn failed(error: &Option<E>) -> bool {
        error.is_some()
    }
}

/// Computes without the cache.
pub(super) async fn alone<T, E>(call: &Call<'_>, f: impl Source<T, E>) -> Result<T, E> {
    call.beyond(|| None::<StoreKey>);
    f.start().await.inspect(|_| call.outcome(Outcome::Computed))
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
