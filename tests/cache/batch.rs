//! `get_or_compute_many`, alone.

use std::cell::RefCell;

use blindcache::Cache;

use tokio::time::Instant;

use super::store::{World, ms, secs};

/// A function of a batch that notes what it was asked for, and gives each key ten times itself.
async fn tenfold(asked: &RefCell<Vec<Vec<u32>>>, keys: Vec<u32>) -> Result<Vec<(u32, u32)>, ()> {
    asked.borrow_mut().push(keys.clone());
    Ok(keys.into_iter().rev().map(|key| (key, key * 10)).collect())
}

fn caches(world: &World) -> [Cache; 3] {
    [world.cache(), world.without_memory(), Cache::in_memory().clock(&world.clock).build().unwrap()]
}

#[tokio::test]
async fn function_runs_once_with_exactly_the_missing_keys_each_once() {
    for at in 0..3 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set_many([(2, 2_u32), (4, 4)]).await.unwrap();
        let asked = RefCell::default();
        let values = cache.get_or_compute_many([5, 4, 3, 5, 2, 1, 4], |keys| tenfold(&asked, keys)).await;
        let expected = [50, 4, 30, 50, 2, 10, 4];
        assert_eq!(values.unwrap(), expected.map(Some));
        assert_eq!(asked.take(), [[5, 3, 1]]);
        let values = cache.get_or_compute_many([5, 4, 3, 5, 2, 1, 4], |keys| tenfold(&asked, keys)).await;
        assert_eq!((values.unwrap(), asked.take().len()), (expected.map(Some).to_vec(), 0));
        assert_eq!(cache.get(3).await.unwrap(), Some(30_u32));
        assert_eq!(cache.stats().in_flight, 0);
    }
}

#[tokio::test]
async fn one_round_trip_reads_and_one_writes() {
    let world = World::new();
    let cache = world.without_memory();
    let asked = RefCell::default();
    cache.get_or_compute_many([1, 2, 3], |keys| tenfold(&asked, keys)).await.unwrap();
    assert_eq!(world.store.calls(), ["get_many", "set_many"]);
    cache.get_or_compute_many([1, 2, 3], |keys| tenfold(&asked, keys)).await.unwrap();
    cache.get_many::<u32>([1, 2, 3]).await.unwrap();
    cache.set_many([(1, 1), (2, 2)]).await.unwrap();
    cache.delete_many([1, 2]).await.unwrap();
    assert_eq!(world.store.calls(), ["get_many", "get_many", "set_many", "delete_many"]);
}

#[tokio::test]
async fn batch_of_nothing_asks_nothing() {
    let world = World::new();
    let cache = world.cache();
    let asked = RefCell::default();
    assert_eq!(cache.get_or_compute_many([], |keys| tenfold(&asked, keys)).await, Ok(vec![]));
    assert_eq!(cache.get_many::<u32>([0_u8; 0]).await.unwrap(), []);
    assert_eq!(cache.delete_many([0_u8; 0]).await.unwrap(), Vec::<bool>::new());
    cache.set_many([(0, 0); 0]).await.unwrap();
    assert!(world.store.calls().is_empty() && asked.take().is_empty());
}

#[tokio::test]
async fn fewer_more_and_other_keys_than_asked_for_are_taken_as_they_come() {
    let world = World::new();
    let cache = world.cache();
    cache.set(2, 2).await.unwrap();
    let odd = |_| async { Ok::<_, ()>([(7, 70), (1, 10), (2, 20), (1, 11)]) };
    assert_eq!(cache.get_or_compute_many([1, 2, 3], odd).await, Ok(vec![Some(10), Some(2), None]));
    assert_eq!(cache.get_many::<i32>([1, 2, 3, 7]).await.unwrap(), [Some(10), Some(2), None, None]);
}

#[tokio::test]
async fn failing_function_s_error_is_returned_and_nothing_kept() {
    let world = World::new();
    let cache = world.cache();
    cache.set(1, 1).await.unwrap();
    let fails = |_: Vec<i32>| async { Err::<Vec<(i32, i32)>, _>("no") };
    assert_eq!(cache.get_or_compute_many([1, 2], fails).await, Err("no"));
    assert_eq!((cache.stats().in_flight, cache.stats().errors), (0, 1));
    assert_eq!(cache.get_many::<i32>([1, 2]).await.unwrap(), [Some(1), None]);
}

#[tokio::test]
async fn values_of_a_batch_have_the_cache_s_ttl_and_none_ttl() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).none_ttl(secs(5)).build().unwrap();
    let some = |_: Vec<u8>| async { Ok::<_, ()>([(1, Some(1)), (2, None)]) };
    cache.get_or_compute_many([1, 2], some).await.unwrap();
    world.clock.advance(secs(5));
    assert_eq!(cache.get_many::<Option<i32>>([1, 2]).await.unwrap(), [Some(Some(1)), None]);
    world.clock.advance(secs(5));
    assert_eq!(cache.get_many::<Option<i32>>([1, 2]).await.unwrap(), [None, None]);
}

#[tokio::test]
async fn last_of_equal_keys_is_set_and_deletes_tell_for_each() {
    for at in 0..3 {
        let world = World::new();
        let cache = &caches(&world)[at];
        cache.set_many([("b", 1), ("a", 2), ("b", 3)]).await.unwrap();
        assert_eq!(cache.get_many::<i32>(["a", "b"]).await.unwrap(), [Some(2), Some(3)]);
        assert_eq!(cache.delete_many(["c", "b", "a"]).await.unwrap(), [false, true, true]);
        assert_eq!(cache.get_many::<i32>(["a", "b"]).await.unwrap(), [None, None]);
    }
}

