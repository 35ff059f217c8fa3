//! `entry(key).strict()` fails closed.

use std::future::pending;

use blindcache::{Cache, ComputeError, Error, Unreadable};
use tokio::time::{Instant, timeout};

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

#[tokio::test(start_paused = true)]
async fn hard_timeout_counts_waiting_and_computing_together() {
    let cache = World::new().cache();
    let first = tokio::spawn({
        let cache = cache.clone();
        let fails = async || {
            tokio::time::sleep(ms(60)).await;
            Err::<i32, _>(())
        };
        async move { cache.get_or_compute("k", fails).await }
    });
    settle().await;
    let start = Instant::now();
    let slow = async || {
        tokio::time::sleep(ms(60)).await;
        one().await
    };
    let timed_out = cache.entry("k").strict().hard_timeout(ms(100)).get_or_compute(slow).await;
    assert!(matches!(timed_out, Err(ComputeError::TimedOut)));
    assert_eq!((start.elapsed(), first.await.unwrap()), (ms(100), Err(())));
    let endless = cache.entry("k").strict().hard_timeout(std::time::Duration::MAX);
    assert_eq!(endless.get_or_compute(one).await.unwrap(), 1);
}

/// A value in memory whose markers have to be asked for again.
async fn markers_due(world: &World) -> Cache {
    let cache = world.cache();
    cache.entry("k").tags(["t"]).set(1).await.unwrap();
    assert_eq!(cache.entry("k").strict().get().await.unwrap(), Some(1));
    world.store.calls();
    assert_eq!(cache.entry("k").strict().get().await.unwrap(), Some(1));
    assert_eq!(cache.entry("k").strict().get_or_compute(never).await.unwrap(), 1);
    assert!(world.store.calls().is_empty(), "memory answers as long as the markers are known");
    world.clock.advance(secs(1));
    cache
}

async fn assert_fails_closed(cache: &Cache) {
    assert!(matches!(cache.entry("k").strict().get::<i32>().await, Err(Error::Backend(_))));
    let failed = cache.entry("k").strict().get_or_compute(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Backend(_)))));
}

#[tokio::test]
async fn marker_that_cannot_be_fetched_is_an_error_each_time() {
    let world = World::new();
    let cache = markers_due(&world).await;
    world.store.fail();
    for _ in 0..3 {
        assert_fails_closed(&cache).await;
        // Who is not strict goes on by what is known, and does not answer for those who are.
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(cache.get_or_compute("k", never).await, Ok(1));
    }
    world.store.recover();
    assert_eq!(cache.entry("k").strict().get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn markers_of_an_entry_from_the_store_that_cannot_be_fetched_are_an_error_each_time() {
    let world = World::new();
    markers_due(&world).await;
    let cache = world.without_memory();
    world.store.fail_at("get_many", 1);
    for _ in 0..3 {
        // The first batch brings the entry and the namespace's marker; the second, for the tag, fails.
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.store.fail_at("get_many", 0);
        assert_fails_closed(&cache).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_enough_while_another_call_asks() {
    let world = World::new();
    let cache = markers_due(&world).await;
    world.store.hang("get_many");
    let asks = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get::<i32>("k").await }
    });
    settle().await;
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    assert!(timeout(ms(1), cache.entry("k").strict().get::<i32>()).await.is_err());
    assert!(timeout(ms(1), cache.entry("k").strict().get_or_compute(never)).await.is_err());
    asks.abort();
}

#[tokio::test(start_paused = true)]
async fn value_handed_over_while_the_store_is_down_is_not_taken() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = if with_memory { world.cache() } else { world.without_memory() };
        world.store.fail();
        let lenient = tokio::spawn({
            let cache = cache.clone();
            let slow = async || {
                tokio::time::sleep(ms(10)).await;
                one().await
            };
            async move { cache.get_or_compute("k", slow).await }
        });
        settle().await;
        let failed = cache.entry("k").strict().get_or_compute(never).await;
        assert!(matches!(failed, Err(ComputeError::Cache(Error::Backend(_)))));
        assert_eq!(lenient.await.unwrap(), Ok(1));
    }
}

#[tokio::test(start_paused = true)]
async fn strict_calls_share_one_computation() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = if with_memory { world.cache() } else { world.without_memory() };
        let runs = std::cell::Cell::new(0);
        let slow = async || {
            runs.set(runs.get() + 1);
            tokio::time::sleep(ms(10)).await;
            one().await
        };
        let call = || cache.entry("k").tags(["t"]).strict().get_or_compute(slow);
        let (a, b, c) = tokio::join!(call(), call(), call());
        assert_eq!((a.unwrap(), b.unwrap(), c.unwrap(), runs.get()), (1, 1, 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn value_handed_over_is_not_taken_even_if_the_store_has_just_told_the_markers() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = if with_memory { world.cache() } else { world.without_memory() };
        assert_eq!(cache.get::<i32>("other").await.unwrap(), None);
        world.store.fail();
        let slow = async || {
            tokio::time::sleep(ms(10)).await;
            one().await
        };
        let lenient = cache.get_or_compute("k", slow);
        let strict = async {
            settle().await;
            cache.entry("k").strict().get_or_compute(never).await
        };
        let waiting = async {
            settle().await;
            cache.get_or_compute("k", never).await
        };
        let (lenient, waiting, strict) = tokio::join!(lenient, waiting, strict);
        // With memory the value is fresh there by the time that it is refused.
        assert!(with_memory || matches!(strict, Err(ComputeError::Cache(Error::Backend(_)))), "{strict:?}");
        assert_eq!((lenient, waiting), (Ok(1), Ok(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_fails_closed_too() {
    let world = World::new();
    let cache = world.cache();
    cache.set("k", 7).await.unwrap();
    assert_eq!(cache.entry("k").strict().refresh(one).await.unwrap(), 1);
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    let failed = cache.entry("k").strict().refresh(async || Err::<i32, _>("no")).await;
    assert!(matches!(failed, Err(ComputeError::Compute("no"))));
    let failed = cache.entry(1.5).strict().refresh(never).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Key(_)))));
    let stuck = cache.entry("k").strict().hard_timeout(ms(100)).refresh(pending::<Result<i32, ()>>);
    assert!(matches!(stuck.await, Err(ComputeError::TimedOut)));
    world.store.fail();
    let failed = cache.entry("k").strict().refresh(one).await;
    assert!(matches!(failed, Err(ComputeError::Cache(Error::Backend(_)))));
    assert_eq!(cache.refresh("k", one).await, Ok(1));
}
