//! One call with settings of its own.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

#[cfg(feature = "macros")]
use super::source::Sorting;
use super::{
    Cache, Value,
    mode::{Closed, Lenient, Mode},
    policy::Policy,
    source::Source,
    tags::Beginning,
    value::{Label, Tags},
};
use crate::{
    crypto::KeyId,
    encrypted::{EncryptedBackend, is_nil},
    error::{ComputeError, Error, KeyError},
    key::{CacheKey, Key},
    metrics::Operation,
};

/// What a call goes by.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) tags: Tags,
    /// Whether they are those of the cache, which were checked when it was built.
    checked: bool,
    /// The master key that seals; `None` without a store.
    sealed_by: Option<KeyId>,
}

impl Settings {
    pub(super) fn of(cache: &Cache) -> Self {
        let sealed_by = cache.store.as_ref().map(EncryptedBackend::sealing_id);
        Self { policy: cache.shared.policy, tags: Tags::default(), checked: true, sealed_by }
    }

    /// Refuses what would only be found out after a computation.
    pub(super) fn check(&self, cache: &Cache) -> Result<(), Error> {
        if self.checked {
            return Ok(());
        }
        self.policy.check(cache.now())?;
        let list: usize = self.tags.iter().map(|tag| 1 + tag.len()).sum();
        let fits = |length: usize| (1..=255).contains(&length);
        if list > usize::from(u16::MAX) || !self.tags.iter().all(|tag| fits(tag.len())) {
            return Err(Error::Tag);
        }
        Ok(())
    }

    /// The label of this value, which began then.
    pub(super) fn label<T: Value>(&self, beginning: Beginning, value: &T) -> Result<Label, Error> {
        let none = self.policy.none_ttl.is_some() && is_nil(value);
        let times = self.policy.times(beginning, none, self.sealed_by.is_some())?;
        Ok(Label { times, tags: self.tags.clone(), sealed_by: self.sealed_by })
    }

    /// Whether a value is to be refreshed: stale, or far enough in its fresh time.
    pub(super) fn is_due(&self, label: &Label, now: u64) -> bool {
        label.is_due(now, self.policy.refresh_ahead.unwrap_or(1.0))
    }
}

