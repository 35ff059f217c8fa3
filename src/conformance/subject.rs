//! What is tried, how it failed, and the calls of one trial.

use std::{array, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::{
    backend::{Backend, Write},
    crypto::{Locator, Sealed, StoreKey},
    error::BackendError,
};

/// How long an expired entry may still be there: a coarse clock, a busy machine.
const GRACE: Duration = Duration::from_secs(10);
/// The longest least ttl that the rules wait for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often an entry that should expire is asked for.
const PAUSE: Duration = Duration::from_millis(20);
/// Length in bytes of the largest entry that is tried, where the store takes one.
const LARGEST: usize = 1 << 20;

/// What a backend does with a ttl. None may drop an entry before the ttl has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It drops the entry when the ttl has passed, or soon after: the rules allow 10 s for a coarse clock.
    Exact,
    /// The same, with every shorter ttl lengthened to this one. The rules wait for a least ttl of up to 5 s; of a
    /// longer one they check only that entries do not go early.
    AtLeast(Duration),
    /// It takes no notice of it, and entries stay.
    Ignored,
}

/// A backend to try: how to make one, and what it does with a ttl.
pub struct Subject<B> {
    make: Box<dyn Fn() -> Made<B> + Send + Sync>,
    expiry: Expiry,
    largest: usize,
}

type Made<B> = Pin<Box<dyn Future<Output = B> + Send>>;

impl<B: Backend> Subject<B> {
    /// The backend that `make` makes: anew for each rule, over an empty store or one that others use too.
    ///
    /// It must have room for some MiB; what it evicts early looks lost.
    pub fn new<F, M>(expiry: Expiry, make: F) -> Self
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output = B> + Send + 'static,
    {
        Self { make: Box::new(move || Box::pin(make())), expiry, largest: LARGEST }
    }

    /// The same, of a store that does not take entries of 1 MiB: the largest in bytes that it takes.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        Self { largest: bytes.min(LARGEST), ..self }
    }

    pub(super) async fn trial(&self, rule: &'static str) -> Trial<B> {
        Trial { rule, expiry: self.expiry, largest: self.largest, backend: Arc::new((self.make)().await) }
    }
}

impl<B> fmt::Debug for Subject<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("expiry", &self.expiry).finish_non_exhaustive()
    }
}

/// A rule that does not hold. Its source is the backend's error, if it was one.
#[derive(Debug, thiserror::Error)]
#[error("{rule}: {what}")]
pub struct Failure {
    rule: &'static str,
    what: String,
    source: Option<BackendError>,
}

impl Failure {
    /// The name of the function whose rule it is.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

/// One rule on one backend: each call names what it stands for, so that a failure says what was found where.
pub(super) struct Trial<B> {
    pub(super) backend: Arc<B>,
    /// Length in bytes of the largest entry that is tried.
    pub(super) largest: usize,
    rule: &'static str,
    expiry: Expiry,
}

impl<B> Clone for Trial<B> {
    fn clone(&self) -> Self {
        Self { backend: Arc::clone(&self.backend), ..*self }
    }
}

impl<B: Backend> Trial<B> {
    pub(super) async fn set(
        &self,
        key: &StoreKey,
        entry: &Sealed,
        ttl: Option<Duration>,
    ) -> Result<(), Failure> {
        self.call("set", self.backend.set(key, entry.clone(), ttl)).await
    }

    pub(super) async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, Failure> {
        self.call("get", self.backend.get(key)).await
    }

    pub(super) async fn set_many(&self, writes: Vec<Write>) -> Result<(), Failure> {
        self.call("set_many", self.backend.set_many(writes)).await
    }

    /// Exactly this entry is under the name.
    pub(super) async fn holds(&self, what: &str, key: &StoreKey, entry: &Sealed) -> Result<(), Failure> {
        let found = self.get(key).await?;
        self.same(what, found.as_ref(), Some(entry))?;
        self.finds(what, key, true).await
    }

    /// Nothing is under the name.
    pub(super) async fn is_gone(&self, what: &str, key: &StoreKey) -> Result<(), Failure> {
        let found = self.get(key).await?;
        self.same(what, found.as_ref(), None)?;
        self.finds(what, key, false).await
    }

    pub(super) async fn finds(&self, what: &str, key: &StoreKey, expected: bool) -> Result<(), Failure> {
        let found = self.call("exists", self.backend.exists(key)).await?;
        self.check(found == expected, || format!("{what}: exists is {found}"))
    }

    pub(super) async fn deletes(&self, what: &str, key: &StoreKey, expected: bool) -> Result<(), Failure> {
        let deleted = self.call("delete", self.backend.delete(key)).await?;
        self.check(deleted == expected, || format!("{what}: delete is {deleted}"))
    }

