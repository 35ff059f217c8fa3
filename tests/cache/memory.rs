//! The in-memory tier.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use blindcache::{Cache, L1};

use super::store::{World, ms, secs, settle};

#[tokio::test]
async fn memory_is_bounded_by_entries_and_by_bytes() {
    let world = World::new();
    for entries in [1, 2, 7, 100] {
        let cache = world.builder().l1(entries).build().unwrap();
        for key in 0..1_000 {
            cache.set(key, "x".repeat(100)).await.unwrap();
            assert!(cache.stats().l1_entries <= entries as u64);
        }
        assert!(cache.stats().l1_entries >= (entries as u64).div_ceil(2), "{:?}", cache.stats());
    }
    for bytes in [1_000, 10_000, 100_000] {
        let cache = world.builder().l1_bytes(bytes).build().unwrap();
        for key in 0..1_000 {
            cache.set(key, "x".repeat(100)).await.unwrap();
            assert!(cache.stats().l1_bytes <= bytes);
        }
    }
}

#[tokio::test]
async fn value_that_was_read_takes_the_room_of_one_that_was_written() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = || world.builder().l1_mode(mode).build().unwrap();
        let (writer, reader) = (cache(), cache());
        for length in [1_000, 100_000] {
            writer.set(length, "x".repeat(length)).await.unwrap();
            assert!(reader.get::<String>(length).await.unwrap().is_some());
            assert_eq!(reader.stats().l1_bytes, writer.stats().l1_bytes);
        }
        assert!(reader.stats().l1_bytes > 101_000);
    }
}

#[tokio::test]
async fn another_process_s_write_shows_after_the_l1_ttl() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = world.builder().l1_mode(mode).build().unwrap();
        let other = world.cache();
        cache.set("k", 1).await.unwrap();
        other.set("k", 2).await.unwrap();
        world.clock.advance(secs(30) - ms(1));
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.clock.advance(ms(1));
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
        assert!(other.delete("k").await.unwrap());
        world.clock.advance(secs(30));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(3)).await, Ok(3));
    }
}

#[tokio::test]
async fn another_process_s_write_shows_after_the_l1_ttl_whatever_is_known_of_markers() {
    let world = World::new();
    let cache = world.builder().marker_ttl(secs(100)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
    }
    world.cache().set("k", 2).await.unwrap();
    world.clock.advance(secs(30) - ms(1));
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    world.clock.advance(ms(1));
    assert_eq!(cache.get("k").await.unwrap(), Some(2));
}

#[tokio::test]
async fn hit_asks_no_store() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = world.builder().l1_mode(mode).build().unwrap();
        cache.set("k", 1).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.store.calls();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(1));
        assert_eq!(cache.get_or_refresh("k", async || Ok::<_, ()>(2)).await, Ok(1));
        assert_eq!(cache.get_many(["k"]).await.unwrap(), [Some(1)]);
        assert!(cache.exists("k").await.unwrap());
        assert_eq!(world.store.calls(), Vec::<&str>::new());
        assert_eq!((cache.stats().l1_hits, cache.stats().hits), (4, 1));
    }
}

#[tokio::test]
async fn values_are_cloned_and_sealed_ones_opened_at_each_hit() {
    let world = World::new();
    let value = Arc::<str>::from("value");
    let cache = world.cache();
    cache.set("k", value.clone()).await.unwrap();
    for _ in 0..2 {
        let hit = cache.get::<Arc<str>>("k").await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&hit, &value));
    }
    let sealed = world.builder().l1_mode(L1::Sealed).build().unwrap();
    sealed.set("k", value.clone()).await.unwrap();
    assert_eq!(Arc::strong_count(&value), 2, "here and in `cache`");
    for _ in 0..2 {
        let hit = sealed.get::<Arc<str>>("k").await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&hit, &value) && *hit == *value);
    }
    let before = sealed.stats().l1_hits;
    assert_eq!(sealed.get_or_compute("c", async || Ok::<_, ()>(value.clone())).await, Ok(value.clone()));
    assert_eq!(sealed.get::<Arc<str>>("c").await.unwrap().as_ref(), Some(&value));
    assert!(sealed.stats().l1_hits > before);
}

