#![allow(clippy::duplicate_mod)] // `model` serves the schedules too

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

#[path = "model.rs"]
mod model;

use super::*;
use model::{Model, key, number};

#[test]
fn handles_go_between_threads() {
    fn goes<T: Send + Sync + 'static>() {}
    goes::<Slots>();
    goes::<Seat>();
    goes::<Leader>();
    goes::<Writing>();
    goes::<WriteTurn>();
    fn future<T: Send>(_: T) {}
    let seat = seat();
    future(async move {
        drop(seat.lead_or(number).await);
        seat.other_is_done().await;
        drop(seat.write().await);
    });
}

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
fn a_failed_leader_wakes_one_waiter_and_a_published_value_wakes_all() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    let mut waiters: Vec<_> = (0..100).map(|_| Task::new(seat.lead_or(number))).collect();
    waiters.iter_mut().for_each(|waiter| assert!(waiter.poll().is_pending()));
    drop(leader);
    assert_eq!(waiters.iter().filter(|waiter| waiter.is_woken()).count(), 1);
    leader = lead(waiters[0].poll());
    leader.publish(Arc::new(7_u64), || ());
    assert!(waiters[1..].iter().all(Task::is_woken));
    assert!(waiters[1..].iter_mut().all(|waiter| matches!(waiter.poll(), Poll::Ready(Turn::Value(7)))));
}

#[test]
fn a_leader_that_panics_is_followed_by_a_waiter() {
    threads().block_on(async {
        let seat = seat();
        let leader = seat.try_lead().unwrap();
        let panics = spawn(async move {
            let _leader = leader;
            pause().await;
            std::panic::panic_any("planned");
        });
        assert!(matches!(seat.lead_or(number).await, Turn::Lead(_)));
        assert!(panics.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_leader_whose_future_is_dropped_is_followed_by_a_waiter() {
    threads().block_on(async {
        let seat = seat();
        let leader = seat.try_lead().unwrap();
        let hangs = spawn(async move {
            let _leader = leader;
            std::future::pending::<()>().await;
        });
        let mut waiter = Task::new(seat.lead_or(number));
        assert!(waiter.poll().is_pending());
        hangs.abort();
        assert!(hangs.await.unwrap_err().is_cancelled());
        assert!(waiter.is_woken());
        assert!(matches!(waiter.poll(), Poll::Ready(Turn::Lead(_))));
    });
}

#[test]
fn a_woken_waiter_that_never_runs_makes_way_when_dropped() {
    let seat = seat();
    let leader = seat.try_lead().unwrap();
    let (mut first, mut second) = (Task::new(seat.lead_or(number)), Task::new(seat.lead_or(number)));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    drop(leader);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert!(matches!(second.poll(), Poll::Ready(Turn::Lead(_))));
}

#[test]
fn a_woken_waiter_that_does_not_run_holds_up_no_newcomer() {
    let seat = seat();
    let leader = seat.try_lead().unwrap();
    let mut idle = Task::new(seat.lead_or(number));
    assert!(idle.poll().is_pending());
    drop(leader);
    let newcomer = lead(Task::new(seat.lead_or(number)).poll());
    assert!(idle.poll().is_pending());
    drop(newcomer);
    assert!(matches!(idle.poll(), Poll::Ready(Turn::Lead(_))));
}

#[test]
fn a_set_supersedes_the_leader_and_a_waiter_leads_at_once() {
    let seat = seat();
    let mut old = seat.try_lead().unwrap();
    let mut waiter = Task::new(seat.lead_or(number));
    assert!(waiter.poll().is_pending());
    let writing = ready(Task::new(seat.write()).poll());
    assert!(!old.is_current());
    assert!(waiter.is_woken());
    let new = lead(waiter.poll());
    assert!(new.is_current());

    assert!(!old.publish(Arc::new(1_u64), || unreachable!()));
    assert!(matches!(Task::new(old.write()).poll(), Poll::Ready(None)));
    drop(old);
    assert!(new.is_current(), "its end is not the new one's");

    writing.finish(|| ());
    assert!(!new.is_current(), "it can have read the store before the set reached it");
}

#[test]
fn a_published_value_is_not_handed_out_after_a_set() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    assert!(leader.publish(Arc::new(1_u64), || ()));
    assert!(matches!(Task::new(seat.lead_or(number)).poll(), Poll::Ready(Turn::Value(1))));
    ready(Task::new(seat.write()).poll()).finish(|| ());
    assert!(matches!(Task::new(seat.lead_or(number)).poll(), Poll::Ready(Turn::Lead(_))));
    assert!(matches!(Task::new(leader.write()).poll(), Poll::Ready(None)));
}

#[test]
fn who_waited_gets_the_value_even_after_its_leader() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    let mut waiters: Vec<_> = (0..100).map(|_| Task::new(seat.lead_or(number))).collect();
    waiters.iter_mut().for_each(|waiter| assert!(waiter.poll().is_pending()));
    let value: Arc<u64> = Arc::new(7);
    leader.publish(value.clone(), || ());
    drop(leader);
    let next = lead(Task::new(seat.lead_or(number)).poll());
    assert!(waiters.iter_mut().skip(1).all(|waiter| matches!(waiter.poll(), Poll::Ready(Turn::Value(7)))));
    drop(next);
    drop(waiters);
    assert_eq!(Arc::strong_count(&value), 1, "kept for nobody");
}

#[test]
fn who_waited_gets_the_newest_value() {
    let seat = seat();
    let mut waiter = Task::new(seat.lead_or(number));
    let mut leader = seat.try_lead().unwrap();
    assert!(waiter.poll().is_pending());
    leader.publish(Arc::new(1_u64), || ());
    drop(leader);
    let mut leader = seat.try_lead().unwrap();
    leader.publish(Arc::new(2_u64), || ());
    drop(leader);
    assert!(matches!(waiter.poll(), Poll::Ready(Turn::Value(2))));
}

#[test]
fn who_waited_does_not_get_the_value_after_a_set() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    let mut waiter = Task::new(seat.lead_or(number));
    assert!(waiter.poll().is_pending());
    leader.publish(Arc::new(1_u64), || ());
    drop(leader);
    ready(Task::new(seat.write()).poll()).finish(|| ());
    assert!(matches!(waiter.poll(), Poll::Ready(Turn::Lead(_))));
}

#[test]
fn who_comes_does_not_get_the_value_after_its_leader() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    leader.publish(Arc::new(1_u64), || ());
    drop(leader);
    assert!(matches!(Task::new(seat.lead_or(number)).poll(), Poll::Ready(Turn::Lead(_))));
}

