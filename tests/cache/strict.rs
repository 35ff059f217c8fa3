//! `entry(key).strict()` fails closed.

use std::future::pending;

use blindcache::{ComputeError, Error, Unreadable};
use tokio::time::Instant;

use super::store::{World, ms, secs, settle};

async fn never() -> Result<i32, ()> {
    panic!("must not be computed")
}

async fn one() -> Result<i32, ()> {
    Ok(1)
}

#[tokio::test]
async fn value_is_computed_and_kept_where_nothing_is_wrong() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory()] {
        assert_eq!(cache.entry("k").strict().get_or_compute(one).await.unwrap(), 1);
        assert_eq!(cache.entry("k").strict().get_or_compute(never).await.unwrap(), 1);
        assert_eq!(cache.entry("k").strict().get().await.unwrap(), Some(1));
        assert_eq!(cache.entry("other").strict().get::<i32>().await.unwrap(), None);
    }
}

#[tokio::test]
async fn store_that_fails_is_an_error_before_the_function_runs() {
    let world = World::new();
    world.store.fail();
    let cache = world.cache();
    let failed = cache.entry("k").strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Backend(_)))));
    assert!(matches!(cache.entry("k").strict().get::<i32>().await, Err(Error::Backend(_))));
}

#[tokio::test]
async fn memory_does_not_stand_in_for_a_store_that_fails() {
    let world = World::new();
    let cache = world.builder().stale(secs(60)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(30));
    world.store.fail();
    assert!(matches!(cache.entry("k").strict().get::<i32>().await, Err(Error::Backend(_))));
    let failed = cache.entry("k").strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Backend(_)))));
}

#[tokio::test]
async fn write_that_fails_is_an_error_after_the_function_has_run() {
    let world = World::new();
    let cache = world.cache();
    let computed = cache.entry("k").strict().get_or_compute(async || {
        world.store.fail();
        Ok::<_, ()>(1)
    });
    assert!(matches!(computed.await, Err(ComputeError::Cache(Error::Backend(_)))));
}

#[tokio::test]
async fn unreadable_entry_is_an_error() {
    let world = World::new();
    world.cache().set("k", 1).await.unwrap();
    world.store.plant_everywhere(b"plaintext");
    let cache = world.cache();
    let failed = cache.entry("k").strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Unreadable(Unreadable::NotSealed)))));
    let failed = cache.entry("k").strict().get::<i32>().await;
    assert!(matches!(failed, Err(Error::Unreadable(Unreadable::NotSealed))));
}

#[tokio::test]
async fn refused_key_ttl_and_tag_are_errors() {
    let cache = World::new().cache();
    let failed = cache.entry(1.5).strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Key(_)))));
    assert!(matches!(cache.entry(1.5).strict().get::<i32>().await, Err(Error::Key(_))));
    let failed = cache.entry("k").ttl(secs(0)).strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Ttl))));
    let failed = cache.entry("k").tags([""]).strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Tag))));
}

#[tokio::test]
async fn error_of_the_function_is_returned_and_no_stale_value() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(20)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(10));
    let failed = cache.entry("k").strict().get_or_compute(async || Err::<i32, _>("no")).await;
    assert!(matches!(failed, Err(ComputeError::Compute("no"))));
}

#[tokio::test(start_paused = true)]
async fn function_beyond_the_hard_timeout_is_dropped() {
    let cache = World::new().cache();
    let start = Instant::now();
    let call = cache.entry("k").strict().hard_timeout(ms(100));
    let timed_out = call.get_or_compute(pending::<Result<i32, ()>>).await;
    assert!(matches!(timed_out, Err(ComputeError::TimedOut)));
    assert_eq!((start.elapsed(), cache.stats().in_flight), (ms(100), 0));
    assert_eq!(cache.get_or_compute("k", one).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_another_call_counts_for_the_hard_timeout() {
    let cache = World::new().cache();
    let stuck = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_compute("k", pending::<Result<i32, ()>>).await }
    });
    settle().await;
    let start = Instant::now();
    let timed_out = cache.entry("k").strict().hard_timeout(ms(100)).get_or_compute(one).await;
    assert!(matches!(timed_out, Err(ComputeError::TimedOut)));
    assert_eq!(start.elapsed(), ms(100));
    stuck.abort();
}
