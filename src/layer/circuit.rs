//! What a [`Breaker`](super::Breaker) knows and when it changes: no call is made here.

use std::{collections::VecDeque, sync::PoisonError, time::Duration};

use tokio::time::Instant;

use super::{Mutex, MutexGuard};
use crate::{
    error::{BackendError, BackendErrorKind},
    metrics::{self, BreakerState},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) share: f64,
    pub(super) min_calls: usize,
    pub(super) window: Duration,
    pub(super) open_for: Duration,
    pub(super) probes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let (window, open_for) = (Duration::from_secs(10), Duration::from_secs(5));
        Self { share: 0.5, min_calls: 10, window, open_for, probes: 1 }
    }
}

/// The settings, and the state behind a lock that is held for moments, never across an await.
#[derive(Debug)]
pub(super) struct Circuit {
    settings: Settings,
    /// Of the store, for metrics.
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// How often it opened or closed: what a call of an earlier time ends with no longer counts.
    epoch: u64,
    /// How many calls were answered.
    answers: u64,
}

#[derive(Debug)]
enum Phase {
    Closed(Window),
    /// Open until `next`. From then on half open: `free` more calls may pass as probes.
    Broken {
        probing: bool,
        free: u32,
        next: Instant,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed(Window::default())
    }
}

/// How the last calls ended, oldest first: when, and whether they failed.
#[derive(Debug, Default)]
struct Window {
    calls: VecDeque<(Instant, bool)>,
    failures: usize,
}

/// What the end of a call says about the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Answer,
    Failure,
    TimedOut,
    Nothing,
}

/// A call under way. Dropped, it counts as nothing and gives its place as a probe back.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    circuit: &'a Circuit,
    epoch: u64,
    answers: u64,
    /// Of a probe, until when others of its time may pass: those of a later time have places of their own.
    until: Option<Instant>,
    verdict: Verdict,
}

impl Circuit {
    pub(super) fn new(settings: Settings, name: &'static str) -> Self {
        Self { settings, name, state: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn state(&self) -> BreakerState {
        match &self.lock().phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Broken { probing, next, .. } if *probing || *next <= Instant::now() => {
                BreakerState::HalfOpen
            }
            Phase::Broken { .. } => BreakerState::Open,
        }
    }

    /// Lets a call pass, or says how long it is until one may.
    pub(super) fn enter(&self) -> Result<Pass<'_>, Duration> {
        let mut state = self.lock();
        let mut until = None;
        if let Phase::Broken { probing, free, next } = &mut state.phase {
            let now = Instant::now();
            if *next <= now {
                // Again after each such time: a probe that never comes back must not keep the breaker open.
                (*probing, *free, *next) = (true, self.settings.probes, now + self.settings.open_for);
                metrics::breaker(self.name, BreakerState::HalfOpen);
            }
            *free = free.checked_sub(1).ok_or(*next - now)?;
            until = Some(*next);
        }
        let (epoch, answers) = (state.epoch, state.answers);
        Ok(Pass { circuit: self, epoch, answers, until, verdict: Verdict::Nothing })
    }

    fn settle(&self, pass: &Pass<'_>) {
        let mut state = self.lock();
        if state.epoch != pass.epoch {
            return;
        }
        let now = Instant::now();
        let silent = pass.verdict == Verdict::TimedOut && state.answers == pass.answers;
        state.answers += u64::from(pass.verdict == Verdict::Answer);
        match (&mut state.phase, pass.verdict) {
            (Phase::Closed(_), Verdict::Nothing) => {}
            (Phase::Closed(window), Verdict::Answer) => window.push(now, false, &self.settings),
            (Phase::Closed(window), Verdict::Failure | Verdict::TimedOut) => {
                window.push(now, true, &self.settings);
                if silent || window.is_bad(&self.settings) {
                    self.open(&mut state, now);
                }
            }
            (Phase::Broken { free, next, .. }, Verdict::Nothing) => {
                *free += u32::from(pass.until == Some(*next));
            }
            (Phase::Broken { .. }, Verdict::Answer) => {
                state.turn(Phase::default());
                metrics::breaker(self.name, BreakerState::Closed);
            }
            (Phase::Broken { .. }, Verdict::Failure | Verdict::TimedOut) => self.open(&mut state, now),
        }
    }

    fn open(&self, state: &mut State, now: Instant) {
        let next = now + self.settings.open_for;
        state.turn(Phase::Broken { probing: false, free: 0, next });
        metrics::breaker(self.name, BreakerState::Open);
    }

    /// The state, also after a panic elsewhere: every change to it is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

impl Window {
    fn push(&mut self, now: Instant, failed: bool, settings: &Settings) {
        while self.calls.front().is_some_and(|(end, _)| now.duration_since(*end) >= settings.window) {
            self.pop();
        }
        if self.calls.len() >= 2 * settings.min_calls {
            self.pop();
        }
        self.calls.push_back((now, failed));
        self.failures += usize::from(failed);
    }

    fn pop(&mut self) {
        if let Some((_, failed)) = self.calls.pop_front() {
            self.failures -= usize::from(failed);
        }
    }

    fn is_bad(&self, settings: &Settings) -> bool {
        let calls = self.calls.len();
        calls >= settings.min_calls && self.failures as f64 / calls as f64 >= settings.share
    }
}

impl Pass<'_> {
    /// The call ended, with this error if there was one.
    pub(super) fn report(mut self, failure: Option<&BackendError>) {
        self.verdict = Verdict::of(failure);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.circuit.settle(self);
    }
}

impl Verdict {
    fn of(failure: Option<&BackendError>) -> Self {
        use BackendErrorKind as Kind;
        let Some(failure) = failure else { return Self::Answer };
        match failure.kind() {
            // A store that is full refuses writes and still reads. One that says for how long is to be left alone.
            Kind::Throttled if failure.retry_after().is_none() => Self::Answer,
            Kind::Denied | Kind::Rejected => Self::Answer,
            Kind::Transient | Kind::Throttled => Self::Failure,
            Kind::Timeout => Self::TimedOut,
            Kind::Refused | Kind::TooLarge | Kind::Misconfigured => Self::Nothing,
        }
    }
}
