//! Wall time in Unix milliseconds, which tests can set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

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
}

fn system_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into())
}
