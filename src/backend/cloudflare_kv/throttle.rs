//! Nothing is asked of a server that said how long it wants to be left alone.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::error::{BackendError, BackendErrorKind};

/// How long a server is left alone that says "too many requests" and not for how long.
const UNSAID: Duration = Duration::from_secs(1);

/// Until when calls are refused.
#[derive(Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

#[derive(Debug, thiserror::Error)]
#[error("not sent: the server said how long it takes no more requests")]
struct Paused;

impl Throttle {
    /// Whether a request may be sent.
    pub(super) fn allow(&self) -> Result<(), BackendError> {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            *until = None;
            return Ok(());
        }
        let refused = BackendError::new(super::NAME, BackendErrorKind::Throttled).with_source(Paused);
        Err(refused.with_retry_after(left))
    }

    /// The server wants no request for so long. An earlier wish that lasts longer stays.
    pub(super) fn begin(&self, after: Option<Duration>) {
        let end = Instant::now() + after.unwrap_or(UNSAID);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(end, |until| until.max(end)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_for_as_long_as_the_server_said() {
        let throttle = Throttle::default();
        assert!(throttle.allow().is_ok());
        throttle.begin(Some(Duration::from_secs(300)));
        throttle.begin(Some(Duration::from_secs(10))); // another request of before
        tokio::time::advance(Duration::from_millis(299_990)).await;
        let refused = throttle.allow().unwrap_err();
        assert_eq!(refused.kind(), BackendErrorKind::Throttled);
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(10)));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(throttle.allow().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn server_that_does_not_say_is_left_alone_for_a_second() {
        let throttle = Throttle::default();
        throttle.begin(None);
        assert_eq!(throttle.allow().unwrap_err().retry_after(), Some(UNSAID));
        tokio::time::advance(UNSAID).await;
        assert!(throttle.allow().is_ok());
    }
}
