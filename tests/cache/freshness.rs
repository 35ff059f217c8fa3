//! Stale values that stand in for a function: fail-safe and soft time-out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use blindcache::{Builder, Cache};
use tokio::time::Instant;

use super::store::{World, ms, secs, settle};

/// Fresh for 10 s, usable for 20 s more; with and without memory.
fn caches(world: &World) -> [Cache; 2] {
    let stale = |builder: Builder| builder.ttl(secs(10)).stale(secs(20)).build().unwrap();
    [stale(world.builder()), stale(world.builder().l1(0))]
}

#[tokio::test]
async fn stale_value_stands_in_for_a_function_that_fails() {
    for at in 0..2 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(10));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get_or_compute("k", async || Err("no")).await, Ok(1));
        world.clock.advance(secs(20) - ms(1));
        assert_eq!(cache.get_or_compute("k", async || Err("no")).await, Ok(1));
        world.clock.advance(ms(1));
        assert_eq!(cache.get_or_compute::<i32, _, _, _>("k", async || Err("no")).await, Err("no"));
        assert_eq!((cache.stats().stale, cache.stats().errors), (2, 1));
    }
}

#[tokio::test]
async fn function_that_succeeds_replaces_the_stale_value() {
    for at in 0..2 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(10));
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(2));
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn value_that_ends_while_the_function_runs_does_not_stand_in() {
    for at in 0..2 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(15));
        let fails_late = async || {
            world.pass(secs(15)).await;
            Err::<i32, _>("no")
        };
        assert_eq!(cache.get_or_compute("k", fails_late).await, Err("no"));
    }
}

#[tokio::test(start_paused = true)]
async fn function_beyond_the_soft_timeout_is_dropped_for_a_stale_value() {
    struct Sets(Arc<AtomicBool>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    for at in 0..2 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(10));
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Sets(dropped.clone());
        let start = Instant::now();
        let value = cache.entry("k").soft_timeout(ms(100)).get_or_compute(|| async move {
            let _guard = guard;
            std::future::pending::<Result<i32, ()>>().await
        });
        assert_eq!((value.await, start.elapsed()), (Ok(1), ms(100)));
        assert!(dropped.load(SeqCst));
    }
}

#[tokio::test(start_paused = true)]
async fn soft_timeout_waits_on_where_there_is_no_stale_value() {
    let world = World::new();
    let cache = world.builder().soft_timeout(ms(100)).build().unwrap();
    let slow = cache.get_or_compute("k", async || {
        tokio::time::sleep(secs(1)).await;
        Ok::<_, ()>(2)
    });
    assert_eq!(slow.await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn soft_timeout_after_which_the_stale_value_has_ended_waits_on() {
    let world = World::new();
    let cache = &caches(&world)[0];
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(29));
    let slow = async || {
        world.pass(secs(3)).await;
        Ok::<_, ()>(2)
    };
    assert_eq!(cache.entry("k").soft_timeout(secs(2)).get_or_compute(slow).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn stale_value_stands_in_for_those_who_wait_too() {
    let world = World::new();
    let cache = &caches(&world)[0];
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(10));
    let runs = std::cell::Cell::new(0);
    let fail = async || {
        runs.set(runs.get() + 1);
        settle().await;
        Err::<i32, _>("no")
    };
    let both = tokio::join!(cache.get_or_compute("k", fail), cache.get_or_compute("k", fail));
    assert_eq!((both, runs.get()), ((Ok(1), Ok(1)), 1));
}

#[tokio::test]
async fn invalidated_value_does_not_stand_in() {
    for at in 0..2 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.entry("k").tags(["t"]).set(1).await.unwrap();
        world.clock.advance(secs(10));
        cache.invalidate_tag("t").await.unwrap();
        assert_eq!(cache.get_or_compute::<i32, _, _, _>("k", async || Err("no")).await, Err("no"));
    }
}

#[tokio::test]
async fn another_process_finds_the_stale_value_too() {
    let world = World::new();
    let [cache, _] = caches(&world);
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(10));
    assert_eq!(world.cache().get_or_compute("k", async || Err("no")).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn soft_timeout_bounds_waiting_for_another_call_s_function() {
    for behind in [true, false] {
        let world = World::new();
        let cache = &caches(&world)[0];
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(10));
        let stuck = tokio::spawn({
            let cache = cache.clone();
            async move {
                if behind {
                    cache.get_or_refresh("k", std::future::pending::<Result<i32, ()>>).await
                } else {
                    cache.get_or_compute("k", std::future::pending::<Result<i32, ()>>).await
                }
            }
        });
        settle().await;
        let start = Instant::now();
        let never = async || -> Result<i32, ()> { panic!("must not be computed") };
        assert_eq!(cache.entry("k").soft_timeout(ms(100)).get_or_compute(never).await, Ok(1));
        assert_eq!(start.elapsed(), ms(100));
        stuck.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn soft_timeout_bounds_a_batch_s_waiting_for_another_call_s_function() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(20)).soft_timeout(ms(100)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(10));
    let call = cache.entry("k").soft_timeout(secs(1_000));
    let stuck = call.get_or_compute(std::future::pending::<Result<i32, ()>>);
    let batch = async {
        let start = Instant::now();
        let ten = async |missing: Vec<&'static str>| Ok::<_, ()>(missing.into_iter().map(|key| (key, 10)));
        assert_eq!(cache.get_or_compute_many(["k", "l"], ten).await, Ok(vec![Some(1), Some(10)]));
        assert_eq!((start.elapsed(), cache.stats().stale), (ms(100), 1));
    };
    tokio::select! {
        biased;
        _ = stuck => panic!("the batch has waited for it"),
        () = batch => {}
    }
}
