//! The one connection that all calls share: made when it is needed, replaced when it is spoilt.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::Value;
use tokio::{runtime::Handle, sync::watch, time::timeout};

use super::{connect::Connection, doubt::Unanswered, error::Failure, request::Request, target::Target};
use crate::backend::pause::Pause;

/// The limit on connecting, and on waiting for an answer, unless they are set.
const LIMIT: Duration = Duration::from_secs(1);
/// How old a connection must be to be given up for an answer that a new one may not give.
const OUTDATED_AFTER: Duration = Duration::from_secs(1);
/// How often a call asks again for an attempt whose runtime went away.
const ORPHANED_ATTEMPTS: usize = 3;

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

/// A server, the connection to it if there is one, and the rules by which there is another.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) limits: Limits,
    state: Mutex<State>,
    /// Whether there ever was a connection.
    reached: AtomicBool,
}

/// What is known of the server. The lock is held for moments, never across an await.
#[derive(Default)]
struct State {
    current: Option<Arc<Connection>>,
    attempt: Option<Attempt>,
    /// The number of attempts so far.
    attempts: u64,
    pause: Option<Pause<Failure>>,
}

/// An attempt to connect, in a task of its own, that any number of calls wait for.
struct Attempt {
    number: u64,
    started: Instant,
    outcome: Outcome,
}

type Outcome = watch::Receiver<Option<Result<Arc<Connection>, Failure>>>;

enum Lookup {
    Connected(Arc<Connection>),
    Wait(Outcome),
    Paused(Failure),
}

impl Link {
    pub(super) fn new(target: Target, limits: Limits) -> Self {
        Self { target, limits, state: Mutex::default(), reached: AtomicBool::new(false) }
    }

    /// Sends the request and waits for the answer; if the connection turns out to be dead, once more on a new one.
    ///
    /// Takes at most the connect limit and the request's response limit, all included.
    pub(super) async fn call(self: &Arc<Self>, request: &Request) -> Result<Value, Failure> {
        let runtime = Handle::try_current().map_err(|_| Failure::setting("no Tokio runtime"))?;
        let limit = request.limit(self.limits.response);
        let deadline = Instant::now() + self.limits.connect + limit;
        let (connection, new) = self.connection(&runtime, self.limits.connect).await?;
        match self.ask(connection, request, limit).await {
            Err(failure) if failure.lost_connection() && !new => {}
            done => return done,
        }
        let (connection, _) = self.connection(&runtime, self.limits.connect.min(left(deadline))).await?;
        self.ask(connection, request, limit.min(left(deadline))).await
    }

    /// Waits for the answer. After a failure that spoils the connection later calls get another; those that are
    /// still waiting on this one keep it alive until they have their answers or run into their own limits.
    async fn ask(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        request: &Request,
        limit: Duration,
    ) -> Result<Value, Failure> {
        let unanswered = Unanswered::new(self, &connection);
        let answer = timeout(limit, connection.ask(request)).await;
        unanswered.over();
        let failure = match answer {
            Ok(Ok(value)) => match request.refusal(&value) {
                None => return Ok(value),
                Some(failure) => failure,
            },
            Ok(Err(failure)) => failure,
            Err(_) => Failure::no_answer(),
        };
        let outdated = failure.outdates_connection() && connection.since.elapsed() >= OUTDATED_AFTER;
        if outdated || failure.spoils_connection() {
            self.replace(&connection);
        }
        Err(failure)
    }

    /// Lets the next call connect anew, unless another call already has.
    pub(super) fn replace(&self, spoilt: &Arc<Connection>) {
        self.state().current.take_if(|current| Arc::ptr_eq(current, spoilt));
    }

    /// The connection, and whether it was waited for.
    async fn connection(
        self: &Arc<Self>,
        runtime: &Handle,
        limit: Duration,
    ) -> Result<(Arc<Connection>, bool), Failure> {
        if let Some(connection) = self.current() {
            return Ok((connection, false));
        }
        match timeout(limit, self.connected(runtime)).await {
            Ok(outcome) => outcome.map(|connection| (connection, true)),
            Err(_) => Err(Failure::no_connection()),
        }
    }

    fn current(&self) -> Option<Arc<Connection>> {
        self.state().current.clone().filter(|connection| connection.is_alive())
    }

    async fn connected(self: &Arc<Self>, runtime: &Handle) -> Result<Arc<Connection>, Failure> {
        for _ in 0..ORPHANED_ATTEMPTS {
            let mut outcome = match self.look_up(runtime) {
                Lookup::Connected(connection) => return Ok(connection),
                Lookup::Paused(failure) => return Err(failure),
                Lookup::Wait(outcome) => outcome,
            };
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                && let Some(outcome) = outcome.clone()
            {
                return outcome;
            }
        }
        Err(Failure::no_connection())
    }

    /// What there is, or a new attempt.
    fn look_up(self: &Arc<Self>, runtime: &Handle) -> Lookup {
        let mut state = self.state();
        if let Some(connection) = state.current.as_ref().filter(|connection| connection.is_alive()) {
            return Lookup::Connected(connection.clone());
        }
        if let Some(attempt) = state.attempt.as_ref().filter(|attempt| attempt.is_running(self.limits)) {
            return Lookup::Wait(attempt.outcome.clone());
        }
        if let Some(pause) = state.pause.as_ref().filter(|pause| !pause.is_over()) {
            return Lookup::Paused(pause.failure.clone());
        }
        state.attempts += 1;
        let (sender, outcome) = watch::channel(None);
        let attempt = Attempt { number: state.attempts, started: Instant::now(), outcome: outcome.clone() };
        let number = attempt.number;
        state.current = None;
        state.attempt = Some(attempt);
        drop(state);

        let link = self.clone();
        // A task, so that the attempt goes on when the caller's future is dropped.
        runtime.spawn(async move { sender.send(Some(link.attempt(number).await)) });
        Lookup::Wait(outcome)
    }

    async fn attempt(&self, number: u64) -> Result<Arc<Connection>, Failure> {
        let found_before = self.reached.load(Relaxed);
        let opened =
            timeout(self.limits.connect, Connection::open(&self.target, self.limits, found_before)).await;
        let opened = opened.unwrap_or_else(|_| Err(Failure::no_connection())).map(Arc::new);

        let mut state = self.state();
        if state.attempt.take_if(|attempt| attempt.number == number).is_none() {
            return opened; // it took so long that another attempt has begun, whose outcome counts
        }
        match &opened {
            Ok(connection) => {
                self.reached.store(true, Relaxed);
                state.pause = None;
                state.current = Some(connection.clone());
            }
            Err(failure) => state.pause = Some(Pause::after(state.pause.take(), failure.clone())),
        }
        opened
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Not if its runtime was shut down, or stands still: then the attempt outlives its own limit.
    fn is_running(&self, limits: Limits) -> bool {
        self.outcome.has_changed().is_ok() && self.started.elapsed() < limits.connect
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
