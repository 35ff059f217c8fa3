//! How long values live, and what a call may change of that.

use std::time::Duration;

use super::tags::Beginning;
use crate::{
    encrypted::{Times, later},
    error::Error,
};

/// The settings of a cache that a single call may change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) ttl: Duration,
    pub(super) stale: Duration,
    pub(super) none_ttl: Option<Duration>,
    /// Up to this share of a ttl is taken off at random.
    pub(super) jitter: f64,
    pub(super) soft_timeout: Option<Duration>,
    /// How long a stale value stands in before the function is tried again; at most a ttl.
    pub(super) fail_safe_pause: Duration,
    /// From this share of the ttl on, a value that is asked for is refreshed.
    pub(super) refresh_ahead: Option<f64>,
    /// No entry lives longer, so that a marker of a tag can end.
    pub(super) longest: Duration,
}

impl Policy {
    /// The times of a value that began then. `none`: the value is `None`. Its life counts from the clock, so that a marker
    /// that is ahead of it makes none longer; but for one that is `sealed` and would end before the marker's moment, at
    /// which it ends: no sealed entry ends before it begins.
    ///
    /// # Errors
    /// [`Error::Ttl`] for a ttl of zero, or together with the stale time above the longest lifetime.
    pub(super) fn times(&self, beginning: Beginning, none: bool, sealed: bool) -> Result<Times, Error> {
        let Beginning { now, created_at } = beginning;
        let (ttl, latest) = self.latest(now, none)?;
        let stale_at = later(now, self.spread(ttl))?;
        let expires_at = latest.min(later(stale_at, self.stale).unwrap_or(stale_at));
        let soonest = if sealed { later(created_at, Duration::from_millis(1))? } else { 0 };
        let (stale_at, expires_at) = (stale_at.max(soonest), expires_at.max(soonest));
        Ok(Times { created_at, stale_at, expires_at })
    }

    /// Refuses what no value created then could go by.
    ///
    /// # Errors
    /// As [`times`](Self::times).
    pub(super) fn check(&self, created_at: u64) -> Result<(), Error> {
        self.latest(created_at, false)?;
        self.none_ttl.map_or(Ok(()), |_| self.latest(created_at, true).map(drop))
    }

    /// The ttl before it is spread, and when the value ends at the latest.
    fn latest(&self, created_at: u64, none: bool) -> Result<(Duration, u64), Error> {
        let ttl = self.none_ttl.filter(|_| none).unwrap_or(self.ttl);
        let longest = ttl.checked_add(self.stale).filter(|all| *all <= self.longest).ok_or(Error::Ttl)?;
        later(created_at, ttl)?;
        Ok((ttl, later(created_at, longest)?))
    }

    /// The ttl less a random part, and never zero unless it is.
    fn spread(&self, ttl: Duration) -> Duration {
        if self.jitter == 0.0 {
            return ttl;
        }
        let random = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        ttl.mul_f64(1.0 - self.jitter * random).max(ttl.min(Duration::from_millis(1)))
    }
}
