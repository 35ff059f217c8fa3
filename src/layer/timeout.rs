//! A limit on the time of a call.

use std::{future::Future, time::Duration};

use bytes::Bytes;

use super::{Load, checked, guarded, runtime};
use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind, Error},
};

/// Gives up on a call that takes too long: [`BackendErrorKind::Timeout`], in the name of the backend.
///
/// The limit holds for each call; a batch may take twice as long, however large it is. Set it so that your largest
/// entry and your largest batch arrive in this time. The call that is given up is dropped, so what it was to do may
/// have been done.
///
/// Keep the limit above those that the backend has itself: a call that is dropped earlier may be the one that was to
/// find its connection dead. A backend may notice all the same, and `RedisBackend` does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use blindcache::{Backend, BackendExt, MemoryBackend};
///
/// let store = MemoryBackend::new().timeout(Duration::from_millis(250))?;
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Timeout<B> {
    inner: B,
    limit: Duration,
}

/// What the limit of [`resilient`](super::BackendExt::resilient) is.
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[error("given up after {0:?}")]
struct GivenUp(Duration);

impl<B: Backend> Timeout<B> {
    /// The backend, with so much time for each call.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if the limit is zero or more than an hour.
    pub fn new(inner: B, limit: Duration) -> Result<Self, Error> {
        let limit = checked(limit, "the limit of a time-out is more than zero and at most an hour")?;
        Ok(Self { inner, limit })
    }

    pub(super) fn preset(inner: B) -> Self {
        Self { inner, limit: LIMIT }
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    async fn guard<T, F>(&self, load: Load, call: impl FnOnce() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        runtime(self.name())?;
        let limit = load.scale(self.limit);
        let in_time = tokio::time::timeout(limit, call()).await;
        in_time.unwrap_or_else(|_| {
            Err(BackendError::new(self.name(), BackendErrorKind::Timeout).with_source(GivenUp(limit)))
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Timeout<B> {
    guarded!();
}
