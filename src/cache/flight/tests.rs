//! Every state of a slot by hand, and many callers at once.
#![allow(clippy::duplicate_mod, dead_code)] // `model` serves the schedules too

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinSet, spawn, yield_now as pause},
};

mod handing;
mod leading;
#[path = "model.rs"]
mod model;
mod seats;
mod writing;

use super::*;
use model::{Model, key, number};

#[test]
fn ten_thousand_callers_who_wait_are_one_computation_even_if_its_leader_is_done_at_once() {
    let slots = Arc::new(Slots::default());
    let computed = Arc::new(AtomicUsize::new(0));
    threads().block_on(async {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..10_000 {
            let (slots, computed, waiting) = (slots.clone(), computed.clone(), waiting.clone());
            callers.spawn(async move {
                let seat = slots.enter(key(1));
                let mut turn = pin!(seat.lead_or(number));
                let turn = std::future::poll_fn(|cx| {
                    let polled = turn.as_mut().poll(cx);
                    waiting.fetch_add(1, SeqCst);
                    polled
                });
                if let Turn::Lead(mut leader) = turn.await {
                    computed.fetch_add(1, SeqCst);
                    while waiting.load(SeqCst) < 10_000 {
                        pause().await;
                    }
                    assert!(leader.publish(Arc::new(7_u64), || ()));
                }
            });
        }
        callers.join_all().await;
    });
    assert_eq!(computed.load(SeqCst), 1);
    assert_eq!(slots.len(), 0);
}

#[test]
fn ten_thousand_callers_are_one_computation_while_it_is_written() {
    let slots = Arc::new(Slots::default());
    let (computed, got) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    threads().block_on(async {
        let mut callers = JoinSet::new();
        for _ in 0..10_000 {
            let (slots, computed, got) = (slots.clone(), computed.clone(), got.clone());
            callers.spawn(async move {
                match slots.enter(key(1)).lead_or(number).await {
                    Turn::Value(value) => assert_eq!(value, 7),
                    Turn::Lead(mut leader) => {
                        computed.fetch_add(1, SeqCst);
                        pause().await;
                        assert!(leader.publish(Arc::new(7_u64), || ()));
                        let _turn = leader.write().await.unwrap();
                        // The write ends only when all others have the value: those who waited and those who came since.
                        while got.load(SeqCst) < 9_999 {
                            pause().await;
                        }
                    }
                }
                got.fetch_add(1, SeqCst);
            });
        }
        callers.join_all().await;
    });
    assert_eq!(computed.load(SeqCst), 1);
    assert_eq!(slots.len(), 0);
}

#[test]
fn random_calls_dropped_at_random_return_nothing_old_and_leave_nothing() {
    threads().block_on(async {
        for round in 0..300 {
            let model = Arc::new(Model::default());
            let mut calls = JoinSet::new();
            for call in 0..40 {
                let model = Arc::clone(&model);
                calls.spawn(CHANCES.scope((round * 40 + call + 1).into(), async move {
                    for _ in 0..5 {
                        model.call().await;
                    }
                }));
            }
            calls.join_all().await;
            model.check();
        }
    });
}

tokio::task_local! {
    static CHANCES: std::cell::Cell<u64>;
}

/// One chance in `of`, by an xorshift of the task's seed.
fn chance(of: u64) -> bool {
    CHANCES.with(|seed| {
        let mut bits = seed.get();
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        seed.set(bits);
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).is_multiple_of(of)
    })
}

fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).build().unwrap()
}

fn seat() -> Seat {
    Arc::new(Slots::default()).enter(key(1))
}

fn lead<V>(turn: Poll<Turn<V>>) -> Leader {
    match turn {
        Poll::Ready(Turn::Lead(leader)) => leader,
        _ => panic!("does not lead"),
    }
}

fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("pending"),
    }
}

/// A future polled by hand, and how often it was woken since.
struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl<'a, T> Task<'a, T> {
    fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicUsize::new(0))) }
    }

    fn poll(&mut self) -> Poll<T> {
        self.woken.0.store(0, SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(SeqCst) > 0
    }
}
