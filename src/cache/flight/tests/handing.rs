//! What a leader publishes, and who gets it.

use super::*;

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
fn who_refused_a_value_gets_the_next_of_the_same_leader() {
    let seat = seat();
    let mut leader = seat.try_lead().unwrap();
    let second = |published: &Published| number(published).filter(|number| *number == 2);
    let mut waiter = Task::new(seat.lead_or(second));
    assert!(waiter.poll().is_pending());
    leader.publish(Arc::new(1_u64), || ());
    assert!(waiter.poll().is_pending());
    leader.publish(Arc::new(2_u64), || ());
    assert!(waiter.is_woken());
    assert!(matches!(waiter.poll(), Poll::Ready(Turn::Value(2))));
}
