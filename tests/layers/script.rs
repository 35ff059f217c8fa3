//! A store that does what a test tells it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use blindcache::{
    Backend, BackendError, BackendErrorKind as Kind, BreakerState, Error, Sealed, SettingError, StoreKey,
    Write,
};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

/// What one call does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    delay: Duration,
    failure: Option<(Kind, Option<Duration>)>,
}

/// Does the steps that it was given, call by call, and then the last thing that it was told to go on with.
#[derive(Debug, Clone, Default)]
pub(super) struct Script(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    steps: Mutex<VecDeque<Step>>,
    rest: Mutex<Step>,
    calls: Mutex<Vec<(&'static str, Instant)>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

struct Running<'a>(&'a AtomicUsize);

pub(super) const fn ok() -> Step {
    Step { delay: Duration::ZERO, failure: None }
}

pub(super) const fn fail(kind: Kind) -> Step {
    Step { delay: Duration::ZERO, failure: Some((kind, None)) }
}

pub(super) const fn hang() -> Step {
    ok().after(Duration::from_secs(1_000_000))
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn key() -> StoreKey {
    StoreKey::parse(&format!("b1.{}", "a".repeat(52))).unwrap()
}

pub(super) fn entry() -> Sealed {
    Sealed::parse([b"\xC1bc\x01", &[0; 112][..]].concat()).unwrap()
}

impl Step {
    pub(super) const fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(super) fn retry_after(self, after: Duration) -> Self {
        Self { failure: self.failure.map(|(kind, _)| (kind, Some(after))), ..self }
    }
}

impl Script {
    pub(super) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.next(steps);
        script
    }

    pub(super) fn always(rest: Step) -> Self {
        let script = Self::default();
        script.go_on_with(rest);
        script
    }

    pub(super) fn next(&self, steps: impl IntoIterator<Item = Step>) {
        self.0.steps.lock().unwrap().extend(steps);
    }

    pub(super) fn go_on_with(&self, rest: Step) {
        *self.0.rest.lock().unwrap() = rest;
    }

    /// The calls that reached it so far.
    pub(super) fn count(&self) -> usize {
        self.0.calls.lock().unwrap().len()
    }

    pub(super) fn methods(&self) -> Vec<&'static str> {
        self.0.calls.lock().unwrap().iter().map(|(method, _)| *method).collect()
    }

    pub(super) fn starts(&self) -> Vec<Instant> {
        self.0.calls.lock().unwrap().iter().map(|(_, start)| *start).collect()
    }

    pub(super) fn running(&self) -> usize {
        self.0.running.load(SeqCst)
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.0.most.load(SeqCst)
    }

    async fn step(&self, method: &'static str) -> Result<(), BackendError> {
        self.0.calls.lock().unwrap().push((method, Instant::now()));
        self.0.most.fetch_max(self.0.running.fetch_add(1, SeqCst) + 1, SeqCst);
        let _running = Running(&self.0.running);
        let next = self.0.steps.lock().unwrap().pop_front();
        let Step { delay, failure } = next.unwrap_or_else(|| *self.0.rest.lock().unwrap());
        if !delay.is_zero() {
            sleep(delay).await;
        }
        failure.map_or(Ok(()), |(kind, after)| {
            let error = BackendError::new("script", kind);
            Err(after.into_iter().fold(error, BackendError::with_retry_after))
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for Script {
    async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.step("get").await.map(|()| None)
    }
    async fn set(&self, _: &StoreKey, _: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        self.step("set").await
    }
    async fn delete(&self, _: &StoreKey) -> Result<bool, BackendError> {
        self.step("delete").await.map(|()| true)
    }
    async fn exists(&self, _: &StoreKey) -> Result<bool, BackendError> {
        self.step("exists").await.map(|()| true)
    }
    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.step("get_many").await.map(|()| vec![None; keys.len()])
    }
    async fn set_many(&self, _: Vec<Write>) -> Result<(), BackendError> {
        self.step("set_many").await
    }
    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        self.step("delete_many").await.map(|()| vec![true; keys.len()])
    }
    fn name(&self) -> &'static str {
        "script"
    }
    async fn ping(&self) -> Result<(), BackendError> {
        self.step("ping").await
    }
    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

/// Makes every call there is, each once.
pub(super) async fn call_all(backend: &impl Backend) -> Result<(), BackendError> {
    backend.get(&key()).await?;
    backend.set(&key(), entry(), None).await?;
    backend.delete(&key()).await?;
    backend.exists(&key()).await?;
    backend.get_many(&[key()]).await?;
    backend.set_many(vec![(key(), entry(), None)]).await?;
    backend.delete_many(&[key()]).await?;
    backend.ping().await
}

/// The names of what [`call_all`] calls.
pub(super) const ALL: [&str; 8] =
    ["get", "set", "delete", "exists", "get_many", "set_many", "delete_many", "ping"];

/// The kind of the error of a call that must fail, in the name of the store.
#[track_caller]
pub(super) fn kind<T>(result: Result<T, BackendError>) -> Kind {
    let error = result.err().expect("the call fails");
    assert_eq!(error.backend(), "script");
    error.kind()
}

#[track_caller]
pub(super) fn refused<T>(setting: Result<T, Error>) {
    assert!(matches!(setting, Err(Error::Setting(SettingError::Layer { .. }))));
}

/// Polls once and says whether the future is still pending; then it is dropped.
pub(super) fn polled_once_and_dropped(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// The kind of the error of a call that fails without waiting, be there a runtime or not.
#[track_caller]
pub(super) fn failed_at_once<T>(call: impl Future<Output = Result<T, BackendError>>) -> Kind {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => kind(result),
        Poll::Pending => panic!("the call waits"),
    }
}

/// How long it took in paused time.
pub(super) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}
