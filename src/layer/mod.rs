//! What a call goes through before it reaches a store: each layer is a [`Backend`] around a [`Backend`].

mod breaker;
mod circuit;
mod limit;
mod retry;
#[cfg(test)]
mod schedules;
mod timeout;

use std::time::Duration;

use tokio::runtime::Handle;

pub use self::{breaker::Breaker, limit::Limit, retry::Retry, timeout::Timeout};
use crate::{
    backend::Backend,
    error::{BackendError, BackendErrorKind, Error, SettingError},
    sync::{Mutex, MutexGuard},
};

/// Longest time limit of any layer: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How many times the time of one call a batch may take.
const BATCH: u32 = 2;

/// A backend with every layer around it: what [`BackendExt::resilient`] makes.
pub type Resilient<B> = Retry<Limit<Breaker<Timeout<B>>>>;

/// Layers for every [`Backend`]: what they give is a `Backend` again.
///
/// They need a Tokio runtime with its time driver: without a runtime, [`Timeout`] and [`Retry`] answer
/// [`Misconfigured`](BackendErrorKind::Misconfigured).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blindcache::Error> {
/// use std::time::Duration;
/// use blindcache::{BackendExt, EncryptedBackend, Keyring, MasterKey, MemoryBackend};
///
/// let store = MemoryBackend::new() // or RedisBackend::new(url)?
///     .timeout(Duration::from_millis(500))?
///     .breaker()
///     .limit(64, 1_000)?
///     .retry()
///     .deadline(Duration::from_millis(800))?;
///
/// let keys = Keyring::new(MasterKey::generate()?)?.tenant("acme")?;
/// let acme = EncryptedBackend::new(store, keys);
/// acme.set("greeting", "hello", Duration::from_secs(60)).await?;
/// # Ok(())
/// # }
/// ```
pub trait BackendExt: Backend + Sized {
    /// Gives up on a call after `limit`, and on a batch after twice that: [`Timeout`].
    ///
    /// # Errors
    /// [`SettingError::Layer`] if the limit is zero or more than an hour.
    fn timeout(self, limit: Duration) -> Result<Timeout<Self>, Error> {
        Timeout::new(self, limit)
    }

    /// Tries again after passing trouble, within a deadline: [`Retry`], with its defaults.
    fn retry(self) -> Retry<Self> {
        Retry::new(self)
    }

    /// Stops asking a store that is down, until it is up again: [`Breaker`], with its defaults.
    fn breaker(self) -> Breaker<Self> {
        Breaker::new(self)
    }

    /// At most so many calls at a time and so many more that wait their turn: [`Limit`].
    ///
    /// # Errors
    /// [`SettingError::Layer`] if `in_flight` is 0, or either is more than a million.
    fn limit(self, in_flight: usize, waiting: usize) -> Result<Limit<Self>, Error> {
        Limit::new(self, in_flight, waiting)
    }

