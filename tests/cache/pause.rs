//! Once a function has failed, its stale value stands in for a while before it is tried again.

use std::{
    cell::Cell,
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use blindcache::{Cache, L1};
use tokio::time::Instant;

use super::store::{World, ms, secs, settle};

/// Fresh for 20 s, usable for 60 s more.
fn caches(world: &World) -> [Cache; 3] {
    let in_memory = Cache::in_memory().clock(&world.clock);
    let builders = [world.builder(), world.builder().l1_mode(L1::Sealed), in_memory];
    builders.map(|builder| builder.ttl(secs(20)).stale(secs(60)).build().unwrap())
}

/// A cache with a stale value 1 under `k` and `l`.
async fn stale(world: &World, at: usize) -> Cache {
    let [one, two, three] = caches(world);
    let cache = [one, two, three].into_iter().nth(at).unwrap();
    cache.set_many([("k", 1), ("l", 1)]).await.unwrap();
    world.pass(secs(20)).await;
    cache
}

/// A function that fails, and counts.
fn failing<'a>(runs: &'a Cell<u32>) -> impl FnOnce() -> std::future::Ready<Result<i32, &'static str>> + 'a {
    || {
        runs.set(runs.get() + 1);
        std::future::ready(Err("no"))
    }
}

#[tokio::test(start_paused = true)]
async fn function_that_failed_is_tried_again_after_the_pause() {
    for at in 0..3 {
        let world = World::new();
        let cache = stale(&world, at).await;
        let runs = Cell::new(0);
        for _ in 0..2 {
            // Markers are asked for anew in every second of it.
            for _ in 0..20 {
                assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
                world.pass(ms(500)).await;
            }
        }
        assert_eq!((runs.get(), cache.stats().stale), (2, 40));
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(2));
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(2));
        assert_eq!((runs.get(), cache.stats().in_flight), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn only_one_call_waits_for_the_soft_timeout() {
    for at in 0..3 {
        let world = World::new();
        let cache = stale(&world, at).await;
        let start = Instant::now();
        for _ in 0..10 {
            let call = cache.entry("k").soft_timeout(ms(100));
            assert_eq!(call.get_or_compute(pending::<Result<i32, ()>>).await, Ok(1));
        }
        assert_eq!(start.elapsed(), ms(100));
    }
}

#[tokio::test(start_paused = true)]
async fn pause_is_no_longer_than_a_ttl_and_zero_is_none() {
    let world = World::new();
    let cache = world.builder().ttl(secs(2)).stale(secs(60)).build().unwrap();
    let runs = Cell::new(0);
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(2));
    for _ in 0..2 {
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
        world.clock.advance(secs(2) - ms(1));
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
        world.clock.advance(ms(1));
    }
    assert_eq!(runs.get(), 2);
    for _ in 0..3 {
        let call = cache.entry("k").fail_safe_pause(secs(0));
        assert_eq!(call.get_or_compute(failing(&runs)).await, Ok(1));
    }
    assert_eq!(runs.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn stale_value_does_not_stand_in_beyond_its_end_nor_for_other_reads() {
    for at in 0..3 {
        let world = World::new();
        let cache = stale(&world, at).await;
        let runs = Cell::new(0);
        world.pass(secs(55)).await;
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get_many::<i32>(["k"]).await.unwrap(), [None]);
        assert!(cache.entry("k").strict().get_or_compute(failing(&runs)).await.is_err());
        assert_eq!(runs.get(), 2);
        world.pass(secs(5)).await;
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Err("no"));
    }
}

#[tokio::test(start_paused = true)]
async fn writes_and_invalidations_end_it() {
    for at in 0..3 {
        for write in 0..4 {
            let world = World::new();
            let cache = stale(&world, at).await;
            let runs = Cell::new(0);
            assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
            match write {
                0 => drop(cache.delete("k").await.unwrap()),
                1 => cache.clear().await.unwrap(),
                2 => cache.set("k", 2).await.unwrap(),
                _ => assert_eq!(cache.refresh("k", async || Ok::<_, ()>(2)).await, Ok(2)),
            }
            let expected = if write < 2 { Err("no") } else { Ok(2) };
            assert_eq!(cache.get_or_compute("k", failing(&runs)).await, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_s_newer_value_shows() {
    let world = World::new();
    let cache = stale(&world, 0).await;
    let runs = Cell::new(0);
    assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
    world.cache().set("k", 2).await.unwrap();
    world.pass(secs(1)).await;
    assert_eq!((cache.get_or_compute("k", failing(&runs)).await, runs.get()), (Ok(2), 1));
}

#[tokio::test(start_paused = true)]
async fn another_process_s_delete_shows_after_the_l1_ttl() {
    let world = World::new();
    let cache = stale(&world, 0).await;
    let runs = Cell::new(0);
    assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
    world.cache().delete("k").await.unwrap();
    for _ in 0..29 {
        let _ = cache.get_or_compute("k", failing(&runs)).await;
        world.pass(secs(1)).await;
    }
    world.pass(secs(1)).await;
    assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Err("no"));
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_is_not_asked_by_every_call() {
    let world = World::new();
    let cache = stale(&world, 0).await;
    world.store.fail();
    world.store.delay(secs(1));
    let runs = Cell::new(0);
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
    }
    assert_eq!(runs.get(), 1);
    assert!(start.elapsed() <= secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn background_refresh_that_failed_is_tried_again_after_the_pause() {
    fn failing(runs: &Arc<AtomicUsize>) -> impl Future<Output = Result<i32, ()>> + Send + use<> {
        let runs = runs.clone();
        async move {
            runs.fetch_add(1, SeqCst);
            Err(())
        }
    }
    for at in 0..3 {
        for ahead in [true, false] {
            let world = World::new();
            let cache = stale(&world, at).await;
            if ahead {
                cache.set("k", 1).await.unwrap();
            }
            let runs = Arc::new(AtomicUsize::new(0));
            for _ in 0..2 {
                for _ in 0..10 {
                    let (runs, call) = (runs.clone(), cache.entry("k").refresh_ahead(0.0));
                    assert_eq!(call.get_or_refresh(move || failing(&runs)).await, Ok(1));
                    settle().await;
                    world.pass(ms(999)).await;
                }
                world.pass(ms(10)).await;
            }
            assert_eq!((runs.load(SeqCst), cache.stats().in_flight), (2, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn batch_takes_what_stands_in_and_asks_for_the_rest() {
    for at in 0..3 {
        let world = World::new();
        let cache = stale(&world, at).await;
        assert_eq!(cache.get_or_compute("k", async || Err("no")).await, Ok(1));
        let asked = Cell::new(vec![]);
        let twos = async |keys: Vec<&'static str>| {
            asked.set(keys.clone());
            Ok::<_, ()>(keys.into_iter().map(|key| (key, 2)))
        };
        assert_eq!(cache.get_or_compute_many(["k", "l"], twos).await, Ok(vec![Some(1), Some(2)]));
        assert_eq!(asked.take(), ["l"]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_memory_every_call_tries() {
    let world = World::new();
    let cache = world.builder().l1(0).ttl(secs(20)).stale(secs(60)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(20));
    let runs = Cell::new(0);
    for _ in 0..3 {
        assert_eq!(cache.get_or_compute("k", failing(&runs)).await, Ok(1));
    }
    assert_eq!(runs.get(), 3);
}
