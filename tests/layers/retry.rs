use std::{collections::HashSet, time::Duration};

use blindcache::{Backend, BackendErrorKind as Kind, BackendExt, Retry};

use crate::script::{ALL, Script, Step, call_all, entry, fail, hang, key, kind, ms, ok, refused, timed};

/// Paused time goes in steps of a millisecond.
const GRAIN: Duration = ms(1);

fn retrying(steps: impl IntoIterator<Item = Step>) -> (Script, Retry<Script>) {
    let store = Script::of(steps);
    (store.clone(), store.retry())
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_is_tried_again() {
    for kind in [Kind::Transient, Kind::Timeout, Kind::Throttled] {
        let (store, retry) = retrying([fail(kind), fail(kind)]);
        assert_eq!(retry.get(&key()).await.unwrap(), None);
        assert_eq!(store.count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_not_tried_again() {
    for expected in [Kind::Refused, Kind::Denied, Kind::Rejected, Kind::TooLarge, Kind::Misconfigured] {
        let (store, retry) = retrying([fail(expected)]);
        assert_eq!(kind(retry.get(&key()).await), expected);
        assert_eq!(store.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_and_the_last_error_is_given() {
    for attempts in [1, 2, 5, 100] {
        let store = Script::always(fail(Kind::Transient));
        store.next((1..attempts).map(|_| fail(Kind::Throttled)));
        let retry = store.clone().retry().pauses(ms(1), ms(1)).unwrap().attempts(attempts).unwrap();
        assert_eq!(kind(retry.get(&key()).await), Kind::Transient);
        assert_eq!(store.count(), attempts as usize);
    }
    let store = Script::always(fail(Kind::Transient));
    store.clone().retry().get(&key()).await.unwrap_err();
    assert_eq!(store.count(), 3, "unless it is said otherwise");
}

#[tokio::test(start_paused = true)]
async fn every_method_is_tried_again_batches_as_a_whole() {
    let store = Script::of(ALL.iter().flat_map(|_| [fail(Kind::Transient), ok()]));
    call_all(&store.clone().retry()).await.unwrap();
    let twice: Vec<_> = ALL.iter().flat_map(|method| [*method; 2]).collect();
    assert_eq!(store.methods(), twice);
}

#[tokio::test(start_paused = true)]
async fn a_refused_retry_does_not_hide_that_the_call_was_sent() {
    let (store, retry) = retrying([fail(Kind::Timeout), fail(Kind::Refused)]);
    assert_eq!(kind(retry.set(&key(), entry(), None).await), Kind::Timeout);
    assert_eq!(store.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_random_up_to_a_ceiling_that_doubles_to_the_longest() {
    pauses_are_up_to([100, 200, 400, 500, 500].map(ms), |retry| retry.pauses(ms(100), ms(500)).unwrap())
        .await;
    pauses_are_up_to([25, 50, 100, 200, 250].map(ms), |retry| retry).await;
}

async fn pauses_are_up_to(ceilings: [Duration; 5], set: impl Fn(Retry<Script>) -> Retry<Script>) {
    let mut pauses = ceilings.map(|_| Vec::new());
    for _ in 0..200 {
        let store = Script::always(fail(Kind::Transient));
        let retry = set(store.clone().retry()).attempts(6).unwrap();
        retry.get(&key()).await.unwrap_err();
        for (pauses, pair) in pauses.iter_mut().zip(store.starts().windows(2)) {
            pauses.push(pair[1] - pair[0]);
        }
    }
    for (ceiling, pauses) in ceilings.into_iter().zip(pauses) {
        let (least, most) = (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap());
        assert_eq!(pauses.len(), 200);
        assert!(most <= ceiling + GRAIN, "{most:?} of {ceiling:?}");
        assert!(least < ceiling / 5 && most > ceiling * 4 / 5, "{least:?} to {most:?} of {ceiling:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_never_earlier_than_the_store_asked_and_not_all_come_at_once() {
    let mut pauses = HashSet::new();
    for _ in 0..50 {
        let (store, retry) = retrying([fail(Kind::Throttled).retry_after(ms(700))]);
        retry.get(&key()).await.unwrap();
        let pause = store.starts()[1] - store.starts()[0];
        assert!(pause >= ms(700) && pause <= ms(725) + GRAIN, "{pause:?}");
        pauses.insert(pause.as_millis());
    }
    assert!(pauses.len() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_not_end_before_the_deadline_is_not_begun() {
    for after in [ms(1_000), Duration::MAX] {
        let store = Script::of([fail(Kind::Throttled).retry_after(after)]);
        let retry = store.clone().retry().deadline(ms(1_000)).unwrap();
        let (result, took) = timed(retry.get(&key())).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.retry_after(), took), (Kind::Throttled, Some(after), Duration::ZERO));
        assert_eq!(store.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_with_the_deadline_is_not_begun_and_one_that_ends_before_is() {
    let nano = Duration::from_nanos(1);
    // What is drawn beside the time that is asked for is this or nothing: both come up.
    for _ in 0..64 {
        for (after, count, time) in [(ms(10), 1, ms(0)), (ms(8), 2, ms(8))] {
            let store = Script::of([fail(Kind::Throttled).retry_after(after)]);
            let retry = store.clone().retry().deadline(ms(10)).unwrap().pauses(nano, nano).unwrap();
            let took = timed(retry.get(&key())).await.1;
            assert_eq!(store.count(), count);
            assert!(took >= time && took <= time + GRAIN, "{took:?} after {after:?}");
            assert_eq!(took.is_zero(), time.is_zero());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_ends_late_is_followed_by_no_retry() {
    // Between the two there is no whole millisecond at which a timer could end.
    let (pause, deadline) = (Duration::from_micros(10_200), Duration::from_micros(10_400));
    let store = Script::of([fail(Kind::Throttled).retry_after(pause)]);
    let retry = store.clone().retry().deadline(deadline).unwrap();
    let retry = retry.pauses(Duration::from_nanos(1), Duration::from_nanos(1)).unwrap();
    assert_eq!(kind(retry.get(&key()).await), Kind::Throttled);
    assert_eq!(store.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_call_exceeds_the_deadline_whatever_the_store_does() {
    let (deadline, mut longest) = (ms(300), ms(0));
    for delay in (0..40).map(|step| ms(step * 9)) {
        for failure in [fail(Kind::Transient), fail(Kind::Throttled).retry_after(ms(40)), ok(), hang()] {
            let store = Script::always(fail(Kind::Transient).after(delay));
            store.next([fail(Kind::Transient).after(delay), failure]);
            let retry = store.clone().retry().attempts(100).unwrap().deadline(deadline).unwrap();
            let start = tokio::time::Instant::now();
            let (_, took) = timed(retry.get(&key())).await;
            assert!(took <= deadline, "{took:?} with {delay:?}");
            longest = longest.max(took);
            assert!(store.starts().iter().all(|at| *at < start + deadline));
            assert_eq!(store.running(), 0);
        }
    }
    println!("the longest call took {longest:?}, at a deadline of {deadline:?}");
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_the_deadline_is_dropped_with_the_kind_timeout() {
    let (store, retry) = retrying([hang()]);
    let retry = retry.deadline(ms(300)).unwrap();
    let (result, took) = timed(retry.get(&key())).await;
    assert_eq!((kind(result), took, store.running()), (Kind::Timeout, ms(300), 0));
    store.next([hang()]);
    assert_eq!(timed(retry.get_many(&[key()])).await.1, ms(600), "a batch has twice as long");
}

#[tokio::test(start_paused = true)]
async fn a_clone_can_have_a_deadline_of_its_own() {
    let store = Script::always(hang());
    let retry = store.retry();
    let hurried = retry.clone().deadline(ms(100)).unwrap();
    assert_eq!(timed(hurried.get(&key())).await.1, ms(100));
    assert_eq!(timed(retry.get(&key())).await.1, ms(3_000));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let retry = || Script::default().retry();
    let (hour, nano) = (Duration::from_secs(3_600), Duration::from_nanos(1));
    refused(retry().attempts(0));
    refused(retry().attempts(101));
    assert!(retry().attempts(1).and_then(|retry| retry.attempts(100)).is_ok());
    refused(retry().deadline(Duration::ZERO));
    refused(retry().deadline(hour + nano));
    refused(retry().deadline(Duration::MAX));
    refused(retry().pauses(Duration::ZERO, ms(1)));
    refused(retry().pauses(ms(1) + nano, ms(1)));
    refused(retry().pauses(ms(1), hour + nano));
    refused(retry().pauses(ms(1), Duration::MAX));
    assert!(retry().pauses(ms(1), ms(1)).is_ok());
    assert!(retry().pauses(ms(1) - nano, ms(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_least_and_the_longest_settings_work() {
    let hour = Duration::from_secs(3_600);
    for (first, longest, deadline) in [(ms(1), ms(1), Duration::from_nanos(1)), (hour, hour, hour)] {
        let store = Script::always(fail(Kind::Transient));
        let retry = store.retry().pauses(first, longest).unwrap().deadline(deadline).unwrap();
        let retry = retry.attempts(100).unwrap();
        assert!(timed(retry.get(&key())).await.1 <= deadline);
    }
}
