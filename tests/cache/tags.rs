//! Tags, and clearing a namespace.

use std::time::Duration;

use blindcache::{Cache, Sealed, testing::Clock};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::store::{NOW, World, ms, secs, settle};

async fn kept(cache: &Cache) -> [Option<i32>; 3] {
    let mut kept = [None; 3];
    for (at, key) in ["users", "both", "none"].into_iter().enumerate() {
        kept[at] = cache.get(key).await.unwrap();
    }
    kept
}

async fn fill(cache: &Cache) {
    cache.entry("users").tags(["users"]).set(1).await.unwrap();
    cache.entry("both").tags(["rights", "users", "users"]).set(2).await.unwrap();
    cache.set("none", 3).await.unwrap();
}

#[tokio::test]
async fn invalidated_entry_is_a_miss_in_memory_and_in_the_store() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for cache in [world.cache(), world.without_memory(), in_memory] {
        fill(&cache).await;
        cache.invalidate_tag("rights").await.unwrap();
        assert_eq!(kept(&cache).await, [Some(1), None, Some(3)]);
        cache.invalidate_tag("users").await.unwrap();
        assert_eq!(kept(&cache).await, [None, None, Some(3)]);
        assert_eq!(cache.get_many::<i32>(["users", "none"]).await.unwrap(), [None, Some(3)]);
        cache.clear().await.unwrap();
        assert_eq!(kept(&cache).await, [None; 3]);
        world.clock.advance(secs(1));
    }
}

#[tokio::test]
async fn what_is_written_after_an_invalidation_is_kept_until_the_next_in_the_same_millisecond() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for cache in [world.cache(), world.without_memory(), in_memory] {
        for _ in 0..3 {
            cache.invalidate_tag("users").await.unwrap();
            fill(&cache).await;
            assert_eq!(kept(&cache).await, [Some(1), Some(2), Some(3)]);
            cache.invalidate_tag("rights").await.unwrap();
            assert_eq!(kept(&cache).await, [Some(1), None, Some(3)]);
            cache.clear().await.unwrap();
            assert_eq!(kept(&cache).await, [None; 3]);
        }
        world.clock.advance(secs(1));
    }
}

#[tokio::test]
async fn value_whose_computation_began_before_an_invalidation_is_not_kept() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory()] {
        let compute = async || {
            world.clock.advance(ms(1));
            cache.invalidate_tag("t").await.unwrap();
            world.clock.advance(ms(1));
            Ok::<_, ()>(1)
        };
        assert_eq!(cache.entry("k").tags(["t"]).get_or_compute(compute).await, Ok(1));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_an_invalidation_does_not_get_what_was_computed_before() {
    let world = World::new();
    let cache = world.cache();
    let (go, gone) = oneshot::channel::<()>();
    let before = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_compute("k", async || Ok::<_, ()>(gone.await.map_or(0, |()| 1))).await }
    });
    settle().await;
    cache.clear().await.unwrap();
    world.store.hang("set");
    go.send(()).unwrap();
    settle().await;
    // It waits until the other is done, and then computes.
    let after = cache.get_or_compute("k", async || Ok::<_, ()>(2));
    assert!(tokio::time::timeout(ms(1), after).await.is_err());
    before.abort();
    world.store.recover();
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(2));
}

#[tokio::test]
async fn another_process_sees_an_invalidation_within_its_marker_ttl() {
    for with_memory in [true, false] {
        let world = World::new();
        let other = if with_memory { world.cache() } else { world.without_memory() };
        fill(&other).await;
        assert_eq!(kept(&other).await, [Some(1), Some(2), Some(3)]);
        let cache = world.cache();
        world.clock.advance(ms(500));
        cache.invalidate_tag("rights").await.unwrap();
        world.clock.advance(ms(500));
        assert_eq!(kept(&other).await, [Some(1), None, Some(3)]);
        world.clock.advance(ms(500));
        cache.clear().await.unwrap();
        world.clock.advance(secs(1));
        assert_eq!(kept(&other).await, [None; 3]);
    }
}