#[tokio::test]
async fn refused_key_is_counted_and_does_not_stop_the_others() {
    let cache = World::new().cache();
    let values = |keys: Vec<f64>| async move { Ok::<_, ()>(keys.into_iter().map(|key| (key, 1))) };
    assert_eq!(cache.get_or_compute_many([1.5], values).await, Ok(vec![None]));
    assert_eq!(cache.stats().troubles, 1);
}

#[tokio::test]
async fn hits_are_counted_once() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([(1, 1), (2, 2)]).await.unwrap();
    let other = world.cache();
    other.get_many::<i32>([1, 2, 3]).await.unwrap();
    other.get_many::<i32>([1, 2, 3]).await.unwrap();
    let stats = other.stats();
    assert_eq!((stats.l1_hits, stats.hits, stats.misses), (2, 2, 2));
}

/// Fresh for 20 s, usable for 40 s more; with stale values under 1 and 2.
async fn stale(world: &World, with_memory: bool) -> Cache {
    let builder = if with_memory { world.builder() } else { world.builder().l1(0) };
    let cache = builder.ttl(secs(20)).stale(secs(40)).build().unwrap();
    cache.set_many([(1, 1), (2, 2)]).await.unwrap();
    world.clock.advance(secs(20));
    cache
}

async fn fails(_: Vec<i32>) -> Result<Vec<(i32, i32)>, &'static str> {
    Err("no")
}

#[tokio::test]
async fn stale_values_stand_in_for_a_function_that_fails_if_there_is_one_for_each_missing_key() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = stale(&world, with_memory).await;
        cache.set(3, 3).await.unwrap();
        assert_eq!(cache.get_or_compute_many([2, 4, 1], fails).await, Err("no"));
        assert_eq!(cache.get_or_compute_many([2, 3, 1, 2], fails).await, Ok([2, 3, 1, 2].map(Some).to_vec()));
        assert_eq!((cache.stats().stale, cache.stats().in_flight), (2, 0));
        world.clock.advance(secs(40) - ms(1));
        assert_eq!(cache.get_or_compute_many([1], fails).await, Ok(vec![Some(1)]));
        world.clock.advance(ms(1));
        assert_eq!(cache.get_or_compute_many([1], fails).await, Err("no"));
    }
}

#[tokio::test]
async fn function_that_has_no_value_for_a_key_is_believed() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = stale(&world, with_memory).await;
        let one = |_: Vec<i32>| async { Ok::<_, ()>([(1, 10)]) };
        assert_eq!(cache.get_or_compute_many([1, 2], one).await, Ok(vec![Some(10), None]));
    }
}

#[tokio::test(start_paused = true)]
async fn batch_s_function_beyond_the_soft_timeout_is_dropped_for_stale_values() {
    for with_memory in [true, false] {
        let world = World::new();
        let builder = if with_memory { world.builder() } else { world.builder().l1(0) };
        let builder = builder.ttl(secs(20)).stale(secs(40)).soft_timeout(ms(100));
        let cache = builder.build().unwrap();
        cache.set_many([(1, 1), (2, 2)]).await.unwrap();
        world.clock.advance(secs(20));
        let slow = |keys: Vec<i32>| async move {
            tokio::time::sleep(secs(1)).await;
            Ok::<_, ()>(keys.into_iter().map(|key| (key, key * 10)))
        };
        let start = Instant::now();
        assert_eq!(cache.get_or_compute_many([1, 2, 3], slow).await, Ok([10, 20, 30].map(Some).to_vec()));
        assert_eq!(start.elapsed(), secs(1), "there is nothing for 3");
        world.clock.advance(secs(20));
        let start = Instant::now();
        assert_eq!(cache.get_or_compute_many([1, 2], slow).await, Ok([10, 20].map(Some).to_vec()));
        assert_eq!(start.elapsed(), ms(100));
    }
}

#[tokio::test]
async fn memory_stands_in_for_a_store_that_is_down() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([(1, 1), (2, 2)]).await.unwrap();
    world.clock.advance(secs(30));
    world.store.fail();
    assert_eq!(cache.get_many::<i32>([2, 1]).await.unwrap(), [Some(2), Some(1)]);
    assert_eq!(cache.get_or_compute_many([2, 1], fails).await, Ok(vec![Some(2), Some(1)]));
    assert!(cache.get_many::<i32>([2, 3]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn stale_value_that_ends_while_a_batch_s_function_runs_does_not_stand_in() {
    for with_memory in [true, false] {
        let world = World::new();
        let cache = stale(&world, with_memory).await;
        let fails_late = async |_: Vec<i32>| {
            world.pass(secs(40)).await;
            Err::<[(i32, i32); 0], _>("no")
        };
        assert_eq!(cache.get_or_compute_many([1, 2], fails_late).await, Err("no"));
        let cache = world.builder().ttl(secs(20)).stale(secs(40)).soft_timeout(secs(50)).build().unwrap();
        cache.set_many([(1, 1), (2, 2)]).await.unwrap();
        world.clock.advance(secs(20));
        let slow = async |keys: Vec<i32>| {
            world.pass(secs(60)).await;
            Ok::<_, ()>(keys.into_iter().map(|key| (key, key * 10)))
        };
        let computed = cache.get_or_compute_many([1, 2], slow).await;
        assert_eq!(computed, Ok([10, 20].map(Some).to_vec()), "beyond the soft time-out there is nothing");
    }
}
