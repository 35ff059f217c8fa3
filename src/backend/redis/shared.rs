//! One thing that all calls share, such as a connection: made when it is needed, by one attempt at a time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch, time::timeout};

use super::error::Failure;
use crate::backend::pause::Pause;

/// How often a call asks again for an attempt whose runtime went away.
const ORPHANED_ATTEMPTS: usize = 3;

/// How the thing is made.
pub(super) trait Source: Send + Sync + 'static {
    type Made: Send + Sync + 'static;

    /// How long an attempt may take.
    fn limit(&self) -> Duration;

    fn make(&self) -> impl Future<Output = Result<Self::Made, Failure>> + Send;

    /// Whether it is still of use.
    fn works(made: &Self::Made) -> bool;
}

/// The thing if there is one, and the rules by which there is another.
pub(super) struct Shared<S: Source> {
    pub(super) source: S,
    state: Mutex<State<S::Made>>,
}

/// What is known. The lock is held for moments, never across an await.
struct State<T> {
    current: Option<Arc<T>>,
    attempt: Option<Attempt<T>>,
    /// The number of attempts so far.
    attempts: u64,
    pause: Option<Pause<Failure>>,
}

/// An attempt, in a task of its own, that any number of calls wait for.
struct Attempt<T> {
    number: u64,
    started: Instant,
    outcome: Outcome<T>,
}

type Outcome<T> = watch::Receiver<Option<Result<Arc<T>, Failure>>>;

enum Lookup<T> {
    Made(Arc<T>),
    Wait(Outcome<T>),
    Paused(Failure),
}

impl<S: Source> Shared<S> {
    pub(super) fn new(source: S) -> Self {
        let state = State { current: None, attempt: None, attempts: 0, pause: None };
        Self { source, state: Mutex::new(state) }
    }

    /// What there is or can be had within the limit, and whether it was waited for.
    pub(super) async fn get(self: &Arc<Self>, limit: Duration) -> Result<(Arc<S::Made>, bool), Failure> {
        let runtime = Handle::try_current().map_err(|_| Failure::setting("no Tokio runtime"))?;
        if let Some(made) = self.current() {
            return Ok((made, false));
        }
        match timeout(limit, self.other_than(None, &runtime)).await {
            Ok(outcome) => outcome.map(|made| (made, true)),
            Err(_) => Err(Failure::no_connection()),
        }
    }

    pub(super) fn current(&self) -> Option<Arc<S::Made>> {
        self.state().current.clone().filter(|made| S::works(made))
    }

    /// Lets the next call have another made, unless it already was.
    pub(super) fn replace(&self, spoilt: &Arc<S::Made>) {
        self.state().current.take_if(|current| Arc::ptr_eq(current, spoilt));
    }

    async fn other_than(
        self: &Arc<Self>,
        old: Option<&Arc<S::Made>>,
        runtime: &Handle,
    ) -> Result<Arc<S::Made>, Failure> {
        for _ in 0..ORPHANED_ATTEMPTS {
            let mut outcome = match self.look_up(old, runtime) {
                Lookup::Made(made) => return Ok(made),
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

    /// What there is besides `old`, or a new attempt. Until that has succeeded, `old` is what others get.
    fn look_up(self: &Arc<Self>, old: Option<&Arc<S::Made>>, runtime: &Handle) -> Lookup<S::Made> {
        let mut state = self.state();
        state.current.take_if(|current| !S::works(current));
        let is_old = |made: &Arc<S::Made>| old.is_some_and(|old| Arc::ptr_eq(old, made));
        if let Some(current) = state.current.as_ref().filter(|current| !is_old(current)) {
            return Lookup::Made(current.clone());
        }
        let limit = self.source.limit();
        if let Some(attempt) = state.attempt.as_ref().filter(|attempt| attempt.is_running(limit)) {
            return Lookup::Wait(attempt.outcome.clone());
        }
        if let Some(pause) = state.pause.as_ref().filter(|pause| !pause.is_over()) {
            return Lookup::Paused(pause.failure.clone());
        }
        state.attempts += 1;
        let (sender, outcome) = watch::channel(None);
        let attempt = Attempt { number: state.attempts, started: Instant::now(), outcome: outcome.clone() };
        let number = attempt.number;
        state.attempt = Some(attempt);
        drop(state);

        let shared = self.clone();
        // A task, so that the attempt goes on when the caller's future is dropped.
        runtime.spawn(async move { sender.send(Some(shared.attempt(number).await)) });
        Lookup::Wait(outcome)
    }

    async fn attempt(&self, number: u64) -> Result<Arc<S::Made>, Failure> {
        let made = timeout(self.source.limit(), self.source.make()).await;
        let made = made.unwrap_or_else(|_| Err(Failure::no_connection())).map(Arc::new);

        let mut state = self.state();
        if state.attempt.take_if(|attempt| attempt.number == number).is_none() {
            return made; // it took so long that another attempt has begun, whose outcome counts
        }
        match &made {
            Ok(made) => {
                state.pause = None;
                state.current = Some(made.clone());
            }
            Err(failure) => state.pause = Some(Pause::after(state.pause.take(), failure.clone())),
        }
        made
    }

    fn state(&self) -> MutexGuard<'_, State<S::Made>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For what is still of use when it is known to be outdated.
#[cfg(feature = "redis-cluster")]
impl<S: Source> Shared<S> {
    /// Has another made than `old`, unless it already was. Nothing waits for it.
    pub(super) fn renew(self: &Arc<Self>, old: &Arc<S::Made>) {
        if let Ok(runtime) = Handle::try_current() {
            self.look_up(Some(old), &runtime);
        }
    }

    /// Another than `old`, if there is one within the limit.
    pub(super) async fn renewed(
        self: &Arc<Self>,
        old: &Arc<S::Made>,
        limit: Duration,
    ) -> Option<Arc<S::Made>> {
        let runtime = Handle::try_current().ok()?;
        timeout(limit, self.other_than(Some(old), &runtime)).await.ok()?.ok()
    }
}

impl<T> Attempt<T> {
    /// Not if its runtime was shut down, or stands still: then the attempt outlives its own limit.
    fn is_running(&self, limit: Duration) -> bool {
        self.outcome.has_changed().is_ok() && self.started.elapsed() < limit
    }
}
