//! A store that is down, and what is refused: counted, and the value computed all the same.

use blindcache::{BackendErrorKind, BackendExt, Cache, EncryptedBackend, Error};
use tokio::time::Instant;

use super::store::{World, ms, secs, settle};

#[tokio::test]
async fn trouble_with_the_store_is_counted_and_the_value_computed() {
    let world = World::new();
    world.store.fail();
    for cache in [world.cache(), world.without_memory()] {
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(1)).await, Ok(1));
        assert_eq!(cache.refresh("k", async || Ok::<_, ()>(2)).await, Ok(2));
        assert_eq!(cache.get_or_refresh("l", async || Ok::<_, ()>(3)).await, Ok(3));
        cache.close().await;
        assert!(cache.stats().troubles >= 3, "{:?}", cache.stats());
        assert!(matches!(cache.get::<i32>("m").await, Err(Error::Backend(_))));
        assert!(matches!(cache.get_many::<i32>(["m"]).await, Err(Error::Backend(_))));
        assert!(matches!(cache.set("m", 1).await, Err(Error::Backend(_))));
        assert!(matches!(cache.delete("m").await, Err(Error::Backend(_))));
        assert!(matches!(cache.exists("m").await, Err(Error::Backend(_))));
        assert!(matches!(cache.set_many([("m", 1)]).await, Err(Error::Backend(_))));
        assert!(matches!(cache.delete_many(["m"]).await, Err(Error::Backend(_))));
        assert!(matches!(cache.invalidate_tag("t").await, Err(Error::Backend(_))));
        assert!(matches!(cache.clear().await, Err(Error::Backend(_))));
    }
}

#[tokio::test]
async fn refused_key_or_ttl_or_tag_is_counted_and_the_value_computed() {
    let world = World::new();
    let cache = world.cache();
    let value = async || Ok::<_, ()>(Some(1));
    assert_eq!(cache.get_or_compute(1.5, value).await, Ok(Some(1)));
    assert_eq!(cache.get_or_refresh(1.5, value).await, Ok(Some(1)));
    assert_eq!(cache.refresh(1.5, value).await, Ok(Some(1)));
    assert_eq!(cache.entry("k").ttl(secs(0)).get_or_compute(value).await, Ok(Some(1)));
    assert_eq!(cache.entry("k").none_ttl(secs(0)).get_or_compute(value).await, Ok(Some(1)));
    assert_eq!(cache.entry("k").stale(secs(31 * 86_400)).get_or_refresh(value).await, Ok(Some(1)));
    assert_eq!(cache.entry("k").tags([""]).refresh(value).await, Ok(Some(1)));
    assert_eq!(cache.stats().troubles, 7);
    assert!(world.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_costs_its_timeout_once() {
    let many = |keys: Vec<u8>| async move { Ok::<_, ()>(keys.into_iter().map(|key| (key, 1))) };
    for with_memory in [true, false] {
        let world = World::new();
        let cache = if with_memory { world.cache() } else { world.without_memory() };
        world.store.delay(secs(1));
        world.store.fail();
        let start = Instant::now();
        assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(1)).await, Ok(1));
        assert_eq!(start.elapsed(), secs(1));
        let start = Instant::now();
        assert_eq!(cache.get_or_refresh("l", async || Ok::<_, ()>(1)).await, Ok(1));
        assert_eq!(start.elapsed(), secs(1));
        let start = Instant::now();
        assert_eq!(cache.get_or_compute_many([1, 2], many).await, Ok(vec![Some(1), Some(1)]));
        assert_eq!(start.elapsed(), secs(1));
        cache.close().await;
        assert_eq!(cache.stats().in_flight, 0);
        let start = Instant::now();
        assert!(cache.get::<u8>("m").await.is_err());
        assert_eq!(start.elapsed(), secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_fails_fast_behind_a_breaker() {
    let world = World::new();
    let resilient = EncryptedBackend::new(world.store.clone().resilient(), world.tenant("acme"));
    let cache = Cache::builder(resilient.clock(&world.clock)).l1(0).build().unwrap();
    world.store.hang("get_many");
    let start = Instant::now();
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(1)).await, Ok(1));
    assert!(start.elapsed() <= secs(6), "{:?}", start.elapsed());
    let start = Instant::now();
    for key in 0..100 {
        assert_eq!(cache.get_or_compute(key, async || Ok::<_, ()>(1)).await, Ok(1));
    }
    assert!(start.elapsed() < ms(100), "{:?}", start.elapsed());
    let Err(Error::Backend(error)) = cache.get::<u8>("k").await else { panic!("no error") };
    assert_eq!(error.kind(), BackendErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn memory_stands_in_for_a_store_that_is_down_and_not_for_one_that_answers() {
    let world = World::new();
    let (cache, other) = (world.cache(), world.cache());
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(30));
    world.store.fail();
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(9)).await, Ok(1));
    world.store.recover();
    assert!(other.delete("k").await.unwrap());
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    world.store.fail();
    assert!(cache.get::<i32>("k").await.is_err());
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(9)).await, Ok(9));
    settle().await;
}

#[tokio::test]
async fn hit_in_memory_costs_one_timeout_when_its_markers_cannot_be_asked_for() {
    let world = World::new();
    let cache = world.cache();
    cache.entry("k").tags(["t"]).set(1).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    world.clock.advance(secs(1));
    world.store.fail();
    world.store.calls();
    for _ in 0..3 {
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
    }
    assert_eq!(world.store.calls(), ["get_many"]);
}

#[tokio::test]
async fn ttl_that_no_clock_reaches_is_refused_with_jitter_too() {
    let endless = std::time::Duration::MAX;
    // So little that the ttl stays as it is, which is more than a floating-point number of seconds can say.
    let builder = || World::new().builder().jitter(f64::MIN_POSITIVE).longest(endless);
    assert!(matches!(builder().ttl(endless).build(), Err(Error::Ttl)));
    let cache = builder().build().unwrap();
    assert!(matches!(cache.entry("k").ttl(endless).set(1).await, Err(Error::Ttl)));
    assert_eq!(cache.entry("k").ttl(endless).get_or_compute(async || Ok::<_, ()>(1)).await, Ok(1));
}
