use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::{
    AnyBackend, Backend, BackendErrorKind as Kind, BackendExt,
    BreakerState::{Closed, HalfOpen, Open},
    MemoryBackend,
    conformance::{Expiry, Failure, Subject, run_all},
};
use tokio::{
    task::JoinSet,
    time::{advance, sleep, timeout},
};

use crate::script::{ALL, Script, call_all, entry, fail, failed_at_once, hang, key, kind, ms, ok, timed};

async fn keeps_the_contract<B: Backend>(layer: fn(MemoryBackend) -> B) -> Result<(), Failure> {
    run_all(&Subject::new(Expiry::Exact, move || std::future::ready(layer(MemoryBackend::new())))).await
}

#[tokio::test(start_paused = true)]
async fn every_layer_keeps_the_contract() -> Result<(), Failure> {
    keeps_the_contract(|memory| memory.timeout(ms(100)).unwrap()).await?;
    keeps_the_contract(|memory| memory.retry()).await?;
    keeps_the_contract(|memory| memory.breaker()).await?;
    keeps_the_contract(|memory| memory.limit(8, 1_000).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn all_layers_together_keep_the_contract_over_and_under_any_backend() -> Result<(), Failure> {
    keeps_the_contract(|memory| memory.resilient()).await?;
    keeps_the_contract(|memory| AnyBackend::new(memory).resilient()).await?;
    keeps_the_contract(|memory| AnyBackend::new(memory.resilient())).await?;
    keeps_the_contract(|memory| Arc::new(Arc::new(memory).resilient())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_layers_together_keep_the_contract_on_threads_and_in_real_time() {
    let task = tokio::spawn(keeps_the_contract(|memory| memory.resilient()));
    task.await.expect("no panic").unwrap();
}

#[test]
fn without_a_runtime_a_call_is_misconfigured() {
    let store = Script::default();
    let (limited, retry) = (store.clone().timeout(ms(1)).unwrap(), store.clone().retry());
    assert_eq!(failed_at_once(limited.ping()), Kind::Misconfigured);
    assert_eq!(failed_at_once(retry.ping()), Kind::Misconfigured);
    assert_eq!(failed_at_once(store.clone().resilient().ping()), Kind::Misconfigured);
    assert_eq!(store.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_method_is_forwarded_as_itself_once() {
    async fn forwards<B: Backend>(layer: impl Fn(Script) -> B) {
        let store = Script::default();
        let layered = layer(store.clone());
        call_all(&layered).await.unwrap();
        assert_eq!(store.methods(), ALL);
        assert_eq!(layered.name(), "script");
    }
    forwards(|store| store.timeout(ms(100)).unwrap()).await;
    forwards(|store| store.retry()).await;
    forwards(|store| store.breaker()).await;
    forwards(|store| store.limit(1, 0).unwrap()).await;
    forwards(|store| store.resilient()).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_costs_at_most_the_time_out_once_and_then_fails_fast() {
    for calls_before in [0, 1_000] {
        let store = Script::default();
        let layered = store.clone().resilient();
        for _ in 0..calls_before {
            layered.get(&key()).await.unwrap();
        }
        store.go_on_with(hang());
        let (result, took) = timed(layered.get(&key())).await;
        assert_eq!(kind(result), Kind::Timeout);
        assert!(took <= ms(2_000 + 25 + 1), "{took:?}");
        for _ in 0..1_000 {
            let (result, took) = timed(layered.get(&key())).await;
            assert_eq!((kind(result), took), (Kind::Refused, Duration::ZERO));
        }
        assert_eq!(store.count(), calls_before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn of_10_000_calls_at_once_to_a_silent_store_none_takes_longer_than_the_deadline() {
    let store = Script::always(hang());
    let layered = store.clone().resilient();
    let slow = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..10_000 {
        let (layered, slow) = (layered.clone(), slow.clone());
        tasks.spawn(async move {
            let (result, took) = timed(layered.get(&key())).await;
            slow.fetch_add(usize::from(kind(result) == Kind::Timeout), SeqCst);
            assert!(took <= ms(2_000 + 25 + 1), "{took:?}");
            took
        });
    }
    let longest = tasks.join_all().await.into_iter().max();
    println!("the longest of 10,000 calls took {longest:?}");
    assert_eq!(store.count(), 256, "those that waited were refused when their turn came");
    assert_eq!((slow.load(SeqCst), store.running()), (256, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_take_2_seconds_and_a_batch_4() {
    let store = Script::default();
    let layered = store.clone().resilient();
    store.next([ok().after(ms(1_999)), ok().after(ms(3_999))]);
    layered.get(&key()).await.unwrap();
    layered.get_many(&[key()]).await.unwrap();
    assert_eq!(store.count(), 2);
    store.next([ok().after(ms(4_001))]);
    assert_eq!(kind(layered.get_many(&[key()]).await), Kind::Timeout);
    let store = Script::of([ok().after(ms(2_001))]);
    assert_eq!(kind(store.resilient().get(&key()).await), Kind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_for_256_others_and_one_more_is_refused() {
    let store = Script::always(ok().after(ms(10)));
    let layered = store.clone().resilient();
    let mut tasks = JoinSet::new();
    for _ in 0..256 + 16_384 {
        let layered = layered.clone();
        tasks.spawn(async move { layered.get(&key()).await.is_ok() });
    }
    sleep(ms(1)).await;
    assert_eq!((kind(layered.get(&key()).await), store.running()), (Kind::Refused, 256));
    assert!(tasks.join_all().await.into_iter().all(|answered| answered));
    assert_eq!((store.count(), store.most_at_once()), (256 + 16_384, 256));
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_breaker_shows_through_the_layers_around_it_and_hides_one_behind_it() {
    let down = || Script::always(fail(Kind::Timeout));
    let states = async |layered: AnyBackend| {
        let before = layered.breaker_state();
        let _ = layered.get(&key()).await;
        (before, layered.breaker_state())
    };
    assert_eq!(states(AnyBackend::new(down().timeout(ms(1)).unwrap())).await, (None, None));
    assert_eq!(states(AnyBackend::new(down().resilient())).await, (Some(Closed), Some(Open)));
    let around = down().breaker().limit(1, 0).unwrap().timeout(ms(1)).unwrap();
    assert_eq!(states(AnyBackend::new(around)).await, (Some(Closed), Some(Open)));
    let behind = down().breaker().breaker().min_calls(1).unwrap().open_for(ms(1)).unwrap();
    let seen = behind.clone();
    assert_eq!(states(AnyBackend::new(behind)).await, (Some(Closed), Some(Open)));
    advance(ms(1)).await;
    assert_eq!((seen.breaker_state(), seen.inner().breaker_state()), (Some(HalfOpen), Some(Open)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_is_used_again_within_5_seconds() {
    let store = Script::always(hang());
    let layered = store.clone().resilient();
    layered.get(&key()).await.unwrap_err();
    store.go_on_with(ok());
    advance(ms(5_000)).await;
    layered.get(&key()).await.unwrap();
    assert_eq!(layered.inner().inner().state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shed_says_nothing_about_the_store() {
    let store = Script::always(ok().after(ms(10)));
    let layered = store.clone().breaker().limit(1, 0).unwrap().retry();
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let layered = layered.clone();
            tokio::spawn(async move { layered.get(&key()).await.is_ok() })
        })
        .collect();
    let mut answered = 0;
    for call in calls {
        answered += usize::from(call.await.unwrap());
    }
    assert_eq!((answered, store.count()), (1, 1), "what was shed is not tried again");
    assert_eq!(layered.inner().inner().state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_nobodys_turn() {
    let store = Script::of([fail(Kind::Throttled).retry_after(ms(1_000))]);
    let layered = store.clone().limit(1, 0).unwrap().retry();
    let (other, mine) = (key(), key());
    let (throttled, meanwhile) = tokio::join!(layered.get(&other), timed(layered.get(&mine)));
    assert!(throttled.is_ok() && meanwhile.0.is_ok());
    assert_eq!(meanwhile.1, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_time_leaves_nothing_taken() {
    // The call waits for its turn, fails, pauses, waits again, and is answered: about 70 ms in all.
    for at in 0..80 {
        let store = Script::default();
        let layered = store.clone().timeout(ms(500)).unwrap().breaker().limit(1, 1).unwrap();
        let layered = layered.retry().pauses(ms(20), ms(20)).unwrap();
        store.next([ok().after(ms(10)), fail(Kind::Transient).after(ms(20)), ok().after(ms(20))]);
        let first = layered.clone();
        let first = tokio::spawn(async move { first.get(&key()).await });
        tokio::task::yield_now().await;
        let _ = timeout(ms(at), layered.set(&key(), entry(), None)).await;
        first.await.unwrap().unwrap();
        assert_eq!(store.running(), 0);

        store.next([ok().after(ms(10)), ok().after(ms(10))]);
        let (one, two, three) = (key(), key(), key());
        let (one, two, three) = tokio::join!(layered.get(&one), layered.get(&two), layered.get(&three));
        assert!(one.is_ok() && two.is_ok(), "after {at} ms a permit was kept");
        assert_eq!(kind(three), Kind::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_dropped_at_any_time_leaves_the_place_free() {
    for at in 0..30 {
        let store = Script::always(hang());
        let layered = store.clone().resilient();
        layered.get(&key()).await.unwrap_err();
        let breaker = layered.inner().inner();
        assert_eq!(breaker.state(), Open);
        advance(ms(5_000)).await;
        let _ = timeout(ms(at), layered.get(&key())).await;
        assert_eq!(breaker.state(), HalfOpen);
        store.go_on_with(ok());
        layered.get(&key()).await.unwrap();
        assert_eq!(breaker.state(), Closed);
    }
}
