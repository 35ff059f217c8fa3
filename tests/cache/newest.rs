//! Memory and the store hold different values of a key: which one counts, and which one memory holds from then on.

use blindcache::{Builder, Cache, L1};

use super::store::{World, ms, secs};

/// Fresh for 10 s, usable for 20 s more.
fn stale(builder: Builder) -> Cache {
    builder.ttl(secs(10)).stale(secs(20)).build().unwrap()
}

#[tokio::test]
async fn older_entry_of_the_store_does_not_replace_a_stale_value_in_memory() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = stale(world.builder().l1_mode(mode).fail_safe_pause(secs(0)));
        cache.entry("k").ttl(secs(25)).set(1).await.unwrap();
        let (name, old) = world.store.entries().remove(0);
        world.clock.advance(ms(1));
        cache.set("k", 2).await.unwrap();
        world.store.plant(&name, Some(old));
        world.clock.advance(secs(10));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        let fails = async || Err::<i32, _>("no");
        assert_eq!(cache.get_or_compute("k", fails).await, Ok(2));
        assert_eq!(cache.get_many::<i32>(["k"]).await.unwrap(), [None]);
        assert_eq!(cache.get_or_compute("k", fails).await, Ok(2));
        // Nor does it hide what another process has written since.
        world.store.recover();
        world.clock.advance(ms(1));
        stale(world.builder()).set("k", 3).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(3));
    }
}

/// Memory and markers are believed for as long as the test takes.
fn believing(world: &World) -> Builder {
    world.builder().l1_ttl(secs(1_000)).marker_ttl(secs(1_000))
}

#[tokio::test]
async fn of_two_values_of_one_moment_that_of_the_store_counts() {
    let world = World::new();
    let cache = stale(believing(&world));
    cache.set("k", 1).await.unwrap();
    world.cache().set("k", 2).await.unwrap();
    world.clock.advance(secs(10));
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
    world.store.calls();
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
    assert!(world.store.calls().is_empty(), "memory holds it by now");
}

#[tokio::test]
async fn newer_value_of_another_process_takes_the_place_of_a_stale_one_in_memory() {
    let world = World::new();
    let cache = stale(believing(&world));
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(10));
    world.cache().set("k", 2).await.unwrap();
    for asked in [true, false] {
        world.store.calls();
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
        assert_eq!(!world.store.calls().is_empty(), asked);
    }
}

#[tokio::test]
async fn what_is_no_longer_believed_makes_way_for_an_older_entry_of_the_store() {
    let world = World::new();
    let cache = world.builder().ttl(secs(600)).marker_ttl(secs(1_000)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    let (name, old) = world.store.entries().remove(0);
    world.clock.advance(ms(1));
    cache.set("k", 2).await.unwrap();
    world.store.plant(&name, Some(old));
    world.clock.advance(secs(30));
    for asked in [true, false] {
        world.store.calls();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(!world.store.calls().is_empty(), asked);
    }
}

#[tokio::test]
async fn invalidated_value_in_memory_makes_way_for_an_older_entry_without_the_tag() {
    let world = World::new();
    let cache = stale(believing(&world));
    cache.entry("k").ttl(secs(25)).set(1).await.unwrap();
    let (name, old) = world.store.entries().remove(0);
    world.clock.advance(ms(1));
    cache.entry("k").tags(["t"]).set(2).await.unwrap();
    cache.invalidate_tag("t").await.unwrap();
    world.store.plant(&name, Some(old));
    for asked in [true, false] {
        world.store.calls();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(!world.store.calls().is_empty(), asked);
    }
}

#[tokio::test]
async fn stale_value_that_the_store_has_lost_stays_in_memory_as_long_as_it_is_believed() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(100)).fail_safe_pause(secs(0)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.without_memory().delete("k").await.unwrap();
    world.clock.advance(secs(10));
    let fails = async || Err::<i32, _>("no");
    for _ in 0..2 {
        assert_eq!(cache.get_or_compute("k", fails).await, Ok(1));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    }
    world.clock.advance(secs(20));
    assert_eq!(cache.get_or_compute("k", fails).await, Err("no"));
    assert_eq!(cache.stats().l1_entries, 0);
}
