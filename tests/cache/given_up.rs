//! Writes whose futures are dropped while their requests are on the way: they still arrive, and nothing newer is lost.

use std::{future::Future, pin::Pin};

use blindcache::Cache;
use tokio::time::{Instant, timeout};

use super::store::{World, ms, secs, settle};

type Call = for<'a> fn(&'a Cache) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn one() -> Result<i32, ()> {
    Ok(1)
}

async fn ones(keys: Vec<&'static str>) -> Result<Vec<(&'static str, i32)>, ()> {
    Ok(keys.into_iter().map(|key| (key, 1)).collect())
}

/// Whatever sends a write or a delete of `k`.
const WRITES: &[Call] = &[
    |cache| Box::pin(async { drop(cache.set("k", 1).await) }),
    |cache| Box::pin(async { drop(cache.delete("k").await) }),
    |cache| Box::pin(async { drop(cache.set_many([("l", 1), ("k", 1)]).await) }),
    |cache| Box::pin(async { drop(cache.delete_many(["l", "k"]).await) }),
    |cache| Box::pin(async { _ = cache.refresh("k", one).await }),
    |cache| Box::pin(async { _ = cache.get_or_compute("k", one).await }),
    |cache| Box::pin(async { drop(cache.entry("k").strict().get_or_compute(one).await) }),
    |cache| Box::pin(async { _ = cache.get_or_refresh("k", one).await }),
    |cache| Box::pin(async { drop(cache.get_or_compute_many(["l", "k"], ones).await) }),
];

/// Begins the call, whose request takes 10 ms, and gives it up after 1 ms; later requests take 1 ms.
async fn give_up(world: &World, cache: &Cache, call: Call) {
    world.store.transit(ms(10));
    assert!(timeout(ms(1), call(cache)).await.is_err());
    world.store.transit(ms(1));
}

#[tokio::test(start_paused = true)]
async fn newer_set_is_not_undone_by_a_write_that_was_given_up() {
    for (at, call) in WRITES.iter().enumerate() {
        for with_memory in [true, false] {
            let world = World::new();
            let cache = if with_memory { world.cache() } else { world.without_memory() };
            give_up(&world, &cache, *call).await;
            cache.set("k", 2).await.unwrap();
            tokio::time::sleep(ms(20)).await;
            for cache in [&cache, &world.without_memory()] {
                assert_eq!(cache.get("k").await.unwrap(), Some(2), "write {at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn newer_delete_is_not_undone_by_a_write_that_was_given_up() {
    for (at, call) in WRITES.iter().enumerate() {
        for with_memory in [true, false] {
            let world = World::new();
            let cache = if with_memory { world.cache() } else { world.without_memory() };
            give_up(&world, &cache, *call).await;
            cache.delete("k").await.unwrap();
            tokio::time::sleep(ms(20)).await;
            for cache in [&cache, &world.without_memory()] {
                assert_eq!(cache.get::<i32>("k").await.unwrap(), None, "write {at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn set_that_was_given_up_is_kept_once_the_store_has_it() {
    let world = World::new();
    let cache = world.cache();
    give_up(&world, &cache, WRITES[0]).await;
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    tokio::time::sleep(ms(20)).await;
    world.store.calls();
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    assert_eq!((world.store.calls(), cache.stats().in_flight), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_writes_that_were_given_up() {
    for call in WRITES {
        let world = World::new();
        let cache = world.cache();
        give_up(&world, &cache, *call).await;
        let start = Instant::now();
        cache.close().await;
        assert!(start.elapsed() >= ms(8), "{:?}", start.elapsed());
        assert_eq!(cache.stats().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn write_that_was_given_up_and_never_ends_holds_its_turn_for_half_a_minute() {
    let world = World::new();
    let cache = world.cache();
    world.store.hang("set");
    assert!(timeout(ms(1), cache.set("k", 1)).await.is_err());
    world.store.recover();
    let start = Instant::now() - ms(1);
    // Who computes needs no turn of its own, since a set is newer.
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(7)).await, Ok(7));
    cache.set("l", 2).await.unwrap();
    assert_eq!(start.elapsed(), ms(1));
    assert_eq!(cache.stats().troubles, 0);
    cache.set("k", 2).await.unwrap();
    assert!(start.elapsed().abs_diff(secs(30)) < ms(10), "{:?}", start.elapsed());
    let troubles = cache.stats().troubles_by_reason;
    assert!(matches!(troubles[..], [("timeout", 1)]), "{troubles:?}");
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
    cache.close().await;
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn write_that_is_left_to_the_background_is_given_up_after_half_a_minute_too() {
    let world = World::new();
    let cache = world.cache();
    world.store.fail_at("get_many", 0);
    world.store.hang("set");
    let start = Instant::now();
    assert_eq!(cache.get_or_compute("k", one).await, Ok(1));
    assert_eq!(start.elapsed(), ms(0));
    assert!(timeout(secs(30) - ms(1), cache.close()).await.is_err());
    assert_eq!(cache.stats().troubles, 1, "of the reading");
    assert!(timeout(ms(2), cache.close()).await.is_ok());
    assert_eq!((cache.stats().in_flight, cache.stats().troubles), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn set_that_waits_for_its_turn_and_is_given_up_is_not_sent() {
    let world = World::new();
    let cache = world.without_memory();
    world.store.transit(ms(10));
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set("k", 1).await }
    });
    settle().await;
    assert!(timeout(ms(1), cache.set("k", 2)).await.is_err());
    first.await.unwrap().unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(world.store.calls(), ["set"]);
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
}

/// Without a runtime there is no background: what is given up is given up.
#[test]
fn outside_a_runtime_a_write_is_dropped_with_its_caller() {
    use std::task::{Context, Waker};
    let world = World::new();
    let cache = world.cache();
    world.store.hang("set");
    let mut set = Box::pin(cache.set("k", 1));
    assert!(set.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(set);
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn write_of_a_refresh_in_the_background_is_given_up_after_half_a_minute_too() {
    for closed in [false, true] {
        let world = World::new();
        let cache = world.builder().refresh_ahead(0.0).build().unwrap();
        cache.set("k", 1).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.store.hang("set");
        let slow = || async {
            tokio::time::sleep(ms(10)).await;
            one().await
        };
        assert_eq!(cache.get_or_refresh("k", slow).await, Ok(1));
        if closed {
            assert!(timeout(ms(1), cache.close()).await.is_err(), "the function runs");
        }
        tokio::time::sleep(ms(20)).await;
        world.store.recover();
        assert!(timeout(secs(31), cache.set("k", 2)).await.is_ok(), "the turn is free");
        assert!(timeout(secs(1), cache.close()).await.is_ok());
        assert_eq!((cache.stats().in_flight, cache.stats().troubles), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn set_many_that_waits_for_its_turn_and_is_given_up_leaves_memory_as_it_was() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([("a", 1), ("b", 1)]).await.unwrap();
    assert_eq!(cache.get_many::<i32>(["a", "b"]).await.unwrap(), [Some(1); 2]);
    world.store.delay(ms(10));
    let set = async { cache.set("b", 2).await.unwrap() };
    let batch = async {
        settle().await;
        assert!(timeout(ms(1), cache.set_many([("a", 3), ("b", 3)])).await.is_err());
    };
    tokio::join!(set, batch);
    world.store.calls();
    assert_eq!(cache.get_many::<i32>(["a", "b"]).await.unwrap(), [Some(1), Some(2)]);
    assert!(world.store.calls().is_empty());
}
