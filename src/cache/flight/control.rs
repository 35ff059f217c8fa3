//! Races planted on purpose: what [`schedules`](super::schedules) runs must find them.
#![allow(clippy::duplicate_mod, dead_code)] // the files of `flight`, compiled once more, and not all used

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::{Poll, Waker},
};

use shuttle::{
    future::{block_on, yield_now as pause},
    sync::{Mutex, MutexGuard, atomic::AtomicBool},
    thread,
};

use crate::sync::scheduled::{assert_found, chance};

#[path = "leader.rs"]
mod leader;
#[path = "model.rs"]
mod model;
#[path = "slot.rs"]
mod slot;
#[path = "table.rs"]
mod table;
#[path = "write.rs"]
mod write;

use leader::{Leader, Turn};
use slot::Published;
use table::{SlotKey, Slots};
use write::WriteTurn;

#[test]
fn a_count_of_seats_that_loses_a_step_is_found() {
    assert_found(model::come_and_go);
}

#[test]
fn a_wake_up_before_the_change_is_found() {
    assert_found(|| {
        let gate = Arc::new(Gate::default());
        let opening = Arc::clone(&gate);
        let opening = thread::spawn(move || {
            opening.wake();
            opening.open.store(true, Ordering::SeqCst);
        });
        block_on(poll_fn(|cx| {
            let mut waiting = gate.waiting.lock().unwrap();
            gate.look(&mut waiting, cx.waker())
        }));
        opening.join().unwrap();
    });
}

#[test]
fn a_look_before_the_line_is_found() {
    assert_found(|| {
        let gate = Arc::new(Gate::default());
        let opening = Arc::clone(&gate);
        let opening = thread::spawn(move || {
            opening.open.store(true, Ordering::SeqCst);
            opening.wake();
        });
        block_on(poll_fn(|cx| {
            if gate.open.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            *gate.waiting.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }));
        opening.join().unwrap();
    });
}

/// What one waits for, made wrongly.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Gate {
    fn wake(&self) {
        if let Some(waker) = self.waiting.lock().unwrap().take() {
            waker.wake();
        }
    }

    fn look(&self, waiting: &mut Option<Waker>, waker: &Waker) -> Poll<()> {
        if self.open.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        *waiting = Some(waker.clone());
        Poll::Pending
    }
}

/// A counter that reads and writes in two steps.
struct AtomicUsize(shuttle::sync::atomic::AtomicUsize);

impl AtomicUsize {
    fn new(count: usize) -> Self {
        Self(shuttle::sync::atomic::AtomicUsize::new(count))
    }

    fn fetch_add(&self, step: usize, _: Ordering) -> usize {
        self.step(|count| Some(count + step)).unwrap()
    }

    fn fetch_sub(&self, step: usize, _: Ordering) -> usize {
        self.step(|count| Some(count.wrapping_sub(step))).unwrap()
    }

    fn fetch_update(
        &self,
        _: Ordering,
        _: Ordering,
        step: impl FnOnce(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        self.step(step)
    }

    fn step(&self, step: impl FnOnce(usize) -> Option<usize>) -> Result<usize, usize> {
        let count = self.0.load(Ordering::SeqCst);
        self.0.store(step(count).ok_or(count)?, Ordering::SeqCst);
        Ok(count)
    }
}