/// A key, and settings for one call on it: see [`Cache::entry`].
#[must_use = "nothing happens until one of the calls at the end, such as get_or_compute"]
pub struct Entry<'a> {
    cache: &'a Cache,
    key: Result<CacheKey, KeyError>,
    /// `None`: those of the cache. On the heap, so that a call without its own does not carry them around.
    settings: Option<Box<Settings>>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(cache: &'a Cache, key: impl Key) -> Self {
        Self { cache, key: key.to_cache_key(), settings: None }
    }

    fn own(&mut self) -> &mut Settings {
        let own = || Box::new(Settings { checked: false, ..Settings::of(self.cache) });
        self.settings.get_or_insert_with(own)
    }

    /// How long the value is fresh: more than zero, rounded up to whole milliseconds. Together with the stale time above
    /// [`Builder::longest`] it is refused, which a plain `get_or_compute` shows in
    /// [`Stats::troubles`](crate::Stats::troubles) alone: it computes each time.
    ///
    /// [`Builder::longest`]: super::Builder::longest
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.own().policy.ttl = ttl;
        self
    }

    /// How long past its ttl the value may still be used where a fresh one is not to be had.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.own().policy.stale = stale;
        self
    }

    /// The ttl of a value that is `None`, or anything else that serializes as nil.
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.own().policy.none_ttl = Some(ttl);
        self
    }

    /// How long the function may take while there is a stale value to return instead. The function is then dropped. It
    /// needs Tokio's timer: [`Builder::soft_timeout`](super::Builder::soft_timeout).
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.own().policy.soft_timeout = Some(limit);
        self
    }

    /// How long a stale value goes on to stand in before the function is tried again: [`Builder::fail_safe_pause`].
    ///
    /// [`Builder::fail_safe_pause`]: super::Builder::fail_safe_pause
    pub fn fail_safe_pause(mut self, pause: Duration) -> Self {
        self.own().policy.fail_safe_pause = pause;
        self
    }

    /// From which share of the ttl on, 0 to 1, [`get_or_refresh`](Self::get_or_refresh) refreshes in the background.
    pub fn refresh_ahead(mut self, share: f64) -> Self {
        self.own().policy.refresh_ahead = Some(share.clamp(0.0, 1.0));
        self
    }

    /// The tags that the value is stored with: [`Cache::invalidate_tag`]. Each has 1 to 255 bytes of UTF-8; the store
    /// never sees them.
    pub fn tags<S: AsRef<str>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        let mut all: Vec<Box<[u8]>> = tags.into_iter().map(|tag| tag.as_ref().as_bytes().into()).collect();
        all.sort_unstable();
        all.dedup();
        self.own().tags = all.into_iter().collect();
        self
    }

    /// From here on trouble with the cache is an error.
    pub fn strict(self) -> Strict<'a> {
        Strict { entry: self, hard_timeout: None }
    }

    /// [`Cache::get`].
    ///
    /// # Errors
    /// As there.
    pub async fn get<T: Value>(self) -> Result<Option<T>, Error> {
        self.cache.look_up::<T, Lenient>(self.key).await
    }

    /// [`Cache::set`], with these settings.
    ///
    /// # Errors
    /// As there.
    pub async fn set<T: Value>(self, value: T) -> Result<(), Error> {
        let Self { cache, key, settings } = self;
        let call = cache.call(Operation::Set);
        call.end(call.around(cache.write(&call, key, &settings_of(cache, settings), value)).await)
    }

    /// [`Cache::get_or_compute`], with these settings.
    ///
    /// # Errors
    /// The function's own, as it is.
    pub async fn get_or_compute<T, E, F, Fut>(self, f: F) -> Result<T, E>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.compute(Lenient, f).await
    }

    /// [`get_or_compute`](Self::get_or_compute) of a function that says of its value whether it is to be kept. One that is
    /// not goes to those who wait for it, and to nobody later.
    #[cfg(feature = "macros")]
    pub(crate) async fn get_or_sort<T, E, F, Fut>(self, f: F) -> Result<T, E>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<(T, bool), E>>,
    {
        self.compute(Lenient, Sorting(f)).await
    }

    fn compute<T: Value, E, M: Mode>(
        self,
        mode: M,
        f: impl Source<T, E>,
    ) -> impl Future<Output = Result<T, M::Error<E>>> {
        self.cache.find_or_compute(self.key, self.settings, mode, f)
    }

    /// [`Cache::get_or_refresh`], with these settings.
    ///
    /// # Errors
    /// The function's own, as it is, where it ran in this call.
    pub async fn get_or_refresh<T, E, F, Fut>(self, f: F) -> Result<T, E>
    where
        T: Value,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Self { cache, key, settings } = self;
        let (call, settings) = (cache.call(Operation::GetOrRefresh), settings_of(cache, settings));
        call.end(call.around(Box::pin(cache.get_or_refresh_at(&call, key, settings, f))).await)
    }

    /// [`Cache::refresh`], with these settings.
    ///
    /// # Errors
    /// The function's own, as it is.
    pub async fn refresh<T, E, F, Fut>(self, f: F) -> Result<T, E>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Self { cache, key, settings } = self;
        let (call, settings) = (cache.call(Operation::Refresh), settings_of(cache, settings));
        call.end(call.around(Box::pin(cache.refresh_at(&call, key, settings, Lenient, f))).await)
    }
}

/// The calls that memory may answer.
impl Cache {
    pub(super) fn look_up<T: Value, M: Mode>(
        &self,
        key: Result<CacheKey, KeyError>,
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let at_hand = |key: &_| Some(Ok(Some(self.at_hand(Operation::Get, key, M::TRUST, false)?)));
        at_hand_or_beyond(key, at_hand, async |key| {
            let call = self.call(Operation::Get);
            call.end(call.around(self.read(&call, key, M::TRUST)).await)
        })
    }

