//! [`FaultBackend`]: errors and latency by script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::sleep;

use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// The longest that a call waits: as good as for ever.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What becomes of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fault {
    delay: Duration,
    failure: Option<(BackendErrorKind, Option<Duration>)>,
}

impl Fault {
    /// None: the call is passed on.
    pub const fn none() -> Self {
        Self { delay: Duration::ZERO, failure: None }
    }

    /// The call is not passed on, and fails with this kind.
    pub const fn error(kind: BackendErrorKind) -> Self {
        Self { delay: Duration::ZERO, failure: Some((kind, None)) }
    }

    /// The call never ends by itself.
    pub const fn hang() -> Self {
        Self::none().after(FOR_EVER)
    }

    /// The same, so much later, by tokio's time.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same error, asking to be left alone for so long. Without an error it changes nothing.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        Self { failure: self.failure.map(|(kind, _)| (kind, Some(after))), ..self }
    }
}

/// A backend around another that fails and dawdles by a script: each call takes the next fault of it, and after its
/// end the one that [`always`](Self::always) set. A batch is one call. Clones share it.
///
/// ```
/// use blindcache::{
///     Backend, BackendErrorKind, BackendExt, MemoryBackend,
///     testing::{Fault, FaultBackend},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blindcache::BackendError> {
/// let store = FaultBackend::new(MemoryBackend::new());
/// store.script([Fault::error(BackendErrorKind::Transient)]);
/// store.clone().resilient().ping().await?; // tried again after the error
/// assert_eq!(store.calls(), ["ping", "ping"]);
/// store.always(Fault::hang());
/// assert!(store.clone().resilient().ping().await.is_err()); // given up after 2 s
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultBackend<B> {
    inner: Arc<B>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Fault>,
    rest: Fault,
    calls: Vec<&'static str>,
}

impl<B: Backend> FaultBackend<B> {
    /// Passes every call on, until it is told otherwise.
    pub fn new(inner: B) -> Self {
        Self { inner: Arc::new(inner), state: Arc::default() }
    }

    /// Adds to the script, one fault for each call to come.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.extend(faults);
    }

    /// What becomes of the calls after the script, until this is called again.
    pub fn always(&self, fault: Fault) {
        self.state().rest = fault;
    }

    /// The names of the methods that were called, in the order of the calls.
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    /// The backend that calls are passed on to.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    async fn meet(&self, method: &'static str) -> Result<(), BackendError> {
        let Fault { delay, failure } = self.next(method);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let Some((kind, after)) = failure else { return Ok(()) };
        let error = BackendError::new(self.inner.name(), kind);
        Err(after.into_iter().fold(error, BackendError::with_retry_after))
    }

    fn next(&self, method: &'static str) -> Fault {
        let mut state = self.state();
        state.calls.push(method);
        state.script.pop_front().unwrap_or(state.rest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Clone for FaultBackend<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), state: self.state.clone() }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for FaultBackend<B> {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.meet("get").await?;
        self.inner.get(key).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.meet("set").await?;
        self.inner.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.meet("delete").await?;
        self.inner.delete(key).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.meet("exists").await?;
        self.inner.exists(key).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.meet("get_many").await?;
        self.inner.get_many(keys).await
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        self.meet("set_many").await?;
        self.inner.set_many(writes).await
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        self.meet("delete_many").await?;
        self.inner.delete_many(keys).await
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.meet("ping").await?;
        self.inner.ping().await
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        self.inner.breaker_state()
    }
}
