use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, BackendExt};

use crate::script::{Script, entry, hang, key, kind, ms, ok, refused, timed};

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_at_the_limit_in_the_name_of_the_backend() {
    let store = Script::always(hang());
    let limited = store.clone().timeout(ms(200)).unwrap();
    let (result, took) = timed(limited.get(&key())).await;
    assert_eq!((kind(result), took), (Kind::Timeout, ms(200)));
    assert_eq!(store.running(), 0, "what was given up is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_before_the_limit_is_left_alone() {
    let limited = Script::of([ok().after(ms(199)), ok().after(ms(201))]).timeout(ms(200)).unwrap();
    assert_eq!(limited.get(&key()).await.unwrap(), None);
    assert_eq!(kind(limited.get(&key()).await), Kind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_twice_the_limit() {
    let limited = Script::always(hang()).timeout(ms(200)).unwrap();
    let (result, took) = timed(limited.get_many(&[key()])).await;
    assert_eq!((kind(result), took), (Kind::Timeout, ms(400)));
    assert_eq!(timed(limited.set_many(vec![(key(), entry(), None)])).await.1, ms(400));
    assert_eq!(timed(limited.delete_many(&[key()])).await.1, ms(400));
    assert_eq!(timed(limited.ping()).await.1, ms(200));
}

#[test]
fn limits_of_zero_and_beyond_an_hour_are_refused() {
    let with = |limit| Script::default().timeout(limit);
    refused(with(Duration::ZERO));
    refused(with(Duration::from_secs(3_600) + Duration::from_nanos(1)));
    refused(with(Duration::MAX));
    assert!(with(Duration::from_nanos(1)).is_ok());
    assert!(with(Duration::from_secs(3_600)).is_ok());
}