#[test]
fn a_published_value_that_is_not_usable_is_waited_out() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    let mut waiter = Task::new(seat.lead_or(|_| None::<u64>));
    assert!(waiter.poll().is_pending());
    leader.publish(Arc::new(1_u64), || ());
    assert!(waiter.poll().is_pending());
    assert!(!waiter.is_woken());
    drop(leader);
    assert!(waiter.is_woken());
    assert!(matches!(waiter.poll(), Poll::Ready(Turn::Lead(_))));
}

#[test]
fn a_set_waits_for_the_write_under_way() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    leader.publish(Arc::new(1_u64), || ());
    let turn = ready(Task::new(leader.write()).poll()).unwrap();
    let mut set = Task::new(seat.write());
    assert!(set.poll().is_pending());
    assert!(!leader.is_current());
    drop(turn);
    assert!(set.is_woken());
    assert!(set.poll().is_ready());
}

#[test]
fn sets_and_deletes_write_in_the_order_of_their_arrival() {
    let seat = seat();
    let mut sets: Vec<_> = (0..20).map(|_| Task::new(seat.write())).collect();
    let mut writing = Some(ready(sets[0].poll()));
    sets[1..].iter_mut().for_each(|set| assert!(set.poll().is_pending()));
    let mut sets: Vec<_> =
        sets.into_iter().enumerate().skip(1).filter(|(number, _)| number % 3 != 0).collect();
    while !sets.is_empty() {
        drop(writing.take());
        assert!(sets[1..].iter_mut().all(|(_, set)| set.poll().is_pending()));
        writing = Some(ready(sets.remove(0).1.poll()));
    }
}

#[test]
fn a_superseded_leader_that_waits_for_its_turn_does_not_write() {
    let seat = seat();
    let set = ready(Task::new(seat.write()).poll());
    let mut leader = seat.try_lead().unwrap();
    assert!(leader.publish(Arc::new(1_u64), || unreachable!("the set can have reached the store")));
    let mut write = Task::new(leader.write());
    assert!(write.poll().is_pending());
    set.finish(|| ());
    assert!(write.is_woken());
    assert!(matches!(write.poll(), Poll::Ready(None)));
}

#[test]
fn a_leader_that_waits_for_a_set_does_not_wait_for_one_that_was_dropped() {
    let seat = seat();
    let first = ready(Task::new(seat.write()).poll());
    let mut second = Task::new(seat.write());
    assert!(second.poll().is_pending());
    drop(first);
    let mut leader = seat.try_lead().unwrap();
    leader.publish(Arc::new(1_u64), || ());
    let mut write = Task::new(leader.write());
    assert!(write.poll().is_pending());
    drop(second);
    assert!(write.is_woken());
    assert!(matches!(write.poll(), Poll::Ready(None)));
}

#[test]
fn who_leads_during_the_write_of_another_is_superseded_at_its_end() {
    let seat = seat();
    let mut old = seat.try_lead().unwrap();
    old.publish(Arc::new(1_u64), || ());
    let turn = ready(Task::new(old.write()).poll());
    assert!(Task::new(seat.write()).poll().is_pending());
    let new = seat.try_lead().unwrap();
    drop(turn);
    assert!(!new.is_current(), "it can have read what was in the store before that write");
}

