use std::time::Duration;

use blindcache::{
    Backend, BackendErrorKind as Kind, BackendExt, Breaker,
    BreakerState::{Closed, HalfOpen, Open},
};
use tokio::time::{Instant, advance, sleep, sleep_until};

use crate::script::{Script, Step, fail, hang, key, kind, ms, ok, polled_once_and_dropped, refused, timed};

pub(super) const DOWN: Step = fail(Kind::Transient);

/// A store that says for how long it is to be left alone.
pub(super) fn busy() -> Step {
    fail(Kind::Throttled).retry_after(ms(1))
}

fn broken_by(steps: impl IntoIterator<Item = Step>) -> (Script, Breaker<Script>) {
    let store = Script::of(steps);
    (store.clone(), store.breaker())
}

pub(super) async fn call(breaker: &impl Backend, times: usize) {
    for _ in 0..times {
        let _ = breaker.get(&key()).await;
    }
}

/// A breaker that opened just now, over a store that goes on like this.
pub(super) async fn open(rest: Step) -> (Script, Breaker<Script>) {
    let (store, breaker) = broken_by([DOWN; 10]);
    call(&breaker, 10).await;
    store.go_on_with(rest);
    assert_eq!(breaker.state(), Open);
    (store, breaker)
}

#[tokio::test(start_paused = true)]
async fn below_the_least_number_of_calls_nothing_opens_it_and_at_it_does() {
    let breaker = Script::always(DOWN).breaker();
    call(&breaker, 9).await;
    assert_eq!(breaker.state(), Closed);
    call(&breaker, 1).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn below_the_share_it_stays_closed_and_at_it_opens() {
    for (share, failures) in [(0.5, 5), (0.3, 3), (0.07, 1), (1.0, 10), (0.0, 1)] {
        let breaker = |failures: usize| {
            let steps = (0..10 - failures).map(|_| ok()).chain((0..failures).map(|_| DOWN));
            broken_by(steps).1.share(share).unwrap()
        };
        for (failures, state) in [(failures - 1, Closed), (failures, Open)] {
            let breaker = breaker(failures);
            call(&breaker, 10).await;
            assert_eq!(breaker.state(), state, "{failures} of 10 at {share}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hours_of_success_do_not_hide_an_outage() {
    let (store, breaker) = broken_by([]);
    call(&breaker, 10_000).await;
    store.go_on_with(DOWN);
    call(&breaker, 9).await;
    assert_eq!(breaker.state(), Closed);
    call(&breaker, 1).await;
    assert_eq!(breaker.state(), Open, "10 of the last 20");
}

#[tokio::test(start_paused = true)]
async fn the_last_20_calls_count_and_no_fewer() {
    let (store, breaker) = broken_by([]);
    // 9 of 19 would be enough.
    let breaker = breaker.share(0.46).unwrap();
    call(&breaker, 100).await;
    store.go_on_with(DOWN);
    call(&breaker, 9).await;
    assert_eq!(breaker.state(), Closed);
    call(&breaker, 1).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn unless_it_is_said_otherwise_half_of_the_calls_open_it_and_one_fewer_does_not() {
    let (store, breaker) = broken_by([]);
    let breaker = breaker.min_calls(50).unwrap();
    call(&breaker, 100).await;
    store.go_on_with(DOWN);
    call(&breaker, 49).await;
    assert_eq!(breaker.state(), Closed);
    call(&breaker, 1).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_always_below_never_opens_it() {
    let (store, breaker) = broken_by([]);
    for _ in 0..100 {
        store.next([ok(), ok(), ok(), ok(), ok(), ok(), DOWN, DOWN, DOWN, DOWN]);
        call(&breaker, 10).await;
        assert_eq!(breaker.state(), Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_counts_until_the_window_has_passed() {
    for (wait, state) in [(9_999, Open), (10_000, Closed)] {
        let breaker = Script::always(DOWN).breaker();
        call(&breaker, 9).await;
        advance(ms(wait)).await;
        call(&breaker, 1).await;
        assert_eq!(breaker.state(), state, "after {wait} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn open_it_refuses_at_once_and_says_when_it_probes() {
    let (store, breaker) = open(DOWN).await;
    let start = Instant::now();
    for elapsed in [0, 1, 4_000, 4_999] {
        sleep_until(start + ms(elapsed)).await;
        let (result, took) = timed(breaker.get(&key())).await;
        let error = result.unwrap_err();
        assert_eq!((error.backend(), error.kind(), took), ("script", Kind::Refused, Duration::ZERO));
        assert_eq!(error.retry_after(), Some(ms(5_000 - elapsed)));
    }
    assert_eq!(store.count(), 10, "nothing reached the store");
}

#[tokio::test(start_paused = true)]
async fn it_is_open_for_as_long_as_is_set() {
    let (store, breaker) = open(ok()).await;
    advance(ms(4_999)).await;
    assert_eq!((breaker.state(), kind(breaker.get(&key()).await)), (Open, Kind::Refused));
    advance(ms(1)).await;
    assert_eq!(breaker.state(), HalfOpen);
    assert!(breaker.get(&key()).await.is_ok());
    assert_eq!((breaker.state(), store.count()), (Closed, 11));
}

pub(super) async fn got(breaker: Breaker<Script>) -> Result<(), Kind> {
    breaker.get(&key()).await.map(drop).map_err(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn only_trouble_of_the_store_counts_as_failure() {
    let answers = [Kind::Denied, Kind::Rejected, Kind::TooLarge, Kind::Misconfigured, Kind::Refused];
    for kind in answers {
        let breaker = Script::always(fail(kind)).breaker();
        call(&breaker, 100).await;
        assert_eq!(breaker.state(), Closed, "{kind:?}");
    }
    for (at, failure) in [DOWN, busy(), fail(Kind::Timeout)].into_iter().enumerate() {
        let breaker = Script::always(failure).breaker();
        call(&breaker, 10).await;
        assert_eq!(breaker.state(), Open, "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_is_read_all_the_same() {
    let store = Script::always(fail(Kind::Throttled));
    let layered = store.clone().resilient();
    for _ in 0..100 {
        assert_eq!(kind(layered.set(&key(), crate::script::entry(), None).await), Kind::Throttled);
    }
    store.go_on_with(ok());
    layered.get(&key()).await.unwrap();
    assert_eq!(layered.inner().inner().state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_count_as_nothing() {
    let (store, breaker) = broken_by([]);
    store.go_on_with(hang());
    for _ in 0..100 {
        assert!(polled_once_and_dropped(breaker.get(&key())));
    }
    assert_eq!(breaker.state(), Closed);
    store.go_on_with(DOWN);
    call(&breaker, 9).await;
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_for_a_whole_time_out_opens_it() {
    let (store, breaker) = broken_by([]);
    call(&breaker, 1_000).await;
    store.go_on_with(fail(Kind::Timeout).after(ms(1_000)));
    call(&breaker, 1).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_among_others_that_are_answered_opens_nothing() {
    let (store, breaker) = broken_by([]);
    call(&breaker, 100).await;
    store.next([fail(Kind::Timeout).after(ms(1_000))]);
    let slow = tokio::spawn(got(breaker.clone()));
    sleep(ms(500)).await;
    call(&breaker, 1).await;
    assert_eq!(slow.await.unwrap(), Err(Kind::Timeout));
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_changes_nothing_after() {
    for late in [ok(), DOWN, fail(Kind::Timeout)] {
        let (store, breaker) = broken_by([late.after(ms(5_500))]);
        let early = tokio::spawn(got(breaker.clone()));
        sleep(ms(1)).await;
        store.go_on_with(DOWN);
        call(&breaker, 10).await;
        assert_eq!(breaker.state(), Open);
        store.go_on_with(hang());
        advance(ms(5_000)).await;
        let probe = tokio::spawn(got(breaker.clone()));
        let _ = early.await.unwrap();
        assert_eq!(breaker.state(), HalfOpen);
        assert_eq!(kind(breaker.get(&key()).await), Kind::Refused, "the probe is still out");
        probe.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_state_and_a_new_setting_starts_anew() {
    let (_, breaker) = open(DOWN).await;
    assert_eq!(breaker.clone().state(), Open);
    assert_eq!(breaker.clone().share(0.9).unwrap().state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn each_setting_counts_and_leaves_the_others() {
    let store = Script::always(DOWN);
    let breaker = || store.clone().breaker().min_calls(3).unwrap().window(ms(100)).unwrap();
    let breaker = || breaker().open_for(ms(70)).unwrap().probes(2).unwrap().share(1.0).unwrap();
    for (wait, state) in [(99, Open), (100, Closed)] {
        let breaker = breaker();
        call(&breaker, 2).await;
        assert_eq!(breaker.state(), Closed, "2 calls are not enough");
        advance(ms(wait)).await;
        call(&breaker, 1).await;
        assert_eq!(breaker.state(), state, "after {wait} ms");
    }
    let breaker = breaker();
    call(&breaker, 3).await;
    assert_eq!(breaker.get(&key()).await.unwrap_err().retry_after(), Some(ms(70)));
    advance(ms(69)).await;
    assert_eq!(breaker.state(), Open);
    advance(ms(1)).await;
    assert_eq!(breaker.state(), HalfOpen);
    store.go_on_with(hang());
    let probes = [(); 2].map(|()| tokio::spawn(got(breaker.clone())));
    sleep(ms(1)).await;
    assert_eq!((store.running(), kind(breaker.get(&key()).await)), (2, Kind::Refused));
    probes.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let breaker = || Script::default().breaker();
    let hour = Duration::from_secs(3_600);
    for share in [-f64::EPSILON, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
        refused(breaker().share(share));
    }
    for calls in [0, 10_001] {
        refused(breaker().min_calls(calls));
        refused(breaker().probes(calls));
    }
    for time in [Duration::ZERO, hour + Duration::from_nanos(1)] {
        refused(breaker().window(time));
        refused(breaker().open_for(time));
    }
    for (share, calls, time) in [(0.0, 1, Duration::from_nanos(1)), (1.0, 10_000, hour)] {
        let breaker = breaker().share(share).unwrap().min_calls(calls).unwrap().probes(calls).unwrap();
        assert_eq!(breaker.window(time).unwrap().open_for(time).unwrap().state(), Closed);
    }
}
