//! Invalidations that race: the newest marker is the one that stays.

use blindcache::{BackendErrorKind, Cache, Error};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::store::{World, ms, settle};

/// Whether a process that starts now finds the entry with the tag `t`.
async fn is_seen_elsewhere(world: &World) -> bool {
    world.cache().get::<i32>("k").await.unwrap().is_some()
}

async fn set_tagged(cache: &Cache) {
    cache.entry("k").tags(["t"]).set(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn newer_of_two_racing_invalidations_is_the_one_that_stays() {
    for all in [true, false] {
        let world = World::new();
        let cache = world.cache();
        let invalidate = |cache: Cache| async move {
            if all { cache.clear().await } else { cache.invalidate_tag("t").await }
        };
        world.store.transit(ms(10));
        let first = tokio::spawn(invalidate(cache.clone()));
        settle().await;
        world.store.transit(ms(1));
        world.clock.advance(ms(1));
        set_tagged(&cache).await;
        world.clock.advance(ms(1));
        // The second is told before the first would have arrived.
        invalidate(cache.clone()).await.unwrap();
        first.await.unwrap().unwrap();
        tokio::time::sleep(ms(20)).await;
        assert!(!is_seen_elsewhere(&world).await);
    }
}

#[tokio::test(start_paused = true)]
async fn newer_invalidation_is_not_undone_by_one_that_was_given_up() {
    let world = World::new();
    let cache = world.cache();
    world.store.transit(ms(10));
    assert!(timeout(ms(1), cache.invalidate_tag("t")).await.is_err());
    world.store.transit(ms(1));
    world.clock.advance(ms(1));
    set_tagged(&cache).await;
    world.clock.advance(ms(1));
    cache.invalidate_tag("t").await.unwrap();
    tokio::time::sleep(ms(20)).await;
    assert!(!is_seen_elsewhere(&world).await);
}

#[tokio::test(start_paused = true)]
async fn invalidation_that_was_given_up_is_told_all_the_same() {
    let world = World::new();
    let cache = world.cache();
    set_tagged(&cache).await;
    world.store.delay(ms(10));
    assert!(timeout(ms(1), cache.invalidate_tag("t")).await.is_err());
    cache.close().await;
    world.store.recover();
    assert!(!is_seen_elsewhere(&world).await);
}

#[tokio::test(start_paused = true)]
async fn thousand_racing_invalidations_of_one_tag_are_two_writes() {
    let world = World::new();
    let cache = world.cache();
    world.store.delay(ms(10));
    let mut racing = JoinSet::new();
    for _ in 0..1_000 {
        let cache = cache.clone();
        racing.spawn(async move { cache.invalidate_tag("t").await });
    }
    let start = Instant::now();
    assert!(racing.join_all().await.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), ms(20));
    assert_eq!(world.store.calls(), ["set"; 2]);
}

#[tokio::test(start_paused = true)]
async fn racing_invalidations_that_fail_all_tell_it_and_cost_two_time_outs() {
    let world = World::new();
    let cache = world.cache();
    world.store.delay(ms(10));
    world.store.fail();
    let mut racing = JoinSet::new();
    for _ in 0..1_000 {
        let cache = cache.clone();
        racing.spawn(async move { cache.invalidate_tag("t").await });
    }
    let start = Instant::now();
    for told in racing.join_all().await {
        let Err(Error::Backend(error)) = told else { panic!("no error") };
        assert_eq!((error.kind(), error.backend()), (BackendErrorKind::Timeout, "test"));
    }
    assert_eq!(start.elapsed(), ms(20));
}

#[tokio::test(start_paused = true)]
async fn marker_that_replaces_a_broken_one_is_not_ahead_of_the_clock() {
    let world = World::new();
    let (cache, other) = (world.without_memory(), world.without_memory());
    set_tagged(&cache).await;
    world.clock.advance(ms(1));
    cache.invalidate_tag("t").await.unwrap();
    world.clock.advance(ms(1));
    set_tagged(&cache).await;
    // Everything is broken; the entry too, but not for long.
    world.store.plant_everywhere(b"plaintext");
    world.clock.advance(ms(1_000));
    let reader = world.without_memory();
    for seen in [None, None, Some(1)] {
        assert_eq!(reader.get::<i32>("k").await.unwrap(), seen);
        set_tagged(&reader).await;
    }
    // What is stored right after the broken marker was seen is older than the next millisecond's invalidation.
    world.clock.advance(ms(1));
    other.clear().await.unwrap();
    assert!(!is_seen_elsewhere(&world).await);
}
