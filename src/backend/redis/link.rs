//! The one connection to a server that all calls share, and a call on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::Value;
use tokio::time::timeout;

use super::{
    connect::Connection,
    doubt::Unanswered,
    error::Failure,
    request::Request,
    shared::{Shared, Source},
    target::Target,
};

/// The limit on connecting, and on waiting for an answer, unless they are set.
const LIMIT: Duration = Duration::from_secs(1);
/// How old a connection must be to be given up for an answer that a new one may not give.
const OUTDATED_AFTER: Duration = Duration::from_secs(1);
/// Largest entry in bytes unless it is set: 128 MiB, twice the largest value that `EncryptedBackend` takes by default.
const MAX_ENTRY: usize = 128 * 1024 * 1024;

/// How long a call may take, and what it may be about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) response: Duration,
    /// In bytes.
    pub(super) max_entry: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: LIMIT, response: LIMIT, max_entry: MAX_ENTRY }
    }
}

impl Limits {
    /// When a call that begins now, and is answered within `answer`, is over.
    pub(super) fn deadline(&self, answer: Duration) -> Instant {
        Instant::now() + self.connect + answer
    }
}

/// A server, and the connection to it if there is one. Clones share it.
#[derive(Clone)]
pub(super) struct Link {
    connections: Arc<Shared<Server>>,
}

/// Whom to connect to, and within which limits.
pub(super) struct Server {
    target: Target,
    limits: Limits,
    /// Whether there ever was a connection.
    reached: AtomicBool,
}

impl Source for Server {
    type Made = Connection;

    fn limit(&self) -> Duration {
        self.limits.connect
    }

    async fn make(&self) -> Result<Connection, Failure> {
        let connection = Connection::open(&self.target, self.limits, self.reached.load(Relaxed)).await?;
        self.reached.store(true, Relaxed);
        Ok(connection)
    }

    fn works(connection: &Connection) -> bool {
        connection.is_alive()
    }
}

impl Link {
    pub(super) fn new(target: Target, limits: Limits) -> Self {
        let server = Server { target, limits, reached: AtomicBool::new(false) };
        Self { connections: Arc::new(Shared::new(server)) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.connections.source.target
    }

    pub(super) fn limits(&self) -> Limits {
        self.connections.source.limits
    }

    /// The answer, none of it an error. Takes at most the connect limit and the request's response limit.
    pub(super) async fn call(&self, request: &Request) -> Result<Value, Failure> {
        let limits = self.limits();
        let answer = self.exchange(request, limits.deadline(request.limit(limits.response))).await?;
        match request.refusal(&answer) {
            None => Ok(answer),
            Some(failure) => Err(failure),
        }
    }

    /// Sends the request and waits for the answer, which may hold the server's errors. If the connection turns out to be
    /// dead, once more on a new one. All by the deadline.
    pub(super) async fn exchange(&self, request: &Request, deadline: Instant) -> Result<Value, Failure> {
        let Limits { connect, response, .. } = self.limits();
        let limit = request.limit(response);
        let (connection, new) = self.connections.get(connect.min(left(deadline))).await?;
        match self.ask(connection, request, limit.min(left(deadline))).await {
            Err(failure) if failure.lost_connection() && !new => {}
            done => return done,
        }
        let (connection, _) = self.connections.get(connect.min(left(deadline))).await?;
        self.ask(connection, request, limit.min(left(deadline))).await
    }

    /// Waits for the answer. After a failure that spoils the connection later calls get another; those that are
    /// still waiting on this one keep it alive until they have their answers or run into their own limits.
    async fn ask(
        &self,
        connection: Arc<Connection>,
        request: &Request,
        limit: Duration,
    ) -> Result<Value, Failure> {
        let unanswered = Unanswered::new(self, &connection);
        let answer = timeout(limit, connection.ask(request)).await;
        unanswered.over();
        let answer = answer.unwrap_or_else(|_| Err(Failure::no_answer()));
        let failure = match &answer {
            Ok(value) => request.refusal(value),
            Err(failure) => Some(failure.clone()),
        };
        if let Some(failure) = failure {
            let outdated = failure.outdates_connection() && connection.since.elapsed() >= OUTDATED_AFTER;
            if outdated || failure.spoils_connection() {
                self.replace(&connection);
            }
        }
        answer
    }

    /// Lets the next call connect anew, unless another call already has.
    pub(super) fn replace(&self, spoilt: &Arc<Connection>) {
        self.connections.replace(spoilt);
    }
}

/// For one of many servers.
#[cfg(feature = "redis-cluster")]
impl Link {
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connections, &other.connections)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connections.current().is_some()
    }

    /// Ends the connection as soon as no call needs it.
    pub(super) fn rest(&self) {
        if let Some(connection) = self.connections.current() {
            self.replace(&connection);
        }
    }
}

pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