#[test]
fn a_read_counts_only_if_nothing_was_written_meanwhile() {
    let seat = seat();
    let still = |version| seat.still(version, || ()).is_some();
    let version = seat.version();
    assert!(still(version));
    assert!(seat.try_lead().is_some(), "a leader that fails writes nothing");

    let version = seat.version();
    let set = ready(Task::new(seat.write()).poll());
    let during = seat.version();
    assert!(!still(version) && !still(during));
    set.finish(|| ());
    assert!(!still(version) && !still(during));

    let version = seat.version();
    let mut leader = seat.try_lead().unwrap();
    leader.publish(Arc::new(1_u64), || ());
    let during = seat.version();
    assert!(!still(version) && !still(during));
    drop(ready(Task::new(leader.write()).poll()));
    drop(leader);
    assert!(!still(version) && !still(during));
    assert!(still(seat.version()));
}

#[test]
fn a_batch_waits_for_one_leader_and_not_for_the_next() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    assert!(seat.try_lead().is_none());
    let mut batch = Task::new(seat.other_is_done());
    assert!(batch.poll().is_pending());
    leader.publish(Arc::new(1_u64), || ());
    assert!(seat.try_lead().is_none(), "the store does not have it yet");
    assert!(batch.poll().is_pending());
    drop(leader);
    let _next = seat.try_lead().unwrap();
    assert!(batch.is_woken());
    assert!(batch.poll().is_ready());
}

#[test]
fn a_panic_in_a_closure_wedges_nothing() {
    let seat = seat();
    let panics = || std::panic::panic_any("planned");
    let caught = |call: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());

    caught(&mut || assert!(seat.still(seat.version(), panics).is_some()));
    let mut leader = seat.try_lead().unwrap();
    caught(&mut || assert!(leader.publish(Arc::new(1_u64), panics)));
    assert!(leader.is_current());
    let mut waiter = Task::new(seat.lead_or(number));
    assert!(waiter.poll().is_pending());
    caught(&mut || ready(Task::new(seat.write()).poll()).finish(panics));
    assert!(!leader.is_current());
    assert!(matches!(waiter.poll(), Poll::Ready(Turn::Lead(_))));
    assert!(Task::new(seat.write()).poll().is_ready());
}

#[test]
fn a_seat_knows_whether_it_waited() {
    let seat = seat();
    let leader = lead(Task::new(seat.lead_or(number)).poll());
    assert!(!seat.waited());
    assert!(Task::new(seat.lead_or(number)).poll().is_pending());
    assert!(seat.waited());
    drop(leader);
}

#[test]
fn keys_and_scopes_are_apart_and_leave_with_their_last_seat() {
    let slots = Arc::new(Slots::default());
    let seats: Vec<_> = (0..100).map(|number| slots.enter(key(number))).collect();
    let other = slots.enter(SlotKey { scope: [0; 16], key: key(1).key });
    let leaders: Vec<_> = seats.iter().chain([&other]).map(|seat| seat.try_lead().unwrap()).collect();
    assert_eq!(slots.len(), 101);
    drop((seats, other));
    assert_eq!(slots.len(), 101, "a leader sits there too");
    drop(leaders);
    assert_eq!(slots.len(), 0);
}

#[test]
fn a_waker_may_come_back_to_the_slot() {
    struct Looks(Seat);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.0.version();
        }
    }
    let slots = Arc::new(Slots::default());
    let (seat, looks) = (slots.enter(key(1)), Waker::from(Arc::new(Looks(slots.enter(key(1))))));
    let leader = seat.try_lead().unwrap();
    let mut waits = pin!(seat.lead_or(number));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&looks)).is_pending());
    drop(leader);
}

/// A waker can be the last to hold a task, and a task a future that waits at the same slot.
#[test]
fn a_waker_may_drop_a_future_of_the_same_slot() {
    type Waits = Pin<Box<dyn Future<Output = Turn<u64>> + Send>>;
    struct Holder(#[allow(dead_code)] Mutex<Waits>); // kept, to be dropped
    impl Wake for Holder {
        fn wake(self: Arc<Self>) {}
    }
    let seat = Arc::new(seat());
    let leader = seat.try_lead().unwrap();
    let waits = |waker: &Waker| {
        let seat = Arc::clone(&seat);
        let mut future: Waits = Box::pin(async move { seat.lead_or(number).await });
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        future
    };
    let holder = Waker::from(Arc::new(Holder(Mutex::new(waits(Waker::noop())))));
    let mut waiter = waits(&holder);
    drop(holder);
    assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(leader);
    assert!(matches!(
        waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Turn::Lead(_))
    ));
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