#[tokio::test]
async fn both_modes_give_the_same_answers() {
    let mut answers = Vec::new();
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = world.builder().ttl(secs(10)).stale(secs(10)).l1_mode(mode).build().unwrap();
        let mut seen = Vec::new();
        cache.entry("a").tags(["t"]).set(1).await.unwrap();
        cache.set("b", 2).await.unwrap();
        for _ in 0..5 {
            seen.push(cache.get_many::<i32>(["a", "b", "c"]).await.unwrap());
            seen.push(vec![cache.get_or_compute("b", async || Err("no")).await.ok()]);
            world.clock.advance(secs(3));
            cache.invalidate_tag("t").await.unwrap();
        }
        answers.push(seen);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn value_of_another_type_is_not_taken_from_memory() {
    let world = World::new();
    let cache = world.cache();
    cache.set("k", 7_u8).await.unwrap();
    assert_eq!(cache.get::<u64>("k").await.unwrap(), Some(7));
    assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>("text".to_owned())).await.unwrap(), "text");
    let in_memory = Cache::in_memory().build().unwrap();
    in_memory.set("k", 7_u8).await.unwrap();
    assert_eq!(in_memory.get::<u64>("k").await.unwrap(), None);
}

#[tokio::test]
async fn failed_set_leaves_nothing_in_memory() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([("k", 1), ("l", 1)]).await.unwrap();
    world.store.fail();
    cache.set("k", 2).await.unwrap_err();
    cache.set_many([("l", 2)]).await.unwrap_err();
    assert_eq!(cache.stats().l1_entries, 0);
}

/// The store shows again what it held before.
async fn replayed(world: &World, cache: &Cache) {
    for key in ["k", "l"] {
        cache.set(key, 1).await.unwrap();
    }
    let before = world.store.entries();
    world.clock.advance(ms(1));
    for key in ["k", "l"] {
        cache.set(key, 2).await.unwrap();
    }
    for (name, old) in before {
        world.store.plant(&name, Some(old));
    }
}

#[tokio::test]
async fn batch_is_answered_from_memory_when_markers_have_to_be_asked_for() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        let cache = world.builder().l1_mode(mode).build().unwrap();
        replayed(&world, &cache).await;
        for _ in 0..2 {
            world.clock.advance(secs(1));
            world.store.calls();
            assert_eq!(cache.get_many::<i32>(["k", "l"]).await.unwrap(), [Some(2), Some(2)]);
            assert_eq!(world.store.calls(), ["get_many"], "the markers");
            assert_eq!(cache.get_many::<i32>(["k", "l"]).await.unwrap(), [Some(2), Some(2)]);
            world.clock.advance(secs(1));
            let never = async |_: Vec<&'static str>| Err::<[(&'static str, i32); 0], _>("no");
            let computed = cache.get_or_compute_many(["k", "l"], never).await;
            assert_eq!(computed, Ok(vec![Some(2), Some(2)]));
            assert_eq!(world.store.calls(), ["get_many"]);
        }
    }
}

#[tokio::test]
async fn batch_asks_for_markers_and_for_what_is_missing_in_one_round_trip() {
    let world = World::new();
    let cache = world.cache();
    for key in ["k", "l"] {
        cache.entry(key).tags(["t"]).set(1).await.unwrap();
    }
    world.cache().set("m", 3).await.unwrap();
    world.clock.advance(secs(1));
    world.store.calls();
    assert_eq!(cache.get_many::<i32>(["k", "m", "l"]).await.unwrap(), [Some(1), Some(3), Some(1)]);
    assert_eq!(world.store.calls(), ["get_many"]);
    // What another process has invalidated and written anew is read in one more.
    world.cache().invalidate_tag("t").await.unwrap();
    world.clock.advance(secs(1));
    world.cache().set("l", 4).await.unwrap();
    world.store.calls();
    assert_eq!(cache.get_many::<i32>(["k", "m", "l"]).await.unwrap(), [None, Some(3), Some(4)]);
    assert_eq!(world.store.calls(), ["get_many", "get_many"]);
}