    pub(super) async fn gets_many(
        &self,
        what: &str,
        keys: &[StoreKey],
        expected: &[Option<&Sealed>],
    ) -> Result<(), Failure> {
        let found = self.call("get_many", self.backend.get_many(keys)).await?;
        self.check(found.len() == keys.len(), || {
            format!("{what}: get_many of {} gives {}", keys.len(), found.len())
        })?;
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            self.same(&format!("{what}: get_many at {at}"), found.as_ref(), *expected)?;
        }
        Ok(())
    }

    pub(super) async fn deletes_many(
        &self,
        what: &str,
        keys: &[StoreKey],
        expected: &[bool],
    ) -> Result<(), Failure> {
        let deleted = self.call("delete_many", self.backend.delete_many(keys)).await?;
        self.check(deleted == expected, || format!("{what}: delete_many gives {deleted:?}"))
    }

    /// An entry is still there when a tenth of the ttl has passed. Says nothing if the store took over half of it.
    pub(super) async fn stays_for(&self, ttl: Duration) -> Result<(), Failure> {
        let [key] = names();
        let entry = random_entry(200);
        let start = Instant::now();
        self.set(&key, &entry, Some(ttl)).await?;
        sleep(ttl / 10).await;
        let found = self.get(&key).await?;
        if start.elapsed() > ttl / 2 {
            return Ok(());
        }
        self.same(&format!("before a ttl of {ttl:?} has passed"), found.as_ref(), Some(&entry))
    }

    /// The entry goes by itself, if this backend drops entries in a time worth waiting for.
    pub(super) async fn expires(&self, what: &str, key: &StoreKey) -> Result<(), Failure> {
        let Some(least) = self.least_ttl() else { return Ok(()) };
        let deadline = Instant::now() + least + GRACE;
        while self.get(key).await?.is_some() {
            self.check(Instant::now() < deadline, || format!("{what}: does not expire"))?;
            sleep(PAUSE).await;
        }
        self.is_gone(what, key).await
    }

    /// Waits until whatever was set with this ttl until now has expired, seen by one more such entry.
    pub(super) async fn let_expire(&self, ttl: Duration) -> Result<(), Failure> {
        let [key] = names();
        self.set(&key, &random_entry(200), Some(ttl)).await?;
        self.expires("to wait", &key).await
    }

    /// The least ttl, if the rules wait for entries to expire at all.
    pub(super) fn least_ttl(&self) -> Option<Duration> {
        match self.expiry {
            Expiry::Exact => Some(Duration::ZERO),
            Expiry::AtLeast(least) => Some(least).filter(|least| *least <= PATIENCE),
            Expiry::Ignored => None,
        }
    }

    pub(super) async fn call<T>(
        &self,
        method: &str,
        answer: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, Failure> {
        answer
            .await
            .map_err(|source| Failure { source: Some(source), ..self.failure(format!("{method} failed")) })
    }

    pub(super) fn failure(&self, what: String) -> Failure {
        Failure { rule: self.rule, what, source: None }
    }

    fn check(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
        if holds { Ok(()) } else { Err(self.failure(what())) }
    }

    fn same(&self, what: &str, found: Option<&Bytes>, expected: Option<&Sealed>) -> Result<(), Failure> {
        let (found, expected) = (found.map(Bytes::as_ref), expected.map(Sealed::as_bytes));
        self.check(found == expected, || format!("{what}: {}", difference(found, expected)))
    }
}

fn difference(found: Option<&[u8]>, expected: Option<&[u8]>) -> String {
    match (found, expected) {
        (None, _) => "found nothing".into(),
        (Some(found), None) => format!("found {} bytes where nothing is", found.len()),
        (Some(found), Some(expected)) => {
            let same = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
            format!("found {} bytes for {}, the same up to {same}", found.len(), expected.len())
        }
    }
}

/// Names that nothing else has.
pub(super) fn names<const N: usize>() -> [StoreKey; N] {
    array::from_fn(|_| StoreKey::new("", &Locator(array_of_random())))
}

/// The same name under a prefix.
pub(super) fn prefixed(prefix: &str, key: &StoreKey) -> StoreKey {
    #[allow(clippy::expect_used)] // the prefixes are those of `any_name_is_its_own`
    StoreKey::parse(&format!("{prefix}{}", key.as_str())).expect("a prefix in front of a bare name")
}

/// An entry of this length in bytes, random behind its first four.
pub(super) fn random_entry(length: usize) -> Sealed {
    let mut body = vec![0; length - 4];
    fill(&mut body);
    entry_of(&body)
}

/// An entry of the four bytes that every one begins with, and these behind them.
pub(super) fn entry_of(body: &[u8]) -> Sealed {
    #[allow(clippy::expect_used)] // every rule's entries are at least 116 bytes long
    Sealed::parse([b"\xC1bc\x01", body].concat()).expect("an entry's first bytes and at least 112 more")
}

fn array_of_random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

fn fill(bytes: &mut [u8]) {
    #[allow(clippy::expect_used)] // a helper of tests: without random bytes there is nothing to try
    getrandom::fill(bytes).expect("random bytes from the operating system");
}
