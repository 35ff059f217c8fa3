//! One server: its connections, and the pause after it was not reached.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use super::{
    address::Address,
    connection::{Connection, Reply},
    error::Failure,
    request::{self, Request},
};
use crate::backend::pause::Pause;

/// How long a call may take, what it may be about, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    /// In bytes.
    pub(super) max_entry: usize,
    /// For each server.
    pub(super) max_connections: usize,
}

/// A server, the connections that no call uses, and the rules by which there are more.
pub(super) struct Server {
    pub(super) address: Address,
    limits: Limits,
    /// One for each call that has a connection, or makes one.
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    /// Whether there ever was a connection.
    reached: AtomicBool,
}

/// The lock is held for moments, never across an await.
#[derive(Default)]
struct State {
    /// The last one used is the next to be. Each with the end of its last call.
    idle: Vec<(Instant, Connection)>,
    /// After failed attempts, until one succeeds.
    pause: Option<Pause<Failure>>,
    /// Whether an attempt after a pause is under way: the server may still be down, so there is one at a time.
    probed: bool,
}

impl Server {
    pub(super) fn new(address: Address, limits: Limits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        Self { address, limits, permits, state: Mutex::default(), reached: AtomicBool::new(false) }
    }

    /// Most bytes in a request of several commands.
    pub(super) fn max_bytes(&self) -> usize {
        if self.address.is_tls() { request::MAX_BYTES_BY_TLS } else { request::MAX_BYTES }
    }

    /// Sends the request and waits for its answers, within the limit, all included.
    pub(super) async fn call(self: &Arc<Self>, request: &Request) -> Result<Vec<Reply>, Failure> {
        let runtime = Handle::try_current().map_err(|_| Failure::setting("no Tokio runtime"))?;
        let unanswered = Unanswered { server: self, began: Instant::now(), over: false };
        match timeout(request.limit(self.limits.timeout), self.ask(&runtime, request)).await {
            Ok(outcome) => {
                unanswered.over();
                outcome
            }
            Err(_) => Err(Failure::no_answer()),
        }
    }

    async fn ask(self: &Arc<Self>, runtime: &Handle, request: &Request) -> Result<Vec<Reply>, Failure> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Failure::no_connection())?;
        if let Some(connection) = self.idle() {
            match self.exchange(connection, request).await {
                // It may have ended while nobody used it, and the others with it: once more on a new one.
                Err(failure) if failure.lost_connection() => self.forget_idle(Instant::now()),
                done => return done,
            }
        }
        let (connection, _permit) = self.connect(runtime, permit).await?;
        self.exchange(connection, request).await
    }

    /// The connection is kept only after whole answers: whatever else happens, and where this is dropped, it ends.
    async fn exchange(&self, mut connection: Connection, request: &Request) -> Result<Vec<Reply>, Failure> {
        let replies = connection.exchange(request).await?;
        self.state().keep(connection);
        Ok(replies)
    }

    fn idle(&self) -> Option<Connection> {
        let mut state = self.state();
        while let Some((_, mut connection)) = state.idle.pop() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Those that no call has used since.
    fn forget_idle(&self, since: Instant) {
        let idle: Vec<_> = self.state().idle.extract_if(.., |(used, _)| *used <= since).collect();
        drop(idle); // not under the lock
    }

    /// A new connection, made in a task of its own: if the caller gives up, the next call finds it.
    async fn connect(
        self: &Arc<Self>,
        runtime: &Handle,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Connection, OwnedSemaphorePermit), Failure> {
        let attempt = self.attempt()?;
        let (tell, told) = oneshot::channel();
        runtime.spawn(async move {
            let opened = attempt.open().await.map(|connection| (connection, permit));
            if let Err(Ok((connection, _permit))) = tell.send(opened) {
                attempt.server.state().keep(connection);
            }
        });
        told.await.unwrap_or_else(|_| Err(Failure::orphaned()))
    }

    /// Leave to connect. During a pause, and while another looks whether it can end, there is the last failure instead.
    fn attempt(self: &Arc<Self>) -> Result<Attempt, Failure> {
        let mut state = self.state();
        let probes = match &state.pause {
            Some(pause) if state.probed || !pause.is_over() => return Err(pause.failure.clone()),
            pause => pause.is_some(),
        };
        state.probed |= probes;
        Ok(Attempt { server: self.clone(), probes })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, connection: Connection) {
        self.idle.push((Instant::now(), connection));
    }
}

/// A call. Dropped without an answer, at its limit or by a caller who gave up before it, it takes along what has been
/// idle all that time: if its own connection is half open, so are they.
struct Unanswered<'a> {
    server: &'a Server,
    began: Instant,
    over: bool,
}

impl Unanswered<'_> {
    fn over(mut self) {
        self.over = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.server.forget_idle(self.began);
        }
    }
}

/// An attempt to connect. It is over when this is dropped, be it with its runtime.
struct Attempt {
    server: Arc<Server>,
    probes: bool,
}

impl Attempt {
    async fn open(&self) -> Result<Connection, Failure> {
        let Server { address, limits, reached, .. } = &*self.server;
        let opening = Connection::open(&address.way, *limits, reached.load(Relaxed));
        let opened = timeout(limits.timeout, opening).await.unwrap_or_else(|_| Err(Failure::no_connection()));
        let mut state = self.server.state();
        match &opened {
            Ok(_) => {
                reached.store(true, Relaxed);
                state.pause = None;
            }
            // Of several attempts that fail at once, the first makes the pause.
            Err(_) if state.pause.as_ref().is_some_and(|pause| !pause.is_over()) => {}
            Err(failure) => state.pause = Some(Pause::after(state.pause.take(), failure.clone())),
        }
        drop(state);
        opened
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.probes {
            self.server.state().probed = false;
        }
    }
}