#[tokio::test]
async fn batch_asks_a_store_that_is_down_once_for_a_marker_ttl() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([("k", 1), ("l", 2)]).await.unwrap();
    world.clock.advance(secs(1));
    world.store.fail();
    world.store.calls();
    for _ in 0..3 {
        assert_eq!(cache.get_many::<i32>(["k", "l"]).await.unwrap(), [Some(1), Some(2)]);
    }
    assert_eq!(world.store.calls(), ["get_many"]);
}

#[tokio::test]
async fn what_has_ended_leaves_memory_when_it_is_asked_for() {
    let world = World::new();
    for builder in [world.builder(), Cache::in_memory().clock(&world.clock)] {
        let cache = builder.ttl(secs(10)).build().unwrap();
        cache.set("k", 1).await.unwrap();
        cache.entry("l").tags(["t"]).set(1).await.unwrap();
        cache.entry("m").tags(["t"]).set(1).await.unwrap();
        cache.invalidate_tag("t").await.unwrap();
        assert_eq!(cache.get::<i32>("l").await.unwrap(), None);
        assert_eq!(cache.stats().l1_entries, 2);
        assert_eq!(cache.get_many::<i32>(["m", "k"]).await.unwrap(), [None, Some(1)]);
        assert_eq!(cache.stats().l1_entries, 1);
        world.clock.advance(secs(10));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.stats().l1_entries, 0);
    }
}

#[tokio::test]
async fn large_entry_is_kept_however_many_processors_there_are() {
    let world = World::new();
    let cache = world.builder().l1_bytes(5 << 20).build().unwrap();
    cache.set("k", "x".repeat(4 << 20)).await.unwrap();
    assert_eq!(cache.stats().l1_entries, 1);
    let cache = world.builder().l1_bytes(16 << 20).build().unwrap();
    cache.set("k", "x".repeat(7 << 19)).await.unwrap();
    assert_eq!(cache.stats().l1_entries, 1);
}

#[tokio::test]
async fn value_that_was_read_from_the_store_is_a_hit_from_then_on() {
    for mode in [L1::Values, L1::Sealed] {
        let world = World::new();
        world.cache().set_many([("k", 1), ("l", 2)]).await.unwrap();
        let cache = world.builder().l1_mode(mode).build().unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(cache.get_many(["l"]).await.unwrap(), [Some(2)]);
        world.store.calls();
        assert_eq!(cache.get_many(["k", "l"]).await.unwrap(), [Some(1), Some(2)]);
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(9)).await, Ok(1));
        assert!(world.store.calls().is_empty() && cache.stats().l1_hits == 3);
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_fails_is_not_asked_again_for_what_was_invalidated_meanwhile() {
    let world = World::new();
    let cache = world.cache();
    for key in ["k", "l"] {
        cache.entry(key).tags(["t"]).set(1).await.unwrap();
    }
    world.store.fail();
    world.store.delay(ms(1));
    world.store.calls();
    let asking = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_many::<i32>(["k", "l"]).await }
    });
    settle().await;
    assert!(cache.invalidate_tag("t").await.is_err());
    assert!(asking.await.unwrap().is_err());
    assert_eq!(world.store.calls(), ["get_many", "set"], "for the markers, and for the new one");
}

/// So many that some are told apart by their keys alone: a table looks at few bits of a hash first.
#[tokio::test]
async fn many_keys_in_memory_are_all_apart() {
    let cache = Cache::in_memory().l1(20_000).build().unwrap();
    cache.set_many((0..10_000).map(|key| (key, key))).await.unwrap();
    let values = cache.get_many::<i32>(0..20_000).await.unwrap();
    for (key, value) in (0..).zip(values) {
        assert_eq!(value, Some(key).filter(|key| *key < 10_000));
    }
}

/// A coarse clock, by which a hit may go, is behind it.
#[tokio::test]
async fn value_ends_to_the_millisecond_by_the_system_s_clock() {
    let unix_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let cache = Cache::in_memory().ttl(Duration::from_millis(120)).build().unwrap();
    for _ in 0..6 {
        let before = unix_ms();
        cache.set("user", 1).await.unwrap();
        let after = unix_ms();
        loop {
            let asked = unix_ms();
            match cache.get::<i32>("user").await.unwrap() {
                Some(_) => assert!(asked < after + 120, "a hit {} ms after its end", asked - after - 120),
                None => break assert!(unix_ms() >= before + 120, "no hit before its end"),
            }
        }
    }
}
