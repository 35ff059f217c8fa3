//! Whose turn it is to write, and what it supersedes.

use super::*;

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
fn who_gives_up_waiting_leaves_no_waker_behind() {
    fn give_up<T>(mut waiting: Task<'_, T>) {
        assert!(waiting.poll().is_pending());
        let woken = Arc::clone(&waiting.woken);
        drop(waiting);
        assert_eq!(Arc::strong_count(&woken), 1);
    }
    let seat = seat();
    let _set = ready(Task::new(seat.write()).poll());
    let mut leader = seat.try_lead().unwrap();
    give_up(Task::new(seat.lead_or(number)));
    leader.publish(Arc::new(1_u64), || ());
    give_up(Task::new(leader.write()));
    give_up(Task::new(seat.write()));
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