    /// Every layer, in the order that makes them work together, with defaults for a store in the same region.
    ///
    /// A call goes through them from the top down:
    ///
    /// 1. [`Retry`], 3 attempts within 3 s: outermost, so that its deadline bounds all that is below, the wait for a
    ///    turn, the attempts and the pauses, and so that a call in a pause takes nobody's turn. It does not try again
    ///    what a layer below refused.
    /// 2. [`Limit`], 256 calls in flight and 16,384 waiting: above the breaker, so that calls which waited while the
    ///    store went down are refused when their turn comes, not sent; and so that what is shed here, which says
    ///    nothing about the store, does not reach the breaker.
    /// 3. [`Breaker`], half of at least 10 calls or a time-out in silence, then 5 s open: below `Retry`, so that it
    ///    sees every attempt; above `Timeout`, so that it hears of time-outs.
    /// 4. [`Timeout`], 2 s: innermost, around the store alone, so that a wait for a turn is not held against the
    ///    store. It is shorter than the deadline of `Retry`, which would drop the call before the breaker hears of it.
    ///
    /// So a call ends within 3 s and a batch within 6 s, whatever the store does. If it falls silent, a call costs at
    /// most the 2 s of the time-out, and a pause of at most 25 ms before its retry is refused. Calls after that fail
    /// at once, but for one each 5 s that finds out whether the store is back.
    ///
    /// The time-out is that long because backends have limits of their own and replace a connection when those are
    /// reached: `RedisBackend` takes up to 1 s to connect and 1 s for an answer. A shorter one would drop calls before
    /// that happens, which `RedisBackend` notices and another backend may not; and the callers would learn less of
    /// what is wrong. For less, lower the limits there too and stack the layers by hand. So many may wait because a
    /// cache that refuses sends its callers to whatever it is to relieve.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blindcache::BackendError> {
    /// use blindcache::{Backend, BackendExt, BreakerState, MemoryBackend};
    ///
    /// let store = MemoryBackend::new().resilient();
    /// store.ping().await?;
    /// let breaker = store.inner().inner();
    /// assert_eq!(breaker.state(), BreakerState::Closed);
    /// # Ok(())
    /// # }
    /// ```
    fn resilient(self) -> Resilient<Self> {
        Retry::new(Limit::preset(Breaker::new(Timeout::preset(self))))
    }
}

impl<B: Backend> BackendExt for B {}

/// What a call asks for, as far as its time goes.
#[derive(Debug, Clone, Copy)]
enum Load {
    One,
    Batch,
}

impl Load {
    /// The time that this may take where one call has `limit`.
    fn scale(self, limit: Duration) -> Duration {
        match self {
            Self::One => limit,
            Self::Batch => limit.saturating_mul(BATCH),
        }
    }
}

/// The duration, if a layer can work with it.
fn checked(duration: Duration, rule: &'static str) -> Result<Duration, Error> {
    within(!duration.is_zero() && duration <= LONGEST, rule)?;
    Ok(duration)
}

fn within(holds: bool, rule: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(SettingError::Layer { rule }.into()) }
}

/// Fails where there is no Tokio runtime, in which its timers would panic.
fn runtime(backend: &'static str) -> Result<(), BackendError> {
    let refusal = |absent| BackendError::new(backend, BackendErrorKind::Misconfigured).with_source(absent);
    Handle::try_current().map(drop).map_err(refusal)
}

/// Implements [`Backend`], every method of it, by the same method of `self.inner` inside `self.guard`. With
/// `again: clone` the guard can make the call as often as it likes; with `calls` the state of a breaker is left out. A
/// batch of nothing is answered here: it would be an answer of a store that nobody asked.
macro_rules! guarded {
    ($(again: $again:ident)?) => {
        guarded!(calls $($again)?);

        fn breaker_state(&self) -> Option<crate::metrics::BreakerState> {
            self.inner.breaker_state()
        }
    };
    (calls $($again:ident)?) => {
        async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
            self.guard(Load::One, || self.inner.get(key)).await
        }
        async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
            self.guard(Load::One, || self.inner.set(key, entry$(.$again())?, ttl)).await
        }
        async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
            self.guard(Load::One, || self.inner.delete(key)).await
        }
        async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
            self.guard(Load::One, || self.inner.exists(key)).await
        }
        async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            self.guard(Load::Batch, || self.inner.get_many(keys)).await
        }
        async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
            if writes.is_empty() {
                return Ok(());
            }
            self.guard(Load::Batch, || self.inner.set_many(writes$(.$again())?)).await
        }
        async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            self.guard(Load::Batch, || self.inner.delete_many(keys)).await
        }
        fn name(&self) -> &'static str {
            self.inner.name()
        }
        async fn ping(&self) -> Result<(), BackendError> {
            self.guard(Load::One, || self.inner.ping()).await
        }
    };
}
use guarded;
