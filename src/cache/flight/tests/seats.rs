//! The table, its seats, and foreign code that comes back to a slot.

use super::*;

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
        drop(seat.write().await);
    });
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

/// So many that some are told apart by their keys alone: a table looks at few bits of a hash first.
#[test]
fn ten_thousand_keys_in_use_are_all_apart() {
    let key = |number: u32| SlotKey { scope: [0; 16], key: number.to_be_bytes().into() };
    let slots = Arc::new(Slots::default());
    let seats: Vec<_> = (0..10_000).map(|number| slots.enter(key(number))).collect();
    assert_eq!(slots.len(), 10_000);
    let leaders: Vec<_> = seats.iter().map(|seat| seat.try_lead().unwrap()).collect();
    assert!((0..10_000).all(|number| slots.enter(key(number)).try_lead().is_none()));
    drop((leaders, seats));
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
