//! Failing fast while a store is down.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Load, checked,
    circuit::{Circuit, Settings},
    guarded, within,
};
use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind, Error},
    metrics::BreakerState,
};

/// The most calls and the most probes that can be set.
const MOST: u32 = 10_000;

/// Stops asking a store that is down: calls fail at once with [`BackendErrorKind::Refused`], and
/// [`retry_after`](BackendError::retry_after) says in what time, at the latest, one may pass as a probe.
///
/// It is **closed** at first: calls pass. It opens
///
/// - when a [share](Self::share) of the calls within a [window](Self::window) failed, by default half of them within
///   10 s, and there were [enough](Self::min_calls), by default 10. Only the last calls count, twice as many as are
///   enough, so that hours of success do not hide an outage;
/// - or when a call timed out during which no other was answered: the store was silent for all that time. So an
///   outage costs one time-out, not ten, while one slow call among many that are answered opens nothing.
///
/// **Open**, it refuses every call for a [while](Self::open_for), by default 5 s. Then it is **half open**: one call, or
/// as many as are [set](Self::probes), pass as probes, and the rest are refused. The first answer closes it; the first
/// failure opens it again. A probe that is dropped lets the next call probe; one that has not come back after the
/// time that the breaker stays open no longer keeps others from it.
///
/// Failures are [`Transient`](BackendErrorKind::Transient), [`Timeout`](BackendErrorKind::Timeout) and
/// [`Throttled`](BackendErrorKind::Throttled) with a time [to wait](BackendError::retry_after): the store is out of
/// reach or overloaded, and is best left alone. `Throttled` without one, [`Denied`](BackendErrorKind::Denied) and
/// [`Rejected`](BackendErrorKind::Rejected) are answers: the store is there. So a store that is full refuses writes, and
/// reads go on.
/// [`TooLarge`](BackendErrorKind::TooLarge), [`Misconfigured`](BackendErrorKind::Misconfigured), `Refused`, calls that
/// are dropped and batches of nothing count as nothing: they need not have reached it.
///
/// Clones share all of this.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use blindcache::{Backend, BackendExt, BreakerState, MemoryBackend};
///
/// let store = MemoryBackend::new().breaker().share(0.25)?.open_for(Duration::from_secs(2))?;
/// store.ping().await?;
/// assert_eq!(store.state(), BreakerState::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Breaker<B> {
    inner: B,
    circuit: Arc<Circuit>,
}

#[derive(Debug, thiserror::Error)]
#[error("the circuit breaker is open")]
struct Open;

impl<B: Backend> Breaker<B> {
    /// The backend, with the defaults.
    pub fn new(inner: B) -> Self {
        let circuit = Arc::new(Circuit::new(Settings::default(), inner.name()));
        Self { inner, circuit }
    }

    /// At which share of failures among the calls in the window it opens: 0.5 by default, and 0 is any failure.
    ///
    /// This and the other settings make a breaker that is closed and apart from its clones.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if it is not within 0 to 1.
    pub fn share(self, share: f64) -> Result<Self, Error> {
        within((0.0..=1.0).contains(&share), "the share of failures is 0 to 1")?;
        Ok(self.with(|settings| settings.share = share))
    }

    /// How many calls there must be in the window for the share to count: 10 by default. The window holds twice as
    /// many, the last ones.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) for 0 or more than 10,000.
    pub fn min_calls(self, calls: u32) -> Result<Self, Error> {
        within((1..=MOST).contains(&calls), "the least number of calls is 1 to 10,000")?;
        Ok(self.with(|settings| settings.min_calls = calls as usize))
    }

    /// How long the end of a call counts: 10 s by default.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if it is zero or more than an hour.
    pub fn window(self, window: Duration) -> Result<Self, Error> {
        let window = checked(window, "the window is more than zero and at most an hour")?;
        Ok(self.with(|settings| settings.window = window))
    }

    /// How long it refuses every call before it lets a probe pass: 5 s by default.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if it is zero or more than an hour.
    pub fn open_for(self, time: Duration) -> Result<Self, Error> {
        let open_for = checked(time, "the time a breaker is open is more than zero and at most an hour")?;
        Ok(self.with(|settings| settings.open_for = open_for))
    }

    /// How many probes may be under way at a time: 1 by default.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) for 0 or more than 10,000.
    pub fn probes(self, probes: u32) -> Result<Self, Error> {
        within((1..=MOST).contains(&probes), "the probes are 1 to 10,000")?;
        Ok(self.with(|settings| settings.probes = probes))
    }

    /// What it does with calls now.
    pub fn state(&self) -> BreakerState {
        self.circuit.state()
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = *self.circuit.settings();
        change(&mut settings);
        Self { circuit: Arc::new(Circuit::new(settings, self.name())), ..self }
    }

    async fn guard<T, F>(&self, _: Load, call: impl FnOnce() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let pass = self.circuit.enter().map_err(|wait| self.refusal(wait))?;
        let result = call().await;
        pass.report(result.as_ref().err());
        result
    }

    fn refusal(&self, wait: Duration) -> BackendError {
        BackendError::new(self.name(), BackendErrorKind::Refused).with_retry_after(wait).with_source(Open)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Breaker<B> {
    guarded!(calls);

    /// Its own: one behind it is hidden by it.
    fn breaker_state(&self) -> Option<BreakerState> {
        Some(self.state())
    }
}
