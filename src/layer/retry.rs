//! Trying again.

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Load, checked, guarded, runtime, within};
use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind, Error},
};

/// The most attempts that can be set.
const MOST: u32 = 100;

/// Makes a call again after passing trouble, within a deadline that holds for all of it.
///
/// - Tried again are [`Transient`](BackendErrorKind::Transient), [`Timeout`](BackendErrorKind::Timeout) and
///   [`Throttled`](BackendErrorKind::Throttled): they pass by themselves. The other kinds say that the same call would
///   fail again, or, for [`Refused`](BackendErrorKind::Refused), that a layer wants no further one. The error is that
///   of the last attempt that was not refused: where any was sent, it never says `Refused`.
/// - Before the retry with the number n it pauses for a random time up to `first * 2^(n-1)`, at most `longest`; by
///   default 25 ms, at most 250 ms. If the error says [when to retry](BackendError::retry_after), that time comes in
///   front of it.
/// - The deadline, 3 s by default, counts from the call's start and covers attempts and pauses. A pause that does not
///   end before it is not begun: the error is returned at once. What still runs when it is reached is dropped, with
///   the kind `Timeout`. A batch has twice as long.
///
/// Every call has the same effect when it is made twice. The answer may differ: a `delete` whose first attempt did it
/// without being able to say so may answer `false`. Batches are made again as a whole.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use blindcache::{Backend, BackendExt, MemoryBackend};
///
/// let store = MemoryBackend::new().retry().attempts(5)?.deadline(Duration::from_secs(2))?;
/// store.ping().await?;
///
/// // The same store, for a caller with less time.
/// let hurried = store.clone().deadline(Duration::from_millis(100))?;
/// hurried.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Retry<B> {
    inner: B,
    attempts: u32,
    deadline: Duration,
    first: Duration,
    longest: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("the deadline for all attempts was reached")]
struct DeadlineReached;

impl<B: Backend> Retry<B> {
    /// The backend, with the defaults.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            attempts: 3,
            deadline: Duration::from_secs(3),
            first: Duration::from_millis(25),
            longest: Duration::from_millis(250),
        }
    }

    /// How often a call is made at most, the first time included. 3 by default; 1 is no retry.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) for 0 or more than 100.
    pub fn attempts(self, attempts: u32) -> Result<Self, Error> {
        within((1..=MOST).contains(&attempts), "the attempts are 1 to 100")?;
        Ok(Self { attempts, ..self })
    }

    /// How long a call may take with all its attempts and pauses; a batch may take twice that. 3 s by default.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if it is zero or more than an hour.
    pub fn deadline(self, deadline: Duration) -> Result<Self, Error> {
        let deadline = checked(deadline, "a deadline is more than zero and at most an hour")?;
        Ok(Self { deadline, ..self })
    }

    /// The longest pause before the first retry, and before any. 25 ms and 250 ms by default.
    ///
    /// # Errors
    /// [`SettingError::Layer`](crate::SettingError::Layer) if `first` is zero, or more than `longest`, or that more
    /// than an hour.
    pub fn pauses(self, first: Duration, longest: Duration) -> Result<Self, Error> {
        let longest = checked(longest, "the longest pause is more than zero and at most an hour")?;
        let first = checked(first, "the first pause is more than zero and at most an hour")?;
        within(first <= longest, "the first pause is at most the longest")?;
        Ok(Self { first, longest, ..self })
    }

    /// The backend inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    async fn guard<T, F>(&self, load: Load, call: impl Fn() -> F + Send + Sync) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>> + Send,
    {
        runtime(self.name())?;
        let deadline = Instant::now() + load.scale(self.deadline);
        let mut failure = match self.attempt(deadline, &call).await {
            Err(failure) => failure,
            done => return done,
        };
        for ceiling in self.ceilings() {
            let Some(pause) = pause(&failure, ceiling, deadline) else { break };
            sleep(pause).await;
            // A sleep may end a millisecond late, and `timeout_at` would ask once even then.
            if Instant::now() >= deadline {
                break;
            }
            match self.attempt(deadline, &call).await {
                // "Not sent" would be untrue of the call as a whole.
                Err(refused) if refused.kind() == BackendErrorKind::Refused => break,
                Err(next) => failure = next,
                done => return done,
            }
        }
        Err(failure)
    }

    async fn attempt<T, F>(&self, deadline: Instant, call: &impl Fn() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        timeout_at(deadline, call()).await.unwrap_or_else(|_| {
            Err(BackendError::new(self.name(), BackendErrorKind::Timeout).with_source(DeadlineReached))
        })
    }

    /// The longest pause before each retry. Without backon's own jitter, which adds to a pause: [`pause`] draws from
    /// all of it, "full jitter".
    fn ceilings(&self) -> ExponentialBackoff {
        let retries = self.attempts as usize - 1;
        let builder = ExponentialBuilder::new().with_max_times(retries);
        builder.with_min_delay(self.first).with_max_delay(self.longest).build()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Retry<B> {
    guarded!(again: clone);
}

/// How long to pause before a retry, if there is to be one.
fn pause(failure: &BackendError, ceiling: Duration, deadline: Instant) -> Option<Duration> {
    if !passes(failure.kind()) {
        return None;
    }
    let pause = failure.retry_after().unwrap_or_default().saturating_add(up_to(ceiling));
    (pause < deadline.saturating_duration_since(Instant::now())).then_some(pause)
}

/// Whether this trouble passes by itself.
fn passes(kind: BackendErrorKind) -> bool {
    use BackendErrorKind as Kind;
    match kind {
        Kind::Transient | Kind::Timeout | Kind::Throttled => true,
        Kind::Refused | Kind::Denied | Kind::Rejected | Kind::TooLarge | Kind::Misconfigured => false,
    }
}

/// A random duration, from none to all of `ceiling`; all of it if there are no random bytes.
fn up_to(ceiling: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
