//! Whether a store is back: the calls that a half-open breaker lets pass.

use std::time::Duration;

use blindcache::{
    Backend, BackendErrorKind as Kind, BackendExt,
    BreakerState::{Closed, HalfOpen, Open},
};
use tokio::time::{advance, sleep};

use crate::{
    breaker::{DOWN, busy, call, got, open},
    script::{Script, fail, hang, key, kind, ms, ok, polled_once_and_dropped},
};

#[tokio::test(start_paused = true)]
async fn half_open_it_lets_only_so_many_probes_pass() {
    for probes in [1, 3] {
        let store = Script::always(DOWN);
        let breaker = store.clone().breaker().probes(probes).unwrap();
        call(&breaker, 10).await;
        store.go_on_with(ok().after(ms(100)));
        advance(ms(5_000)).await;
        let calls: Vec<_> = (0..10).map(|_| tokio::spawn(got(breaker.clone()))).collect();
        sleep(ms(1)).await;
        assert_eq!(store.running(), probes as usize);
        assert_eq!(breaker.state(), HalfOpen);
        let mut answered = 0;
        for call in calls {
            answered += u32::from(call.await.unwrap().is_ok());
        }
        assert_eq!((answered, breaker.state()), (probes, Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again_for_as_long() {
    for failure in [DOWN, fail(Kind::Timeout), busy()] {
        let (_, breaker) = open(failure).await;
        advance(ms(5_000)).await;
        assert_ne!(kind(breaker.get(&key()).await), Kind::Refused);
        assert_eq!(breaker.state(), Open);
        assert_eq!(breaker.get(&key()).await.unwrap_err().retry_after(), Some(ms(5_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_closes_it_even_by_no() {
    for answer in [Kind::Denied, Kind::Rejected, Kind::Throttled] {
        let (_, breaker) = open(fail(answer)).await;
        advance(ms(5_000)).await;
        assert_eq!(kind(breaker.get(&key()).await), answer);
        assert_eq!(breaker.state(), Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_need_not_have_reached_the_store_lets_the_next_one_probe() {
    for nothing in [Kind::Refused, Kind::TooLarge, Kind::Misconfigured] {
        let (store, breaker) = open(ok()).await;
        store.next([fail(nothing)]);
        advance(ms(5_000)).await;
        assert_eq!(kind(breaker.get(&key()).await), nothing);
        assert_eq!(breaker.state(), HalfOpen);
        assert!(breaker.get(&key()).await.is_ok());
        assert_eq!(breaker.state(), Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_lets_the_next_one_probe() {
    let (store, breaker) = open(hang()).await;
    advance(ms(5_000)).await;
    for _ in 0..10 {
        assert!(polled_once_and_dropped(breaker.get(&key())));
        drop(breaker.get(&key()));
    }
    assert_eq!((breaker.state(), store.count()), (HalfOpen, 20));
    store.go_on_with(ok());
    assert!(breaker.get(&key()).await.is_ok());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_comes_back_does_not_keep_it_from_closing() {
    let (store, breaker) = open(ok()).await;
    store.next([hang()]);
    advance(ms(5_000)).await;
    let stuck = tokio::spawn(got(breaker.clone()));
    sleep(ms(1)).await;
    let wait = breaker.get(&key()).await.unwrap_err().retry_after().unwrap();
    assert_eq!(wait, ms(4_999));
    advance(wait).await;
    assert!(breaker.get(&key()).await.is_ok());
    assert_eq!(breaker.state(), Closed);
    stuck.abort();
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_up_late_gives_back_no_place_of_a_later_probe() {
    let (store, breaker) = open(hang()).await;
    advance(ms(5_000)).await;
    let stuck = tokio::spawn(got(breaker.clone()));
    sleep(ms(1)).await;
    advance(ms(4_999)).await;
    let next = tokio::spawn(got(breaker.clone()));
    sleep(ms(1)).await;
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    assert_eq!(store.running(), 1);
    assert_eq!(kind(breaker.get(&key()).await), Kind::Refused);
    next.abort();
    assert!(next.await.unwrap_err().is_cancelled());
    store.go_on_with(ok());
    assert!(breaker.get(&key()).await.is_ok(), "control: a probe of now gives its place back");
}

/// No backend sends anything for one, so it says nothing about the store.
#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_no_probe() {
    let (store, breaker) = open(ok()).await;
    for state in [Open, HalfOpen] {
        assert!(breaker.get_many(&[]).await.unwrap().is_empty());
        assert!(breaker.delete_many(&[]).await.unwrap().is_empty());
        breaker.set_many(Vec::new()).await.unwrap();
        assert_eq!((store.count(), breaker.state()), (10, state));
        advance(ms(5_000)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_store_leaves_no_probe_taken() {
    struct Panics;
    impl Backend for Panics {
        async fn get(
            &self,
            _: &blindcache::StoreKey,
        ) -> Result<Option<bytes::Bytes>, blindcache::BackendError> {
            panic!("as it is told")
        }
        async fn set(
            &self,
            _: &blindcache::StoreKey,
            _: blindcache::Sealed,
            _: Option<Duration>,
        ) -> Result<(), blindcache::BackendError> {
            Err(blindcache::BackendError::new("panics", Kind::Timeout))
        }
        async fn delete(&self, _: &blindcache::StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(true)
        }
        async fn exists(&self, _: &blindcache::StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(true)
        }
    }
    let breaker = std::sync::Arc::new(Panics.breaker());
    let _ = breaker.set(&key(), crate::script::entry(), None).await;
    assert_eq!(breaker.state(), Open);
    advance(ms(5_000)).await;
    let panicking = breaker.clone();
    assert!(tokio::spawn(async move { panicking.get(&key()).await }).await.unwrap_err().is_panic());
    assert!(breaker.exists(&key()).await.unwrap());
    assert_eq!(breaker.state(), Closed);
}
