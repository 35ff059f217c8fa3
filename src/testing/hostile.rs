//! [`HostileBackend`]: a store that lies, by a script or by a seed.

mod lie;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::sleep;

pub use self::lie::Lie;
use self::lie::{Random, forged};
use crate::{
    backend::{Backend, Write},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// How many writes it remembers, to replay and to swap them.
const REMEMBERED: usize = 4_096;

/// A backend around another that lies: it swaps entries, replays older ones, brings deleted and expired ones back,
/// hands over those of other tenants, cuts, extends and changes them, denies what is there and invents what is not,
/// loses writes, takes them late, dawdles, fails, and sends far too much. Whatever it does, a cache above it gives
/// what was written for exactly that place, or nothing.
///
/// Each call on a name is one lie, a batch as many as its names. What lies are told is a [`script`](Self::script), or
/// drawn from a [`seed`](Self::seeded), so that what was found can be found again. It keeps entries whatever their
/// ttl. Clones share it.
///
/// ```
/// use std::time::Duration;
/// use blindcache::{
///     EncryptedBackend, Error, Keyring, MasterKey, MemoryBackend, Unreadable,
///     testing::{HostileBackend, Lie},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blindcache::Error> {
/// let store = HostileBackend::script(MemoryBackend::new(), [Lie::None, Lie::None, Lie::Swap(0)]);
/// let acme = EncryptedBackend::new(store, Keyring::new(MasterKey::generate()?)?.tenant("acme")?);
/// acme.set("Ada", "admin", None).await?;
/// acme.set("Eve", "guest", None).await?;
/// let eve = acme.get::<String>("Eve").await; // the store answers with Ada's entry
/// assert!(matches!(eve, Err(Error::Unreadable(Unreadable::Tampered))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HostileBackend<B> {
    inner: Arc<B>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    script: VecDeque<Lie>,
    /// Where lies come from after the script; without it there are none.
    random: Option<Random>,
    /// What was written, the latest last; a delete has no entry.
    history: VecDeque<(StoreKey, Sealed)>,
    /// Writes and deletes that were told done, and are not.
    late: Vec<(StoreKey, Option<Sealed>)>,
    told: u64,
}

impl<B: Backend> HostileBackend<B> {
    /// Tells these lies, one for each call on a name, and none after them.
    pub fn script(inner: B, lies: impl IntoIterator<Item = Lie>) -> Self {
        Self::new(inner, lies.into_iter().collect(), None)
    }

    /// Tells a lie at about every second call, drawn from the seed. The same calls in the same order are told the
    /// same lies.
    pub fn seeded(inner: B, seed: u64) -> Self {
        Self::new(inner, VecDeque::new(), Some(Random::new(seed)))
    }

    fn new(inner: B, script: VecDeque<Lie>, random: Option<Random>) -> Self {
        let state = State { script, random, history: VecDeque::new(), late: Vec::new(), told: 0 };
        Self { inner: Arc::new(inner), state: Arc::new(Mutex::new(state)) }
    }

    /// How many lies it has told.
    pub fn told(&self) -> u64 {
        self.state().told
    }

    /// The backend that it lies about.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The next lie, after the time that it takes.
    async fn lie(&self) -> Result<Lie, BackendError> {
        let lie = self.state().next();
        match lie {
            Lie::Fail(kind) => return Err(BackendError::new(self.inner.name(), kind)),
            Lie::Dawdle(time) => sleep(time).await,
            _ => {}
        }
        Ok(lie)
    }

    /// Does what was told done before.
    async fn catch_up(&self) -> Result<(), BackendError> {
        let late = std::mem::take(&mut self.state().late);
        for (key, entry) in late {
            match entry {
                Some(entry) => self.inner.set(&key, entry, None).await?,
                None => drop(self.inner.delete(&key).await?),
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Lie {
        let drawn = |random: &mut Option<Random>| random.as_mut().map_or(Lie::None, Random::lie);
        let lie = self.script.pop_front().unwrap_or_else(|| drawn(&mut self.random));
        self.told += u64::from(lie != Lie::None);
        lie
    }

    fn remember(&mut self, key: &StoreKey, entry: &Sealed) {
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back((key.clone(), entry.clone()));
    }

    /// What was written so many writes ago, under this name or under others.
    fn written(&self, key: &StoreKey, same: bool, back: usize) -> Option<Bytes> {
        let mut these = self.history.iter().rev().filter(|(name, _)| (name == key) == same);
        these.nth(back).map(|(_, entry)| entry.clone().into_bytes())
    }
}

impl<B> Clone for HostileBackend<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), state: self.state.clone() }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for HostileBackend<B> {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let lie = self.lie().await?;
        let found = self.inner.get(key).await?;
        Ok(match lie {
            Lie::Lose | Lie::Contrary => None,
            Lie::Replay(back) => self.state().written(key, true, back).or(found),
            Lie::Swap(back) => self.state().written(key, false, back).or(found),
            Lie::Truncate(_) | Lie::Extend(_) | Lie::Flip(_) | Lie::Flood => forged(lie, found),
            Lie::None | Lie::Delay | Lie::Dawdle(_) | Lie::Fail(_) => found,
        })
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, _ttl: Option<Duration>) -> Result<(), BackendError> {
        let lie = self.lie().await?;
        self.state().remember(key, &entry);
        match lie {
            Lie::Lose => Ok(()),
            Lie::Delay => {
                self.state().late.push((key.clone(), Some(entry)));
                Ok(())
            }
            _ => {
                self.inner.set(key, entry, None).await?;
                self.catch_up().await
            }
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        match self.lie().await? {
            Lie::Lose => Ok(false),
            Lie::Delay => {
                self.state().late.push((key.clone(), None));
                Ok(true)
            }
            lie => {
                let there = self.inner.delete(key).await?;
                self.catch_up().await?;
                Ok(there != (lie == Lie::Contrary))
            }
        }
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let lie = self.lie().await?;
        Ok(self.inner.exists(key).await? != (lie == Lie::Contrary))
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key).await?);
        }
        Ok(found)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        for (key, entry, ttl) in writes {
            self.set(&key, entry, ttl).await?;
        }
        Ok(())
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for key in keys {
            deleted.push(self.delete(key).await?);
        }
        Ok(deleted)
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn ping(&self) -> Result<(), BackendError> {
        match self.lie().await? {
            Lie::Contrary => Err(BackendError::new(self.inner.name(), BackendErrorKind::Rejected)),
            _ => self.inner.ping().await,
        }
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        self.inner.breaker_state()
    }
}
