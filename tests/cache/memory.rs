//! The in-memory tier.

use std::sync::Arc;

use blindcache::{Cache, L1};

use super::store::{World, ms, secs};

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
