//! Settings of a cache.

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

#[cfg(feature = "l1")]
use super::l1::Tier;
use super::{Cache, Shared, flight::Slots, l1::L1, policy::Policy, tags::Markers};
use crate::{
    backend::{AnyBackend, Backend},
    clock::Clock,
    encrypted::EncryptedBackend,
    error::{Error, SettingError},
    metrics::Counters,
};

/// The settings of a [`Cache`] before it is built.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | 5 minutes |
/// | [`stale`](Self::stale) | none |
/// | [`none_ttl`](Self::none_ttl) | the ttl |
/// | [`jitter`](Self::jitter) | none |
/// | [`soft_timeout`](Self::soft_timeout), [`refresh_ahead`](Self::refresh_ahead) | none |
/// | [`fail_safe_pause`](Self::fail_safe_pause) | 10 s, at most the ttl |
/// | `l1`, `l1_bytes`, `l1_ttl` (feature `l1`) | 10,000 entries, 64 MiB, 30 s |
/// | [`marker_ttl`](Self::marker_ttl) | 1 s |
/// | [`longest`](Self::longest) | 30 days |
#[must_use = "a cache is made by build()"]
pub struct Builder {
    store: Option<EncryptedBackend<AnyBackend>>,
    policy: Policy,
    #[cfg(feature = "l1")]
    entries: usize,
    #[cfg(feature = "l1")]
    bytes: u64,
    #[cfg(feature = "l1")]
    mode: L1,
    l1_ttl: Duration,
    marker_ttl: Duration,
    clock: Clock,
}

impl Builder {
    pub(super) fn new(store: Option<EncryptedBackend<AnyBackend>>) -> Self {
        let policy = Policy {
            ttl: Duration::from_secs(5 * 60),
            stale: Duration::ZERO,
            none_ttl: None,
            jitter: 0.0,
            soft_timeout: None,
            fail_safe_pause: Duration::from_secs(10),
            refresh_ahead: None,
            longest: Duration::from_secs(30 * 24 * 60 * 60),
        };
        Self {
            clock: store.as_ref().map(EncryptedBackend::time).unwrap_or_default(),
            store,
            policy,
            #[cfg(feature = "l1")]
            entries: 10_000,
            #[cfg(feature = "l1")]
            bytes: 64 << 20,
            #[cfg(feature = "l1")]
            mode: L1::default(),
            l1_ttl: Duration::from_secs(30),
            marker_ttl: Duration::from_secs(1),
        }
    }

