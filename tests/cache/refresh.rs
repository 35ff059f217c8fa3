//! `get_or_refresh`: the value at once, and one task in the background.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::{Builder, Cache};
use tokio::{sync::Notify, time::Instant};

use super::store::{World, ms, secs, settle};

/// Fresh for 10 s, usable for 20 s more.
fn stale(builder: Builder) -> Cache {
    builder.ttl(secs(10)).stale(secs(20)).build().unwrap()
}

/// With a value 1 that has become stale.
async fn world(with_memory: bool) -> (World, Cache) {
    let world = World::new();
    let cache = stale(if with_memory { world.builder() } else { world.builder().l1(0) });
    cache.set("k", 1).await.unwrap();
    world.pass(secs(10)).await;
    (world, cache)
}

/// A function that gives its number once it may, and counts.
#[derive(Clone, Default)]
struct Slow(Arc<(Notify, AtomicUsize)>);

impl Slow {
    fn compute(&self, value: i32) -> impl Future<Output = Result<i32, ()>> + Send + use<> {
        let slow = self.0.clone();
        async move {
            slow.1.fetch_add(1, SeqCst);
            slow.0.notified().await;
            Ok(value)
        }
    }

    fn finish(&self) {
        self.0.0.notify_one();
    }

    fn runs(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

async fn refreshing(cache: &Cache, slow: &Slow, value: i32) -> i32 {
    let slow = slow.clone();
    cache.get_or_refresh("k", move || slow.compute(value)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn stale_value_comes_at_once_and_one_task_refreshes_it() {
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        let (slow, start) = (Slow::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(refreshing(&cache, &slow, 2).await, 1);
            settle().await;
        }
        assert_eq!((slow.runs(), start.elapsed()), (1, Duration::ZERO));
        slow.finish();
        settle().await;
        assert_eq!(refreshing(&cache, &slow, 3).await, 2);
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
        cache.close().await;
        assert_eq!((slow.runs(), cache.stats().in_flight), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn refreshed_value_is_in_the_store() {
    for with_memory in [true, false] {
        let (world, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        slow.finish();
        cache.close().await;
        assert_eq!(world.cache().get("k").await.unwrap(), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nothing_the_caller_computes() {
    let cache = World::new().cache();
    assert_eq!(cache.get_or_refresh::<i32, _, _, _>("k", async || Err("no")).await, Err("no"));
    assert_eq!(cache.get_or_refresh("k", async || Ok::<_, ()>(1)).await, Ok(1));
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn fresh_value_is_not_refreshed_before_its_time() {
    for with_memory in [true, false] {
        let world = World::new();
        let builder = world.builder().ttl(secs(10)).refresh_ahead(0.8);
        let cache = if with_memory { builder } else { builder.l1(0) }.build().unwrap();
        cache.set("k", 1).await.unwrap();
        let slow = Slow::default();
        world.pass(secs(8) - ms(1)).await;
        assert_eq!(refreshing(&cache, &slow, 2).await, 1);
        settle().await;
        assert_eq!(slow.runs(), 0);
        world.pass(ms(1)).await;
        for _ in 0..3 {
            assert_eq!(refreshing(&cache, &slow, 2).await, 1);
            settle().await;
        }
        assert_eq!(slow.runs(), 1);
        // Who computes in the caller gets the value that is still fresh.
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(9)).await, Ok(1));
        slow.finish();
        settle().await;
        assert_eq!(refreshing(&cache, &slow, 3).await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_loses_against_a_newer_set() {
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        settle().await;
        cache.set("k", 3).await.unwrap();
        slow.finish();
        cache.close().await;
        assert_eq!((slow.runs(), cache.get("k").await.unwrap()), (1, Some(3)));
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_loses_against_a_delete() {
    for with_memory in [true, false] {
        let (world, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        settle().await;
        assert!(cache.delete("k").await.unwrap());
        slow.finish();
        cache.close().await;
        assert_eq!((slow.runs(), cache.get::<i32>("k").await.unwrap()), (1, None));
        assert_eq!(world.store.entries(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_loses_against_an_invalidation() {
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        settle().await;
        cache.clear().await.unwrap();
        slow.finish();
        cache.close().await;
        assert_eq!((slow.runs(), cache.get::<i32>("k").await.unwrap()), (1, None));
    }
}

#[tokio::test(start_paused = true)]
async fn value_that_expires_during_a_stuck_refresh_is_gone_and_the_next_computes() {
    for with_memory in [true, false] {
        let (world, cache) = world(with_memory).await;
        assert_eq!(cache.get_or_refresh("k", pending::<Result<i32, ()>>).await, Ok(1));
        world.pass(secs(20) - ms(1)).await;
        assert_eq!(cache.get_or_refresh("k", pending::<Result<i32, ()>>).await, Ok(1));
        world.pass(ms(2)).await;
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get_or_refresh("k", || async { Ok::<_, ()>(2) }).await, Ok(2));
        cache.close().await;
        assert_eq!(cache.stats().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_that_fails_or_panics_leaves_the_stale_value_and_the_next_tries_again() {
    for with_memory in [true, false] {
        let (world, cache) = world(with_memory).await;
        assert_eq!(cache.get_or_refresh("k", async || Err("no")).await, Ok(1));
        settle().await;
        world.pass(secs(10)).await;
        let panics = || async { panic!("in the application's function") };
        assert_eq!(cache.get_or_refresh::<i32, (), _, _>("k", panics).await, Ok(1));
        settle().await;
        assert_eq!(cache.get_or_refresh("k", async || Ok::<_, ()>(2)).await, Ok(1));
        settle().await;
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
        assert_eq!(cache.stats().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_computes_beside_a_refresh() {
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        settle().await;
        let other = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_compute("k", async || Ok::<_, ()>(9)).await }
        });
        settle().await;
        slow.finish();
        assert_eq!(other.await.unwrap(), Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_what_is_under_way_and_starts_no_more() {
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        let closed = tokio::spawn({
            let cache = cache.clone();
            async move { cache.close().await }
        });
        settle().await;
        assert!(!closed.is_finished());
        slow.finish();
        closed.await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    }
    for with_memory in [true, false] {
        let (_, cache) = world(with_memory).await;
        cache.close().await;
        let slow = Slow::default();
        assert_eq!(refreshing(&cache, &slow, 2).await, 1);
        settle().await;
        assert_eq!((slow.runs(), cache.stats().in_flight), (0, 0));
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(3)).await, Ok(3));
    }
}

#[tokio::test(start_paused = true)]
async fn value_that_ends_while_the_store_is_asked_is_not_returned() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = stale(if with_memory { world.builder().l1_ttl(secs(1)) } else { world.builder().l1(0) });
        cache.entry("k").tags(["t"]).set(1).await.unwrap();
        world.pass(secs(30) - ms(150)).await;
        // The entry comes in time, and the marker does not.
        world.store.delay(ms(100));
        let asking = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_refresh("k", || async { Ok::<_, ()>(2) }).await }
        });
        settle().await;
        for _ in 0..40 {
            world.pass(ms(10)).await;
        }
        assert_eq!(asking.await.unwrap(), Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_refresh_gets_its_value_before_it_is_written() {
    for with_memory in [true, false] {
        let (world, cache) = world(with_memory).await;
        let slow = Slow::default();
        refreshing(&cache, &slow, 2).await;
        settle().await;
        let other = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_compute("k", async || Ok::<_, ()>(9)).await }
        });
        settle().await;
        world.store.hang("set");
        slow.finish();
        settle().await;
        assert!(other.is_finished());
        assert_eq!(other.await.unwrap(), Ok(2));
    }
}

/// Also where memory has to ask for the markers before it gives the value.
#[tokio::test(start_paused = true)]
async fn what_is_in_memory_is_not_kept_back_while_another_call_computes() {
    let (world, cache) = world(true).await;
    let ask = async |how: usize| match how {
        0 => cache.get_or_compute("k", async || Err(())).await.ok(),
        1 => cache.get_or_refresh("k", async || Err(())).await.ok(),
        2 => cache.entry("k").strict().get_or_compute(async || Err(())).await.ok(),
        _ => {
            let none = async |_: Vec<&'static str>| Ok::<[(&'static str, i32); 0], ()>([]);
            cache.get_or_compute_many(["k"], none).await.unwrap().remove(0)
        }
    };
    for (how, stale) in [(0, false), (1, false), (2, false), (3, false), (1, true)] {
        cache.set("k", 1).await.unwrap();
        world.pass(if stale { secs(11) } else { secs(1) }).await;
        let refreshed = cache.refresh("k", pending::<Result<i32, ()>>);
        let asked = async {
            assert_eq!(tokio::time::timeout(ms(100), ask(how)).await, Ok(Some(1)), "{how} {stale}");
        };
        tokio::select! {
            biased;
            _ = refreshed => panic!("it never ends"),
            () = asked => {}
        }
    }
    world.store.calls();
    cache.set("k", 1).await.unwrap();
    world.pass(secs(1)).await;
    // Another process's invalidation is seen.
    stale(world.builder()).clear().await.unwrap();
    let refreshed = cache.refresh("k", pending::<Result<i32, ()>>);
    let asked = async {
        assert!(tokio::time::timeout(ms(100), ask(1)).await.is_err());
    };
    tokio::select! {
        biased;
        _ = refreshed => panic!("it never ends"),
        () = asked => {}
    }
}