#[tokio::test]
async fn process_that_starts_later_sees_an_invalidation_at_once() {
    let world = World::new();
    let cache = world.cache();
    fill(&cache).await;
    cache.invalidate_tag("users").await.unwrap();
    assert_eq!(kept(&world.cache()).await, [None, None, Some(3)]);
    assert_eq!(world.cache().get_many::<i32>(["both", "none"]).await.unwrap(), [None, Some(3)]);
    cache.clear().await.unwrap();
    assert_eq!(kept(&world.cache()).await, [None; 3]);
}

#[tokio::test]
async fn marker_that_was_seen_and_is_withheld_counts_as_there() {
    let world = World::new();
    let (cache, other) = (world.cache(), world.cache());
    fill(&cache).await;
    let before = world.store.entries();
    cache.invalidate_tag("users").await.unwrap();
    let entries = world.store.entries();
    let marker = entries.iter().find(|entry| !before.contains(entry)).unwrap();
    assert_eq!(kept(&other).await, [None, None, Some(3)]);
    world.clock.advance(ms(1));
    cache.entry("younger").tags(["users"]).set(4).await.unwrap();
    world.store.plant(&marker.0, None);
    world.clock.advance(secs(10));
    for cache in [&cache, &other] {
        // Which asks for the marker once more.
        assert_eq!(cache.get("younger").await.unwrap(), Some(4));
        assert_eq!(kept(cache).await, [None, None, Some(3)]);
    }
    // Who has never seen it cannot know: FORMAT.md, "What it cannot do".
    assert_eq!(kept(&world.cache()).await, [Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn older_marker_that_is_replayed_takes_nothing_back() {
    let world = World::new();
    let (cache, other) = (world.cache(), world.cache());
    let known = world.store.entries();
    cache.invalidate_tag("users").await.unwrap();
    let old = world.store.entries().into_iter().find(|entry| !known.contains(entry)).unwrap();
    world.clock.advance(secs(1));
    fill(&cache).await;
    world.clock.advance(secs(1));
    cache.invalidate_tag("users").await.unwrap();
    assert_eq!(kept(&other).await, [None, None, Some(3)]);
    world.clock.advance(ms(1));
    cache.entry("younger").tags(["users"]).set(4).await.unwrap();
    world.store.plant(&old.0, Some(old.1));
    world.clock.advance(secs(10));
    for cache in [&cache, &other] {
        // Which asks for the marker once more.
        assert_eq!(cache.get("younger").await.unwrap(), Some(4));
        assert_eq!(kept(cache).await, [None, None, Some(3)]);
    }
}

#[tokio::test]
async fn broken_marker_invalidates_what_carries_the_tag() {
    let world = World::new();
    let cache = world.cache();
    fill(&cache).await;
    let before = world.store.entries();
    cache.invalidate_tag("users").await.unwrap();
    let entries = world.store.entries();
    let (marker, _) = entries.iter().find(|entry| !before.contains(entry)).unwrap();
    world.clock.advance(secs(1));
    fill(&cache).await;
    assert_eq!(kept(&world.cache()).await, [Some(1), Some(2), Some(3)]);
    for broken in [&b"plaintext"[..], &entries[0].1[..entries[0].1.len() - 1], &before[0].1] {
        assert!(broken.len() < 116 || Sealed::parse(broken.to_vec()).is_ok());
        world.store.plant(marker, Some(Bytes::copy_from_slice(broken)));
        let fresh = world.cache();
        assert_eq!(kept(&fresh).await, [None, None, Some(3)]);
        assert!(fresh.stats().unreadable > 0);
    }
    world.clock.advance(secs(2));
    assert_eq!(kept(&cache).await, [None, None, Some(3)]);
    // The one who saw it has replaced it: what is stored from then on is kept.
    world.clock.advance(ms(1));
    fill(&cache).await;
    world.clock.advance(secs(5));
    assert_eq!(kept(&world.cache()).await, [Some(1), Some(2), Some(3)]);
    assert_eq!(kept(&cache).await, [Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn clear_touches_one_namespace_only() {
    let world = World::new();
    let users = Cache::builder(world.acme().namespace("users").unwrap()).build().unwrap();
    let rights = Cache::builder(world.acme().namespace("rights").unwrap()).build().unwrap();
    let epoch = Cache::builder(world.acme().namespace("users").unwrap().epoch(1)).build().unwrap();
    for cache in [&users, &rights, &epoch] {
        fill(cache).await;
    }
    users.clear().await.unwrap();
    world.clock.advance(secs(5));
    assert_eq!(kept(&users).await, [None; 3]);
    for cache in [&rights, &epoch] {
        assert_eq!(kept(cache).await, [Some(1), Some(2), Some(3)]);
    }
}

#[tokio::test]
async fn clear_and_tags_touch_one_tenant_only() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for acme in [world.cache(), world.without_memory(), in_memory] {
        let globex = acme.for_tenant(world.tenant("globex"));
        fill(&acme).await;
        fill(&globex).await;
        acme.invalidate_tag("rights").await.unwrap();
        assert_eq!(kept(&globex).await, [Some(1), Some(2), Some(3)]);
        acme.clear().await.unwrap();
        world.clock.advance(secs(5));
        assert_eq!((kept(&acme).await, kept(&globex).await), ([None; 3], [Some(1), Some(2), Some(3)]));
    }
}

#[tokio::test]
async fn markers_are_fetched_in_one_batch_and_remembered() {
    let world = World::new();
    world.cache().entry("k").tags(["a", "b", "c"]).set(1).await.unwrap();
    world.store.calls();
    let cache = world.without_memory();
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    assert_eq!(world.store.calls(), ["get_many", "get_many"], "the entry and the namespace; the tags");
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    assert_eq!(world.store.calls(), ["get"]);
    let with_memory = world.cache();
    assert_eq!(with_memory.get("k").await.unwrap(), Some(1));
    world.store.calls();
    assert_eq!(with_memory.get("k").await.unwrap(), Some(1));
    assert!(world.store.calls().is_empty());
    world.clock.advance(secs(1));
    assert_eq!(with_memory.get("k").await.unwrap(), Some(1));
    assert_eq!(world.store.calls(), ["get_many"], "all markers, and no entry");
}

#[tokio::test(start_paused = true)]
async fn dropped_asking_for_markers_is_asked_again() {
    let world = World::new();
    let (cache, other) = (world.cache(), world.cache());
    fill(&other).await;
    assert_eq!(kept(&other).await, [Some(1), Some(2), Some(3)]);
    cache.clear().await.unwrap();
    for _ in 0..5 {
        world.clock.advance(secs(1));
        world.store.hang("get_many");
        assert!(tokio::time::timeout(Duration::from_millis(1), other.get::<i32>("none")).await.is_err());
    }
    world.store.recover();
    assert_eq!(kept(&other).await, [None; 3]);
}

#[tokio::test]
async fn store_never_sees_a_tag() {
    let world = World::new();
    let cache = world.cache();
    cache.entry("key-of-a-user").tags(["tag-of-a-user"]).set("value-of-a-user".to_owned()).await.unwrap();
    cache.invalidate_tag("tag-of-a-user").await.unwrap();
    for (name, entry) in world.store.entries() {
        let seen = [name.as_str().as_bytes(), &entry[..]].concat();
        assert!(!seen.windows(9).any(|part| part == b"of-a-user"));
    }
}

/// A process whose clock differs from the world's.
fn elsewhere(world: &World, clock: &Clock) -> Cache {
    Cache::builder(world.acme().clock(clock)).ttl(secs(600)).build().unwrap()
}

#[tokio::test]
async fn marker_from_the_future_invalidates_and_is_not_replaced() {
    let world = World::new();
    let cache = world.cache();
    fill(&cache).await;
    let before = world.store.entries();
    cache.invalidate_tag("users").await.unwrap();
    let marker = world.store.entries().into_iter().find(|entry| !before.contains(entry)).unwrap();
    let clock = Clock::at(NOW - 6 * 60_000);
    let behind = elsewhere(&world, &clock);
    for _ in 0..3 {
        fill(&behind).await;
        assert_eq!(kept(&behind).await, [None, None, Some(3)]);
        assert!(world.store.entries().contains(&marker), "it is another's, and counts for others");
        clock.advance(secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn marker_ahead_of_the_clock_makes_no_life_longer_nor_shorter() {
    for with_memory in [true, false] {
        let world = World::new();
        elsewhere(&world, &Clock::at(NOW + 4 * 60_000)).invalidate_tag("users").await.unwrap();
        let builder = if with_memory { world.builder() } else { world.builder().l1(0) };
        let cache = builder.ttl(secs(600)).build().unwrap();
        // Which makes the marker known.
        fill(&cache).await;
        assert_eq!(kept(&cache).await, [None, None, Some(3)]);
        fill(&cache).await;
        cache.entry("short").tags(["users"]).ttl(secs(60)).set(4).await.unwrap();
        assert_eq!(kept(&cache).await, [Some(1), Some(2), Some(3)]);
        // It cannot be told from what the marker ends, until that is over.
        world.pass(secs(4 * 60) + ms(2)).await;
        assert_eq!(cache.get::<i32>("short").await.unwrap(), None);
        world.pass(secs(6 * 60) - ms(3)).await;
        assert_eq!(kept(&cache).await, [Some(1), Some(2), Some(3)]);
        world.pass(ms(1)).await;
        assert_eq!(kept(&cache).await, [None; 3]);
    }
}

#[tokio::test]
async fn clock_that_is_set_back_leaves_no_invalidation_in_the_future() {
    for all in [true, false] {
        let world = World::new();
        let cache = world.cache();
        let invalidate = async || {
            let done = if all { cache.clear().await } else { cache.invalidate_tag("users").await };
            done.unwrap();
        };
        world.clock.set(NOW + 60 * 60_000);
        fill(&cache).await;
        invalidate().await;
        world.clock.set(NOW);
        invalidate().await;
        world.clock.advance(ms(1));
        assert_eq!(cache.get::<i32>("users").await.unwrap(), None);
        fill(&cache).await;
        assert_eq!(kept(&world.cache()).await, [Some(1), Some(2), Some(3)]);
        invalidate().await;
        assert_eq!(kept(&world.cache()).await[..2], [None; 2]);
    }
}

#[tokio::test]
async fn clock_that_is_set_back_makes_no_life_in_memory_longer() {
    let world = World::new();
    let builder = Cache::in_memory().clock(&world.clock).ttl(secs(10)).stale(secs(10));
    let cache = builder.fail_safe_pause(secs(0)).build().unwrap();
    world.clock.set(NOW + 60 * 60_000);
    cache.invalidate_tag("users").await.unwrap();
    world.clock.set(NOW);
    let set = async |value: i32| cache.entry("k").tags(["users"]).set(value).await.unwrap();
    set(1).await;
    cache.invalidate_tag("users").await.unwrap();
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    set(2).await;
    world.clock.advance(secs(10) - ms(1));
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
    world.clock.advance(ms(1));
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    // Stale, it stands in, and is refreshed.
    assert_eq!(cache.get_or_compute("k", async || Err::<i32, _>("no")).await, Ok(2));
    assert_eq!(cache.entry("k").tags(["users"]).get_or_refresh(async || Ok::<_, ()>(3)).await, Ok(2));
    settle().await;
    assert_eq!(cache.get("k").await.unwrap(), Some(3));
    world.clock.advance(secs(20));
    assert_eq!(cache.get_or_compute("k", async || Err::<i32, _>("no")).await, Err("no"));
}

#[tokio::test]
async fn memory_gives_nothing_from_the_future_that_an_invalidation_does_not_reach() {
    for (back, value) in [(ms(300_000), Some(1)), (ms(300_001), None)] {
        let world = World::new();
        let cache = world.builder().l1_ttl(secs(3_600)).build().unwrap();
        cache.entry("k").tags(["users"]).set(1).await.unwrap();
        world.clock.set(NOW - back.as_millis() as u64);
        for _ in 0..2 {
            assert_eq!(cache.get::<i32>("k").await.unwrap(), value, "{back:?}");
        }
        cache.invalidate_tag("users").await.unwrap();
        for _ in 0..2 {
            assert_eq!(cache.get::<i32>("k").await.unwrap(), None, "{back:?}");
            assert_eq!(cache.get_many::<i32>(["k"]).await.unwrap(), [None], "{back:?}");
        }
    }
}
