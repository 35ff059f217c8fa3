use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, BackendExt, Limit};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::script::{Script, hang, key, kind, ms, ok, polled_once_and_dropped, refused, timed};

/// So many calls at once: how many were answered, and how many refused.
async fn at_once(limited: &Limit<Script>, calls: usize) -> (usize, usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let limited = limited.clone();
        tasks.spawn(async move { limited.get(&key()).await.map_err(|error| error.kind()) });
    }
    let results = tasks.join_all().await;
    let refused = results.iter().filter(|result| **result == Err(Kind::Refused)).count();
    let answered = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(answered + refused, calls);
    (answered, refused)
}

#[tokio::test(start_paused = true)]
async fn of_10_000_calls_at_once_only_so_many_run_wait_and_are_answered() {
    let store = Script::always(ok().after(ms(5)));
    let limited = store.clone().limit(100, 4_900).unwrap();
    let (counts, took) = timed(at_once(&limited, 10_000)).await;
    assert_eq!(counts, (5_000, 5_000));
    assert_eq!((store.most_at_once(), store.count()), (100, 5_000));
    assert_eq!(took, ms(5 * 50));
    assert_eq!(at_once(&limited, 5_000).await, (5_000, 0), "every permit is back");
}

#[tokio::test(start_paused = true)]
async fn one_below_and_at_the_limit_pass_and_one_above_is_refused() {
    for (in_flight, waiting) in [(1, 0), (1, 1), (3, 0), (3, 4)] {
        let limited = Script::always(ok().after(ms(5))).limit(in_flight, waiting).unwrap();
        let all = in_flight + waiting;
        assert_eq!(at_once(&limited, all - 1).await, (all - 1, 0));
        assert_eq!(at_once(&limited, all).await, (all, 0));
        assert_eq!(at_once(&limited, all + 1).await, (all, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_takes_no_time_and_does_not_reach_the_store() {
    let store = Script::always(hang());
    let limited = store.clone().limit(1, 0).unwrap();
    let other = limited.clone();
    let running = tokio::spawn(async move { other.get(&key()).await });
    sleep(ms(1)).await;
    let (result, took) = timed(limited.get_many(&[key()])).await;
    assert_eq!((kind(result), took, store.count()), (Kind::Refused, Duration::ZERO, 1));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_no_permit_taken_running_or_waiting() {
    let store = Script::always(ok().after(ms(10)));
    let limited = store.clone().limit(1, 1).unwrap();
    for _ in 0..10 {
        assert!(polled_once_and_dropped(limited.get(&key())), "dropped while it runs");
    }
    let other = limited.clone();
    let running = tokio::spawn(async move { other.get(&key()).await });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        assert!(polled_once_and_dropped(limited.get(&key())), "dropped while it waits");
    }
    for at in 0..15 {
        let _ = timeout(ms(at), limited.get(&key())).await;
    }
    running.await.unwrap().unwrap();
    assert_eq!(at_once(&limited, 3).await, (2, 1));
    assert_eq!(store.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn turns_are_given_in_the_order_of_arrival() {
    let store = Script::always(ok().after(ms(10)));
    let limited = store.clone().limit(1, 2).unwrap();
    let (get, exists, delete) = (key(), key(), key());
    let _ = tokio::join!(limited.get(&get), limited.exists(&exists), limited.delete(&delete));
    assert_eq!(store.methods(), ["get", "exists", "delete"]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let with = |in_flight, waiting| Script::default().limit(in_flight, waiting);
    refused(with(0, 0));
    refused(with(0, 10));
    refused(with(1_000_001, 0));
    refused(with(usize::MAX, usize::MAX));
    refused(with(1, 1_000_001));
    assert!(with(1, 0).is_ok());
    assert!(with(1_000_000, 1_000_000).is_ok());
}
