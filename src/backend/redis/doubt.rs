//! What becomes of a connection on which a caller gave up before the response limit.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{runtime::Handle, time::timeout};

use super::{command::Command, connect::Connection, link::Link, request::Request};

/// A call on a connection. If it is dropped unanswered, the server is asked for a sign of life in the caller's place:
/// a caller who gives up early, time after time, would else keep a half-open connection for ever.
pub(super) struct Unanswered<'a> {
    link: &'a Link,
    connection: &'a Arc<Connection>,
    over: bool,
}

impl<'a> Unanswered<'a> {
    pub(super) fn new(link: &'a Link, connection: &'a Arc<Connection>) -> Self {
        Self { link, connection, over: false }
    }

    /// The call was answered, or ran into its limit.
    pub(super) fn over(mut self) {
        self.over = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        // One sign of life at a time.
        if !self.over && !self.connection.doubted.swap(true, Relaxed) {
            runtime.spawn(Doubt { connection: self.connection.clone() }.check(self.link.clone()));
        }
    }
}

/// The wait for a sign of life. It is over when this is dropped, be it with the runtime of the task that waits.
struct Doubt {
    connection: Arc<Connection>,
}

impl Doubt {
    async fn check(self, link: Link) {
        // Once more for those who gave up meanwhile: a sign of life tells that all answers before it are in.
        while self.connection.has_dropped() {
            let ping = Request::one(Command::ping());
            let answered = timeout(link.limits().response, self.connection.ask(&ping)).await;
            if !matches!(answered, Ok(Ok(_))) {
                return link.replace(&self.connection);
            }
        }
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.connection.doubted.store(false, Relaxed);
    }
}
