//! Calls on a breaker, side by side, over a store that fails or answers.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use shuttle::{
    future::{block_on, yield_now as pause},
    thread,
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    backend::Backend,
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    sync::scheduled::{at_most, below, chance},
};

pub(super) const OPEN_FOR: Duration = Duration::from_secs(1);
pub(super) const PROBES: u32 = 2;

/// A breaker that opens at any failure.
pub(super) trait Guard: Send + Sync + 'static {
    fn around(store: Store) -> Self;

    fn call(&self) -> impl Future<Output = Result<(), BackendError>>;
}

#[derive(Clone, Default)]
pub(super) struct Store(Arc<State>);

#[derive(Default)]
struct State {
    running: AtomicU32,
    /// Until it answers, it may be asked by probes alone.
    probed: AtomicBool,
    /// Answers every call; otherwise as chance will have it.
    up: AtomicBool,
    down: AtomicBool,
}

struct Running<'a>(&'a State);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Store {
    async fn meet(&self) -> Result<(), BackendError> {
        let State { running, probed, up, down } = &*self.0;
        let now = running.fetch_add(1, SeqCst) + 1;
        let running = Running(&self.0);
        assert!(now <= PROBES || !probed.load(SeqCst), "{now} probes at once");
        pause().await;
        let answers = up.load(SeqCst) || !down.load(SeqCst) && chance(2);
        pause().await;
        drop(running);
        if !answers {
            return Err(BackendError::new("scene", BackendErrorKind::Transient));
        }
        probed.store(false, SeqCst);
        Ok(())
    }
}

impl Backend for Store {
    async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.meet().await.map(|()| None)
    }

    async fn set(&self, _: &StoreKey, _: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        self.meet().await
    }

    async fn delete(&self, _: &StoreKey) -> Result<bool, BackendError> {
        self.meet().await.map(|()| true)
    }

    async fn exists(&self, _: &StoreKey) -> Result<bool, BackendError> {
        self.meet().await.map(|()| true)
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.meet().await
    }
}

/// Time that stands still until it is moved. All threads of a schedule are one of the system's, so it is that of all.
fn stopped_time() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn pass(time: Duration) {
    // It moves the clock when it is polled first, and then only yields.
    let _moved = pin!(tokio::time::advance(time)).poll(&mut Context::from_waker(Waker::noop()));
}

fn call_side_by_side<G: Guard>(guard: &Arc<G>) {
    let calls = (0..4).map(|_| {
        let guard = Arc::clone(guard);
        thread::spawn(move || {
            for _ in 0..2 {
                let patience = if chance(3) { 1 + below(3) } else { u64::MAX };
                let _outcome = block_on(at_most(patience, guard.call()));
            }
        })
    });
    calls.collect::<Vec<_>>().into_iter().for_each(|call| call.join().unwrap());
}

/// With a store that is well every call passes, the first after the time for which a breaker is open.
fn recovers<G: Guard>(guard: &G, Store(store): &Store) {
    assert_eq!(store.running.load(SeqCst), 0);
    store.up.store(true, SeqCst);
    pass(OPEN_FOR);
    for _ in 0..3 {
        block_on(guard.call()).unwrap();
    }
}

/// The store was down, and the time of the breaker is over.
pub(super) fn half_open<G: Guard>() {
    let (time, store) = (stopped_time(), Store::default());
    let _time = time.enter();
    let guard = Arc::new(G::around(store.clone()));
    store.0.down.store(true, SeqCst);
    block_on(guard.call()).unwrap_err();
    assert_eq!(block_on(guard.call()).unwrap_err().kind(), BackendErrorKind::Refused);
    store.0.down.store(false, SeqCst);
    pass(OPEN_FOR);
    store.0.probed.store(true, SeqCst);
    call_side_by_side(&guard);
    recovers(&*guard, &store);
}

/// The store fails while calls are under way, and time goes on.
pub(super) fn closed<G: Guard>() {
    let (time, store) = (stopped_time(), Store::default());
    let _time = time.enter();
    let guard = Arc::new(G::around(store.clone()));
    let passing = thread::spawn(|| (0..3).for_each(|_| pass(OPEN_FOR)));
    call_side_by_side(&guard);
    passing.join().unwrap();
    recovers(&*guard, &store);
}
