//! What `Cache::stats` gives.

use std::time::Duration;

use super::BreakerState;
use crate::crypto::KeyId;

/// What a cache, with its clones and tenants, has done since it was built: the numbers of the feature `metrics`, without
/// it. The lists have what has happened, and nothing else.
///
/// # Feature `metrics`
///
/// Through the [`metrics`](https://docs.rs/metrics) facade, each with the label `backend`, the name of the store:
///
/// | metric | further labels | |
/// |---|---|---|
/// | `blindcache_requests_total` | `operation`, `outcome` | keys asked for: [`Requests`] |
/// | `blindcache_call_duration_seconds` | `operation`, `outcome` | a histogram of the calls that went beyond memory |
/// | `blindcache_unreadable_total` | `reason` | [`unreadable_by_reason`](Self::unreadable_by_reason) |
/// | `blindcache_troubles_total` | `reason` | [`troubles_by_reason`](Self::troubles_by_reason) |
/// | `blindcache_opened_total` | `key_id` | [`opened`](Self::opened) |
/// | `blindcache_waits_total` | | [`waits`](Self::waits) |
/// | `blindcache_l1_entries`, `blindcache_l1_bytes` | | gauges of what is in memory |
/// | `blindcache_breaker_state` | | a gauge: 0 closed, 1 half open, 2 open |
///
/// A cache looks for the recorder when it is built, so that counting looks nothing up: install the recorder before. Caches
/// over stores of one name add up; of several breakers, the gauge shows the one that changed last.
///
/// # Feature `tracing`
///
/// Each call on a cache, and each refresh in the background, is a span `cache` of the target `blindcache`, level debug. It has
/// the `operation`, at its end the `outcome`, and the `locator`, the first 8 characters of the name in the store; a batch has
/// the number of its `keys` instead, and where memory answered there is no locator, which would cost an HMAC. What
/// cannot be read (with its `locator`), trouble with the store, what was refused, and a refresh that failed in the
/// background are warnings.
///
/// No key, tenant, namespace, tag or value is in any of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// `blindcache_requests_total` and `blindcache_call_duration_seconds`: keys asked for, by method and how it ended.
    /// The next seven are sums of these.
    pub requests: Vec<Requests>,
    /// Values found in memory, without asking the store.
    pub l1_hits: u64,
    /// Values found after asking the store.
    pub hits: u64,
    /// Values used past their ttl.
    pub stale: u64,
    /// Values got from another call that was at it.
    pub waited: u64,
    /// Values that were not found, and not computed.
    pub misses: u64,
    /// Values computed by the callers' functions, in the background too.
    pub computed: u64,
    /// Requests that ended in an error.
    pub errors: u64,
    /// Entries and markers that could not be read.
    pub unreadable: u64,
    /// `blindcache_unreadable_total`: the same by [`Unreadable::as_str`](crate::Unreadable::as_str).
    pub unreadable_by_reason: Vec<(&'static str, u64)>,
    /// Other trouble: calls on the store that failed; keys, values, tags and ttls that were refused.
    pub troubles: u64,
    /// `blindcache_troubles_total`: the same by [`BackendErrorKind::as_str`](crate::BackendErrorKind::as_str), or `key`,
    /// `value`, `tag`, `ttl`, `random`, `setting`.
    pub troubles_by_reason: Vec<(&'static str, u64)>,
    /// `blindcache_opened_total`: entries and markers that were opened, by the master key that they were sealed with.
    /// When an old key stands still for as long as entries live, it is no longer needed. `None` is every key after the
    /// first 64.
    pub opened: Vec<(Option<KeyId>, u64)>,
    /// `blindcache_waits_total`: calls that waited for another's computation, whatever came of it.
    pub waits: u64,
    /// `blindcache_l1_entries`: how many entries are in memory now.
    pub l1_entries: u64,
    /// `blindcache_l1_bytes`: how many bytes these count for.
    pub l1_bytes: u64,
    /// How many keys are being read, computed or written now.
    pub in_flight: u64,
    /// `blindcache_breaker_state`: what the circuit breaker in front of the store does, if there is one.
    pub breaker: Option<BreakerState>,
}

/// Requests of one method of [`Cache`](crate::Cache) that ended in one way. A batch makes one for each of its keys.
///
/// | outcome | |
/// |---|---|
/// | `l1_hit` | found in memory, and the store not asked |
/// | `hit` | found in the store, or in memory once the store had been asked for markers; of `delete`: there was one |
/// | `stale` | found past its ttl, and used |
/// | `waited` | got from another call that was at it |
/// | `miss` | not found |
/// | `done` | written, or invalidated |
/// | `computed` | computed by the caller's function |
/// | `error` | the function failed and nothing stood in for it, or the cache did and the caller was told |
/// | `dropped` | the future was dropped before its end |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// The method's name, or `background_refresh` for what `get_or_refresh` leaves behind.
    pub operation: &'static str,
    /// How it ended.
    pub outcome: &'static str,
    /// Whether the method asks for values.
    pub(super) reads: bool,
    /// For how many keys.
    pub count: u64,
    /// How many calls went beyond memory. A batch is here under the outcome that stands last in the table above.
    pub timed: u64,
    /// How long these took together.
    pub time: Duration,
}

impl Stats {
    /// The sums over the requests; the rest is empty.
    pub(super) fn of(requests: Vec<Requests>) -> Self {
        let sum = |outcome, of: fn(&Requests) -> bool| {
            let chosen = requests.iter().filter(|requests| requests.outcome == outcome && of(requests));
            chosen.map(|requests| requests.count).sum()
        };
        let values = |outcome| sum(outcome, |requests| requests.reads);
        let all = |outcome| sum(outcome, |_| true);
        Self {
            l1_hits: values("l1_hit"),
            hits: values("hit"),
            stale: values("stale"),
            waited: values("waited"),
            misses: values("miss"),
            computed: all("computed"),
            errors: all("error"),
            requests,
            ..Self::default()
        }
    }

    /// How many requests of this method ended so.
    pub fn count(&self, operation: &str, outcome: &str) -> u64 {
        let mut requests = self.requests.iter();
        let found = requests.find(|requests| (requests.operation, requests.outcome) == (operation, outcome));
        found.map_or(0, |requests| requests.count)
    }
}
