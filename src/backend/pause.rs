//! The pause after a failed attempt to connect.

use std::time::{Duration, Instant};

/// The pause after a first failed attempt to connect; it doubles from there.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause between two attempts: how long after its recovery a server can still seem to be down.
const LONGEST: Duration = Duration::from_secs(1);

/// After failed attempts, calls get the last one's failure at once until the pause is over.
pub(super) struct Pause<F> {
    until: Instant,
    failures: u32,
    pub(super) failure: F,
}

impl<F> Pause<F> {
    /// Half of it is random, so that many processes do not come back as one. Without random bytes it is the longest.
    pub(super) fn after(last: Option<Self>, failure: F) -> Self {
        let failures = last.map_or(0, |last| last.failures).saturating_add(1);
        let longest = FIRST.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST);
        let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        Self { until: Instant::now() + longest.mul_f64(0.5 + random / 2.0), failures, failure }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}
