//! Wall time in Unix milliseconds, which tests can set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// How far in milliseconds a coarse clock may be behind. The kernel moves it at each tick, of 10 ms at most, and where the
/// core that does so is not let run, another one does after 5 (since Linux 5.18).
const LAG_MS: u64 = 100;

/// Two moments between which it is now, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    earliest: u64,
    latest: u64,
}

impl About {
    pub(crate) fn exactly(now: u64) -> Self {
        Self { earliest: now, latest: now }
    }

    /// Whether something is so now that is so for one unbroken time. That it may be so is not told.
    #[inline]
    pub(crate) fn is_surely(self, so: impl Fn(u64) -> bool) -> bool {
        so(self.earliest) && so(self.latest)
    }
}

/// Where the time comes from: the system, or a test's hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// A clock that stands at this many milliseconds after 1970 until it is moved. Clones share it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn at(unix_ms: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(unix_ms))))
    }

    /// Moves a clock made by [`at`](Self::at); the system's clock stays as it is.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn set(&self, unix_ms: u64) {
        if let Some(hand) = &self.0 {
            hand.store(unix_ms, Ordering::SeqCst);
        }
    }

    /// Moves a clock made by [`at`](Self::at) forward; the system's clock stays as it is.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.set(self.now().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)));
    }

    /// Milliseconds since 1970; 0 before it.
    pub(crate) fn now(&self) -> u64 {
        match &self.0 {
            Some(hand) => hand.load(Ordering::SeqCst),
            None => system_time(),
        }
    }

    /// The time within a tenth of a second, which costs less than [`now`](Self::now) where the system has a coarse clock.
    #[inline]
    pub(crate) fn about_now(&self) -> About {
        let earliest = self.0.as_ref().map_or_else(coarse_time, |hand| hand.load(Ordering::SeqCst));
        About { earliest, latest: earliest.saturating_add(LAG_MS) }
    }
}

/// By way of libc, as the standard library's: whoever puts another clock there puts both.
#[cfg(all(feature = "l1", target_os = "linux"))]
fn coarse_time() -> u64 {
    use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};

    let coarse = clock_gettime_dynamic(DynamicClockId::Known(ClockId::RealtimeCoarse));
    let Ok(since) = coarse else { return system_time() };
    let millis = since.tv_sec.saturating_mul(1000).saturating_add(since.tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or(0)
}

#[cfg(not(all(feature = "l1", target_os = "linux")))]
fn coarse_time() -> u64 {
    system_time()
}

fn system_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_is_between_the_two_moments_now() {
        let (clock, end) = (Clock::default(), Instant::now() + Duration::from_millis(50));
        while Instant::now() < end {
            let (before, about, after) = (clock.now(), clock.about_now(), clock.now());
            assert!(about.earliest <= after && before <= about.latest, "{before} {about:?} {after}");
            assert_eq!(about.latest - about.earliest, LAG_MS);
        }
    }

    #[test]
    fn what_may_have_ended_or_not_begun_is_not_sure() {
        let about = Clock::at(1_000).about_now();
        assert!(about.is_surely(|now| (1_000..1_101).contains(&now)));
        assert!(!about.is_surely(|now| (1_001..1_101).contains(&now)));
        assert!(!about.is_surely(|now| (1_000..1_100).contains(&now)));
        assert!(About::exactly(7).is_surely(|now| now == 7));
    }
}