    pub(super) fn find_or_compute<T: Value, E, M: Mode, S: Source<T, E>>(
        &self,
        key: Result<CacheKey, KeyError>,
        settings: Option<Box<Settings>>,
        mode: M,
        f: S,
    ) -> impl Future<Output = Result<T, M::Error<E>>> {
        let at_hand = |(key, settings, _): &(_, Option<Box<Settings>>, S)| {
            let refused = settings.as_ref().is_some_and(|own| own.check(self).is_err());
            let hit = || self.at_hand(Operation::GetOrCompute, key, M::TRUST, M::FAIL_SAFE);
            if refused { None } else { hit().map(Ok) }
        };
        at_hand_or_beyond((key, settings, f), at_hand, move |(key, settings, f)| async move {
            let call = self.call(Operation::GetOrCompute);
            let settings = settings_of(self, settings);
            call.end(call.around(self.compute(&call, key, settings, mode, f)).await)
        })
    }
}

/// What is at hand at the first poll, else what lies beyond. That is on the heap: a hit need not carry it, and a function may
/// ask the cache in turn. The state is no `async` block's, which would be read before what was just written of it has
/// settled.
fn at_hand_or_beyond<C, T, B: Future<Output = T>>(
    call: C,
    at_hand: impl Fn(&C) -> Option<T>,
    beyond: impl FnOnce(C) -> B,
) -> impl Future<Output = T> {
    // One of the two is there.
    let (mut new, mut begun) = (Some((call, beyond)), None);
    poll_fn(move |context| {
        if let Some(value) = new.as_ref().and_then(|(call, _)| at_hand(call)) {
            return Poll::Ready(value);
        }
        if let Some((call, beyond)) = new.take() {
            begun = Some(Box::pin(beyond(call)));
        }
        begun.as_mut().map_or(Poll::Pending, |begun| begun.as_mut().poll(context))
    })
}

fn settings_of(cache: &Cache, own: Option<Box<Settings>>) -> Settings {
    own.map_or_else(|| Settings::of(cache), |own| *own)
}

/// A key and settings for one call that fails closed: [`Entry::strict`].
///
/// Trouble with the cache is an error: a store that is down, an unreadable entry, a refused key or ttl. A plain
/// `get_or_compute` goes on without the cache then, and a plain `get` makes a miss of an unreadable entry. Besides, no stale
/// value stands in for a function that fails; and where the markers of a value cannot be asked for, what was known of them
/// before is not enough.
#[must_use = "nothing happens until one of the calls at the end, such as get_or_compute"]
pub struct Strict<'a> {
    entry: Entry<'a>,
    hard_timeout: Option<Duration>,
}

impl<'a> Strict<'a> {
    /// How long the call may wait for a function at all: for another call's, and then for its own, which is then dropped.
    /// The store has time limits of its own. It needs a Tokio runtime with its timer, `enable_time`, and panics in another.
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.hard_timeout = Some(limit);
        self
    }

    /// [`Cache::get`]; an entry that cannot be read is an error.
    ///
    /// # Errors
    /// Any [`Error`], [`Error::Unreadable`] too.
    pub async fn get<T: Value>(self) -> Result<Option<T>, Error> {
        self.entry.cache.look_up::<T, Closed>(self.entry.key).await
    }

    /// [`Cache::get_or_compute`], failing closed.
    ///
    /// # Errors
    /// [`ComputeError::Compute`] is the function's own; [`ComputeError::Cache`] any trouble with the cache, before the
    /// function or after it; [`ComputeError::TimedOut`] if it took longer than the hard time-out.
    pub async fn get_or_compute<T, E, F, Fut>(self, f: F) -> Result<T, ComputeError<E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.entry.compute(Closed::new(self.hard_timeout), f).await
    }

    /// [`Cache::refresh`], failing closed. It asks the store for nothing: what it reports is what it could not write.
    ///
    /// # Errors
    /// As [`get_or_compute`](Self::get_or_compute).
    pub async fn refresh<T, E, F, Fut>(self, f: F) -> Result<T, ComputeError<E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (mode, Entry { cache, key, settings }) = (Closed::new(self.hard_timeout), self.entry);
        let (call, settings) = (cache.call(Operation::Refresh), settings_of(cache, settings));
        call.end(call.around(Box::pin(cache.refresh_at(&call, key, settings, mode, f))).await)
    }

    /// [`Entry::get_or_sort`], failing closed.
    #[cfg(feature = "macros")]
    pub(crate) async fn get_or_sort<T, E, F, Fut>(self, f: F) -> Result<T, ComputeError<E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<(T, bool), E>>,
    {
        self.entry.compute(Closed::new(self.hard_timeout), Sorting(f)).await
    }
}
