//! Locks that are shuttle's within a schedule, and the standard library's elsewhere; and what runs schedules. One that
//! fails is told: by its seed, which `SHUTTLE_RANDOM_SEED` takes, and in full. `SHUTTLE_ROUNDS=20` runs twenty times as many.

use std::{
    cell::Cell,
    fmt,
    future::{Future, poll_fn},
    ops::{Deref, DerefMut},
    panic::catch_unwind,
    pin::pin,
    sync::{LockResult, PoisonError, atomic::Ordering::SeqCst},
    task::Poll,
};

use shuttle::{
    Config, Runner,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    sync::atomic::AtomicUsize,
};

thread_local! {
    /// All threads of a schedule are one of the system's.
    static SCHEDULED: Cell<bool> = const { Cell::new(false) };
}

/// Where another thread of the schedule may go on.
pub(crate) fn point() {
    if SCHEDULED.get() {
        AtomicUsize::new(0).load(SeqCst);
    }
}

/// A lock whose owner shuttle decides: it comes first, and keeps others from the other lock.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    gate: shuttle::sync::Mutex<()>,
    value: std::sync::Mutex<T>,
}

/// The value goes before the gate opens.
pub(crate) struct MutexGuard<'a, T> {
    value: std::sync::MutexGuard<'a, T>,
    _gate: Option<shuttle::sync::MutexGuard<'a, ()>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { gate: shuttle::sync::Mutex::new(()), value: std::sync::Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let gate = SCHEDULED.get().then(|| self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        let guard = |value| MutexGuard { value, _gate: gate };
        match self.value.lock() {
            Ok(value) => Ok(guard(value)),
            Err(poisoned) => Err(PoisonError::new(guard(poisoned.into_inner()))),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// Chooses at each step who goes on.
pub(crate) fn random(schedules: usize, scenario: impl Fn() + Send + Sync + 'static) {
    run(RandomScheduler::new(schedules * rounds()), scenario);
}

/// Few changes of the thread that runs, at any place: finds what needs one long order.
pub(crate) fn pct(schedules: usize, scenario: impl Fn() + Send + Sync + 'static) {
    run(PctScheduler::new(3, schedules * rounds()), scenario);
}

/// With a planted race, `scenario` must fail, or it would not see one in the code either.
pub(crate) fn assert_found(scenario: fn()) {
    let found =
        catch_unwind(|| pct(3_000, scenario)).is_err() || catch_unwind(|| random(3_000, scenario)).is_err();
    assert!(found, "the planted race was not found");
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    struct Scheduled;
    impl Drop for Scheduled {
        fn drop(&mut self) {
            SCHEDULED.set(false);
        }
    }
    let mut config = Config::default();
    config.stack_size = 256 << 10; // the futures of a debug build are large
    config.silence_warnings = true; // that atomics are sequentially consistent: here they need no order
    let _scheduled = Scheduled;
    SCHEDULED.set(true);
    Runner::new(scheduler, config).run(scenario);
}

fn rounds() -> usize {
    std::env::var("SHUTTLE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

pub(crate) fn chance(of: u64) -> bool {
    thread_rng().gen_range(0..of) == 0
}

/// A number below `end`.
pub(crate) fn below(end: u64) -> u64 {
    thread_rng().gen_range(0..end)
}

/// Drops the future at the end of its `polls`th poll; between the polls it need not be woken.
pub(crate) async fn at_most<T>(mut polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if polls == u64::MAX => Poll::Pending,
        Poll::Pending => {
            polls -= 1;
            if polls == 0 {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}
