//! Limits: one below, at the limit itself, one above.

use std::time::Duration;

use blindcache::{Cache, ComputeError, Error, L1, SettingError};

use super::store::{NOW, World, ms, secs};

const NANO: Duration = Duration::from_nanos(1);

async fn one() -> Result<i32, ()> {
    Ok(1)
}

async fn never() -> Result<i32, ()> {
    panic!("must not be computed")
}

#[tokio::test]
async fn tag_has_1_to_255_bytes() {
    let world = World::new();
    for cache in [world.cache(), Cache::in_memory().build().unwrap()] {
        for (length, fits) in [(0, false), (1, true), (254, true), (255, true), (256, false)] {
            let tag = "t".repeat(length);
            assert_eq!(cache.entry("k").tags([&tag]).set(1).await.is_ok(), fits, "{length}");
            assert_eq!(cache.invalidate_tag(&tag).await.is_ok(), fits, "{length}");
            assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn tags_of_an_entry_and_a_byte_for_each_are_65_535_bytes_at_most() {
    let world = World::new();
    for cache in [world.without_memory(), Cache::in_memory().build().unwrap()] {
        for (last, fits) in [(253, true), (254, true), (255, false)] {
            let tags = (0..256).map(|at| format!("{at:0>width$}", width = if at == 0 { last } else { 255 }));
            let tags: Vec<_> = tags.collect();
            assert_eq!(cache.entry("k").tags(&tags).set(last).await.is_ok(), fits, "{last}");
            assert_eq!(cache.get("k").await.unwrap(), Some(last.min(254)));
        }
    }
}

#[tokio::test]
async fn ttl_is_a_millisecond_at_least() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for cache in [world.cache(), world.without_memory(), in_memory] {
        assert!(matches!(cache.entry("k").ttl(secs(0)).set(1).await, Err(Error::Ttl)));
        for ttl in [NANO, ms(1)] {
            cache.entry("k").ttl(ttl).set(1).await.unwrap();
            assert_eq!(cache.get("k").await.unwrap(), Some(1));
            world.clock.advance(ms(1));
            assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn ttl_and_stale_time_are_the_longest_at_most() {
    let world = World::new();
    for (stale, fits) in [(secs(4) - NANO, true), (secs(4), true), (secs(4) + NANO, false)] {
        let builder = || world.builder().longest(secs(10));
        assert_eq!(builder().ttl(secs(6)).stale(stale).build().is_ok(), fits, "{stale:?}");
        assert_eq!(builder().ttl(secs(1)).none_ttl(secs(6)).stale(stale).build().is_ok(), fits, "{stale:?}");
        let cache = builder().ttl(secs(1)).build().unwrap();
        assert_eq!(cache.entry("k").ttl(secs(6)).stale(stale).set(1).await.is_ok(), fits, "{stale:?}");
    }
}

#[tokio::test]
async fn unless_it_is_said_otherwise_a_value_lives_for_5_minutes_and_may_for_30_days() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for cache in [world.cache(), world.without_memory(), in_memory] {
        cache.set("k", 1).await.unwrap();
        world.clock.advance(secs(300) - ms(1));
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.clock.advance(ms(1));
        assert_eq!(cache.get_or_compute::<i32, _, _, _>("k", async || Err("no")).await, Err("no"));
        let longest = secs(30 * 24 * 60 * 60);
        cache.entry("k").ttl(longest).set(1).await.unwrap();
        assert!(matches!(cache.entry("k").ttl(longest + NANO).set(1).await, Err(Error::Ttl)));
    }
}

#[tokio::test]
async fn unless_it_is_said_otherwise_memory_holds_10_000_values() {
    let cache = Cache::in_memory().build().unwrap();
    cache.set_many((0..10_500).map(|key| (key, key))).await.unwrap();
    let entries = cache.stats().l1_entries;
    assert!(entries <= 10_000 && entries > 9_000, "{entries}");
}

#[tokio::test]
async fn unless_it_is_said_otherwise_memory_holds_64_mib() {
    let cache = Cache::in_memory().l1(1).build().unwrap();
    cache.set("k", 1).await.unwrap();
    assert_eq!(cache.stats().l1_bytes, (32 << 20) + 1, "so that no two fit");
}

/// As long as whatever carries the tag, to the last millisecond.
#[tokio::test]
async fn marker_of_a_tag_lives_for_the_longest_lifetime() {
    for (age, invalidated, found) in [
        (secs(10) - ms(1), false, Ok(1)),
        (secs(10) - ms(1), true, Err("no")),
        (secs(10), false, Err("no")),
        (secs(10), true, Err("no")),
    ] {
        let world = World::new();
        let builder = || world.builder().longest(secs(10)).ttl(secs(4)).stale(secs(6));
        let cache = builder().build().unwrap();
        cache.entry("k").tags(["t"]).set(1).await.unwrap();
        if invalidated {
            cache.invalidate_tag("t").await.unwrap();
        }
        world.clock.advance(age);
        let other = builder().build().unwrap();
        assert_eq!(other.get_or_compute("k", async || Err("no")).await, found, "{invalidated} {age:?}");
    }
}

#[tokio::test]
async fn where_nothing_is_believed_the_store_is_asked_each_time() {
    let world = World::new();
    let (memory, markers) = (world.builder().l1_ttl(secs(0)), world.builder().marker_ttl(secs(0)));
    let (memory, markers) = (memory.build().unwrap(), markers.build().unwrap());
    for cache in [&memory, &markers] {
        cache.entry("k").tags(["t"]).set(1).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
    }
    let other = world.cache();
    other.entry("k").tags(["t"]).set(2).await.unwrap();
    assert_eq!(memory.get("k").await.unwrap(), Some(2));
    assert_eq!(markers.get("k").await.unwrap(), Some(1));
    other.invalidate_tag("t").await.unwrap();
    assert_eq!(markers.get::<i32>("k").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn shares_are_0_to_1() {
    let world = World::new();
    for (share, fits) in
        [(-f64::EPSILON, false), (0.0, true), (1.0, true), (1.0 + f64::EPSILON, false), (f64::NAN, false)]
    {
        for built in [world.builder().jitter(share).build(), world.builder().refresh_ahead(share).build()] {
            match built {
                Ok(_) => assert!(fits, "{share}"),
                Err(error) => {
                    assert!(!fits && matches!(error, Error::Setting(SettingError::Share)), "{share}")
                }
            }
        }
    }
}

/// Whether a value of that age, of a ttl of 10 s, is refreshed.
async fn is_refreshed(share: f64, age: Duration) -> bool {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(10)).build().unwrap();
    cache.set("k", 0).await.unwrap();
    world.clock.advance(age);
    assert_eq!(cache.entry("k").refresh_ahead(share).get_or_refresh(one).await, Ok(0));
    cache.close().await;
    cache.get("k").await.unwrap() == Some(1)
}

#[tokio::test(start_paused = true)]
async fn share_of_a_call_is_brought_within_0_and_1() {
    for none in [-1.0, 0.0] {
        assert!(is_refreshed(none, secs(0)).await);
    }
    assert!(!is_refreshed(0.5, secs(5) - ms(1)).await);
    assert!(is_refreshed(0.5, secs(5)).await);
    for all in [1.0, 2.0] {
        assert!(!is_refreshed(all, secs(10) - ms(1)).await);
        assert!(is_refreshed(all, secs(10)).await);
    }
}

#[tokio::test]
async fn jitter_of_all_leaves_a_millisecond() {
    for ttl in [NANO, ms(1)] {
        let world = World::new();
        let cache = world.builder().ttl(ttl).jitter(1.0).build().unwrap();
        let keys: Vec<u32> = (0..100).collect();
        cache.set_many(keys.iter().map(|key| (*key, 1))).await.unwrap();
        assert!(cache.get_many::<i32>(&keys).await.unwrap().iter().all(Option::is_some));
        world.clock.advance(ms(1));
        assert!(cache.get_many::<i32>(&keys).await.unwrap().iter().all(Option::is_none));
    }
}

#[tokio::test]
async fn memory_with_room_for_nothing_is_none() {
    let world = World::new();
    for (entries, bytes) in [(0, 1 << 20), (10, 0), (0, 0)] {
        let nothing = Cache::in_memory().l1(entries).l1_bytes(bytes).build();
        assert!(matches!(nothing, Err(Error::Setting(SettingError::InMemory))));
        let cache = world.builder().l1(entries).l1_bytes(bytes).build().unwrap();
        cache.set("k", 1).await.unwrap();
        world.store.calls();
        assert_eq!((cache.get("k").await.unwrap(), cache.stats().l1_entries), (Some(1), 0));
        assert!(!world.store.calls().is_empty());
    }
    assert!(Cache::in_memory().l1(1).l1_bytes(1).build().is_ok());
    // One entry of 134 bytes, which may be nearly all that there is.
    for (bytes, entries) in [(133, 0), (145, 1)] {
        let cache = Cache::in_memory().l1(1).l1_bytes(bytes).build().unwrap();
        cache.set("k", 1_i32).await.unwrap();
        assert_eq!(cache.stats().l1_entries, entries, "{bytes}");
    }
}

#[tokio::test]
async fn entry_counts_its_bytes_its_key_and_128() {
    let world = World::new();
    for mode in [L1::Values, L1::Sealed] {
        let cache = world.builder().l1_mode(mode).l1(1_000_000).build().unwrap();
        cache.set("k", "x".repeat(1_000)).await.unwrap();
        // A short text as a key is one byte longer.
        let sealed = world.store.entries()[0].1.len() as u64;
        assert_eq!(cache.stats().l1_bytes, sealed + 2 + 128);
        cache.delete("k").await.unwrap();
        assert_eq!(cache.stats().l1_bytes, 0);
        world.cache().set("k".repeat(10), "x".repeat(1_000)).await.unwrap();
        cache.get::<String>("k".repeat(10)).await.unwrap();
        assert_eq!(cache.stats().l1_bytes, sealed + 11 + 128, "read from the store");
        world.cache().delete("k".repeat(10)).await.unwrap();
    }
    let cache = Cache::in_memory().l1(1_000_000).build().unwrap();
    cache.set("k", [0_u64; 4]).await.unwrap();
    assert_eq!(cache.stats().l1_bytes, 32 + 2 + 128);
}

#[tokio::test]
async fn markers_are_known_for_their_ttl_in_either_direction_of_the_clock() {
    for (moved, asked) in [(999, false), (1_000, true), (-999, false), (-1_000, true)] {
        let world = World::new();
        let cache = world.cache();
        cache.entry("k").tags(["t"]).set(1).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        world.store.calls();
        world.clock.set(NOW.checked_add_signed(moved).unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert_eq!(!world.store.calls().is_empty(), asked, "{moved} ms");
    }
}

#[tokio::test]
async fn memory_is_believed_for_its_ttl_in_either_direction_of_the_clock() {
    for (moved, value) in [(29_999, 1), (30_000, 2), (-29_999, 1), (-30_000, 2)] {
        let world = World::new();
        let cache = world.cache();
        cache.set("k", 1).await.unwrap();
        world.cache().set("k", 2).await.unwrap();
        world.clock.set(NOW.checked_add_signed(moved).unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some(value), "{moved} ms");
    }
}

#[tokio::test]
async fn value_of_5_minutes_ahead_stands_in_for_a_store_that_is_down_and_none_further() {
    for (back, value) in [(299_999, Some(1)), (300_000, Some(1)), (300_001, None)] {
        let world = World::new();
        let cache = world.cache();
        cache.set("k", 1).await.unwrap();
        world.store.fail();
        world.clock.set(NOW - back);
        assert_eq!(cache.get::<i32>("k").await.ok().flatten(), value, "{back} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn function_that_ends_before_a_time_out_is_waited_for() {
    let after = |time: Duration| {
        async move || {
            tokio::time::sleep(time).await;
            one().await
        }
    };
    for (time, value) in [(ms(99), 1), (ms(101), 0)] {
        let world = World::new();
        let cache = world.builder().ttl(secs(10)).stale(secs(10)).build().unwrap();
        cache.set("k", 0).await.unwrap();
        world.clock.advance(secs(10));
        let call = cache.entry("k").soft_timeout(ms(100));
        assert_eq!(call.get_or_compute(after(time)).await, Ok(value), "{time:?}");
    }
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(10)).build().unwrap();
    cache.set("k", 0).await.unwrap();
    world.clock.advance(secs(10));
    let endless = cache.entry("k").soft_timeout(Duration::MAX);
    assert_eq!(endless.get_or_compute(after(secs(100))).await, Ok(1));
    let cache = World::new().cache();
    for (time, in_time) in [(ms(101), false), (ms(99), true)] {
        let call = cache.entry("k").strict().hard_timeout(ms(100));
        match call.get_or_compute(after(time)).await {
            Ok(value) => assert!(in_time && value == 1),
            Err(error) => assert!(!in_time && matches!(error, ComputeError::TimedOut)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn value_stands_in_for_as_long_as_the_pause() {
    for (in_memory, pause) in [(true, None), (false, None), (true, Some(secs(3))), (false, Some(secs(3)))] {
        let world = World::new();
        let builder = if in_memory { Cache::in_memory().clock(&world.clock) } else { world.builder() };
        // Markers and memory are known all the time.
        let builder = builder.marker_ttl(secs(1_000)).l1_ttl(secs(1_000)).ttl(secs(20)).stale(secs(100));
        let builder = if let Some(pause) = pause { builder.fail_safe_pause(pause) } else { builder };
        let cache = builder.build().unwrap();
        cache.set("k", 0).await.unwrap();
        world.clock.advance(secs(20));
        assert_eq!(cache.get_or_compute("k", async || Err(())).await, Ok(0));
        world.clock.advance(pause.unwrap_or(secs(10)) - ms(1));
        assert_eq!(cache.get_or_compute("k", never).await, Ok(0));
        world.clock.advance(ms(1));
        assert_eq!(cache.get_or_compute("k", one).await, Ok(1));
    }
}

#[tokio::test]
async fn clock_that_is_set_back_ends_the_pause() {
    for in_memory in [true, false] {
        let world = World::new();
        let builder = if in_memory { Cache::in_memory().clock(&world.clock) } else { world.builder() };
        let cache = builder.ttl(secs(20)).stale(secs(10_000)).build().unwrap();
        cache.set("k", 0).await.unwrap();
        world.clock.set(NOW + 3_600_000);
        assert_eq!(cache.get_or_compute("k", async || Err(())).await, Ok(0));
        assert_eq!(cache.get_or_compute("k", never).await, Ok(0));
        world.clock.set(NOW + 60_000);
        assert_eq!(cache.get_or_compute("k", one).await, Ok(1));
    }
}
