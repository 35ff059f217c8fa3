//! Caching that there is nothing.

use blindcache::Cache;

use super::store::{World, ms, secs};

#[tokio::test]
async fn none_is_cached_for_a_ttl_of_its_own() {
    for kind in 0..3 {
        let world = World::new();
        let builder = match kind {
            0 => world.builder(),
            1 => world.builder().l1(0),
            _ => Cache::in_memory().clock(&world.clock),
        };
        let cache = builder.ttl(secs(20)).none_ttl(secs(5)).build().unwrap();
        let runs = std::cell::Cell::new(0);
        let none = async || {
            runs.set(runs.get() + 1);
            Ok::<Option<u8>, ()>(None)
        };
        assert_eq!(cache.get_or_compute("k", none).await, Ok(None));
        world.clock.advance(secs(5) - ms(1));
        assert_eq!(cache.get_or_compute("k", none).await, Ok(None));
        assert_eq!((cache.get::<Option<u8>>("k").await.unwrap(), runs.get()), (Some(None), 1));
        world.clock.advance(ms(1));
        assert_eq!(cache.get::<Option<u8>>("k").await.unwrap(), None);
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(Some(7))).await, Ok(Some(7)));
        world.clock.advance(secs(19));
        assert_eq!(cache.get("k").await.unwrap(), Some(Some(7)));
        world.clock.advance(secs(1));
        assert_eq!(cache.get::<Option<u8>>("k").await.unwrap(), None);
    }
}

#[tokio::test]
async fn none_lives_as_long_as_other_values_by_default() {
    let world = World::new();
    let cache = world.builder().l1_ttl(secs(1_000)).build().unwrap();
    cache.set("k", None::<u8>).await.unwrap();
    world.clock.advance(secs(299));
    assert_eq!(cache.get::<Option<u8>>("k").await.unwrap(), Some(None));
}
