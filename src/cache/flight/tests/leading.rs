//! Who leads, and who follows.

use super::*;

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
fn a_seat_knows_whether_it_waited() {
    let seat = seat();
    let leader = lead(Task::new(seat.lead_or(number)).poll());
    assert!(!seat.waited());
    assert!(Task::new(seat.lead_or(number)).poll().is_pending());
    assert!(seat.waited());
    drop(leader);
}