    /// How long a value is fresh: more than zero, rounded up to whole milliseconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.ttl = ttl;
        self
    }

    /// How long past its ttl a value may still be used where a fresh one is not to be had.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.policy.stale = stale;
        self
    }

    /// The ttl of a value that is `None`, or anything else that serializes as nil.
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.policy.none_ttl = Some(ttl);
        self
    }

    /// Takes a random part of up to this share, 0 to 1, off each ttl, so that what was computed together does not end
    /// together.
    pub fn jitter(mut self, share: f64) -> Self {
        self.policy.jitter = share;
        self
    }

    /// How long a function may take while there is a stale value to return instead; of another call's function, while
    /// there is one in memory that is given without asking the store, neither for it
    /// (`l1_ttl`) nor for its markers ([`marker_ttl`](Self::marker_ttl)). It needs a Tokio runtime with its
    /// timer, `enable_time`, and panics in another.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.policy.soft_timeout = Some(limit);
        self
    }

    /// How long a stale value goes on to stand in, once the function has failed or taken too long, before the function is
    /// tried again; at most a ttl, so that a short one keeps its meaning. Zero tries at every call.
    ///
    /// While the source is down it is asked once in this time for a key, and only that one call waits for it, up to the
    /// [`soft_timeout`](Self::soft_timeout). The time is kept with the value in memory: without the feature `l1`, with
    /// `l1(0)`, and once memory is full, every call tries.
    pub fn fail_safe_pause(mut self, pause: Duration) -> Self {
        self.policy.fail_safe_pause = pause;
        self
    }

    /// From which share of the ttl on, 0 to 1, [`Cache::get_or_refresh`] refreshes in the background.
    pub fn refresh_ahead(mut self, share: f64) -> Self {
        self.policy.refresh_ahead = Some(share);
        self
    }

    /// The most entries in memory; 0 for no in-memory tier.
    #[cfg(feature = "l1")]
    pub fn l1(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// The most bytes in memory: what entries take sealed, their keys, and 128 for each. Values that were never sealed
    /// count by their size on the stack. An entry of up to nearly 4 MiB is kept (of up to nearly all of it, where this is
    /// less); of larger ones it depends on how many parts the memory has, which are as many as processors can use.
    #[cfg(feature = "l1")]
    pub fn l1_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Whether memory keeps decoded values, or sealed entries.
    #[cfg(feature = "l1")]
    pub fn l1_mode(mut self, mode: L1) -> Self {
        self.mode = mode;
        self
    }

    /// How long memory is believed before the store is asked again, so that other processes' writes show.
    #[cfg(feature = "l1")]
    pub fn l1_ttl(mut self, ttl: Duration) -> Self {
        self.l1_ttl = ttl;
        self
    }

    /// How long it is remembered that a tag has no newer marker: how late another process's invalidation may show.
    ///
    /// 65,536 tags are remembered, and of those that were pushed out 65,536 invalidations: see
    /// [`Cache::invalidate_tag`].
    pub fn marker_ttl(mut self, ttl: Duration) -> Self {
        self.marker_ttl = ttl;
        self
    }

    /// The longest that ttl and stale time may be together: a call with longer ones is counted as trouble and not cached.
    /// The marker of an invalidated tag stays in the store for so long, so every process over the store needs the same, and
    /// it must not be lowered while there are entries that live longer: their invalidations would end before them.
    pub fn longest(mut self, lifetime: Duration) -> Self {
        self.policy.longest = lifetime;
        self
    }

    /// Takes the time from a clock that a test sets.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &crate::testing::Clock) -> Self {
        self.clock = clock.0.clone();
        self.store = self.store.map(|store| store.clock(clock));
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// [`Error::Ttl`] for a ttl of zero, or above the [`longest`](Self::longest); [`SettingError::Share`] for a share
    /// outside 0 to 1; [`SettingError::InMemory`] for a cache with neither a store nor values in memory.
    pub fn build(self) -> Result<Cache, Error> {
        self.check()?;
        #[cfg(feature = "l1")]
        let tier =
            (self.entries > 0 && self.bytes > 0).then(|| Tier::new(self.entries, self.bytes, self.mode));
        #[cfg(not(feature = "l1"))]
        let tier = None::<super::l1::Tier>;
        let keeps_values = tier.as_ref().is_some_and(|tier| tier.mode == L1::Values);
        if self.store.is_none() && !keeps_values {
            return Err(SettingError::InMemory.into());
        }
        let counters = match self.store.as_ref().map(EncryptedBackend::backend) {
            Some(backend) => Counters::new(backend.name(), backend.breaker_state()),
            None => Counters::new("none", None),
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let shared = Shared {
            policy: self.policy,
            tier,
            l1_ttl: millis(self.l1_ttl),
            slots: Arc::new(Slots::default()),
            markers: Markers::new(millis(self.marker_ttl), self.store.is_some()),
            telling: Arc::new(Slots::default()),
            counters,
            tasks: TaskTracker::new(),
            clock: self.clock,
        };
        let scope = self.store.as_ref().map_or([0; 16], EncryptedBackend::scope);
        Ok(Cache { shared: Arc::new(shared), store: self.store, scope, namespace: Arc::default() })
    }

    /// Refuses a policy that no value could go by.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let shares = [Some(self.policy.jitter), self.policy.refresh_ahead];
        if shares.into_iter().flatten().any(|share| !(0.0..=1.0).contains(&share)) {
            return Err(SettingError::Share.into());
        }
        self.policy.check(self.clock.now())
    }
}
