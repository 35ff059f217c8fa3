//! Setting, reading, deleting.

use blindcache::{Cache, EncryptedBackend, Error, KeyError, Keyring, MasterKey, MemoryBackend};

use super::store::{World, ms, secs, settle};

#[tokio::test]
async fn what_is_set_is_read_until_it_is_deleted() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory(), Cache::in_memory().build().unwrap()] {
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
        assert!(!cache.exists("k").await.unwrap());
        cache.set("k", "one".to_owned()).await.unwrap();
        cache.set("k", "two".to_owned()).await.unwrap();
        assert!(cache.exists("k").await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), Some("two".to_owned()));
        assert!(cache.delete("k").await.unwrap());
        assert!(!cache.delete("k").await.unwrap());
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
        assert!(!cache.exists("k").await.unwrap());
    }
}

#[tokio::test]
async fn value_ends_with_its_ttl() {
    let world = World::new();
    let in_memory = Cache::in_memory().clock(&world.clock).build().unwrap();
    for cache in [world.builder().l1_ttl(secs(1_000)).build().unwrap(), world.without_memory(), in_memory] {
        cache.entry("k").ttl(secs(60)).set(1).await.unwrap();
        world.clock.advance(secs(60) - ms(1));
        assert_eq!(cache.get("k").await.unwrap(), Some(1));
        assert!(cache.exists("k").await.unwrap());
        world.clock.advance(ms(1));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert!(!cache.delete("other").await.unwrap());
    }
}

#[tokio::test]
async fn what_has_ended_in_memory_is_not_there_to_delete() {
    let world = World::new();
    let cache = Cache::in_memory().clock(&world.clock).ttl(secs(1)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.clock.advance(secs(1));
    assert!(!cache.exists("k").await.unwrap());
    assert!(!cache.delete("k").await.unwrap());
}

#[tokio::test]
async fn clock_of_the_builder_is_that_of_the_store_too() {
    let world = World::new();
    let boundary = blindcache::EncryptedBackend::new(world.store.clone(), world.tenant("acme"));
    let clock = blindcache::testing::Clock::at(1_000_000);
    let cache = Cache::builder(boundary).clock(&clock).l1(0).build().unwrap();
    cache.set("k", 1).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
}

#[tokio::test]
async fn refused_keys_ttls_and_tags_are_errors_before_anything_is_sent() {
    let world = World::new();
    let cache = world.cache();
    assert!(matches!(cache.get::<u8>(1.5).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.set(1.5, 1).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.delete(1.5).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.exists(1.5).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.get_many::<u8>([1.5]).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.set_many([(1.5, 1)]).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.delete_many([1.5]).await, Err(Error::Key(KeyError::Float))));
    assert!(matches!(cache.entry("k").ttl(secs(0)).set(1).await, Err(Error::Ttl)));
    assert!(matches!(cache.entry("k").ttl(secs(31 * 86_400)).set(1).await, Err(Error::Ttl)));
    assert!(matches!(cache.entry("k").none_ttl(secs(0)).set(None::<u8>).await, Err(Error::Ttl)));
    assert!(matches!(cache.entry("k").tags([""]).set(1).await, Err(Error::Tag)));
    assert!(matches!(cache.entry("k").tags(["t".repeat(256)]).set(1).await, Err(Error::Tag)));
    let many = (0..1_000).map(|n| format!("{n:0>100}"));
    assert!(matches!(cache.entry("k").tags(many).set(1).await, Err(Error::Tag)));
    assert!(matches!(cache.invalidate_tag("").await, Err(Error::Tag)));
    assert!(matches!(cache.invalidate_tag(&"t".repeat(256)).await, Err(Error::Tag)));
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn refused_settings_are_errors() {
    let world = World::new();
    assert!(matches!(world.builder().ttl(secs(0)).build(), Err(Error::Ttl)));
    assert!(matches!(world.builder().none_ttl(secs(0)).build(), Err(Error::Ttl)));
    assert!(matches!(world.builder().ttl(secs(10)).longest(secs(9)).build(), Err(Error::Ttl)));
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(world.builder().jitter(share).build(), Err(Error::Setting(_))));
        assert!(matches!(world.builder().refresh_ahead(share).build(), Err(Error::Setting(_))));
    }
    assert!(matches!(Cache::in_memory().l1(0).build(), Err(Error::Setting(_))));
    assert!(matches!(Cache::in_memory().l1_mode(blindcache::L1::Sealed).build(), Err(Error::Setting(_))));
}

#[tokio::test(start_paused = true)]
async fn refresh_computes_whatever_there_is() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory()] {
        cache.set("k", 1).await.unwrap();
        assert_eq!(cache.refresh("k", async || Ok::<_, ()>(2)).await, Ok(2));
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
        assert_eq!(cache.refresh::<i32, _, _, _>("k", async || Err("no")).await, Err("no"));
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn set_whose_future_is_dropped_leaves_nothing_in_memory() {
    let world = World::new();
    let cache = world.cache();
    cache.set("k", 1).await.unwrap();
    world.store.hang("set");
    let set = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set("k", 2).await }
    });
    settle().await;
    set.abort();
    settle().await;
    assert_eq!(cache.stats().l1_entries, 0);
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
}

#[tokio::test]
async fn jitter_takes_no_more_than_its_share() {
    let world = World::new();
    let cache = world.builder().ttl(secs(100)).jitter(0.5).l1_ttl(secs(1_000)).build().unwrap();
    let keys: Vec<u32> = (0..200).collect();
    cache.set_many(keys.iter().map(|key| (*key, 1))).await.unwrap();
    let mut left = Vec::new();
    for _ in 0..=100 {
        left.push(cache.get_many::<u8>(&keys).await.unwrap().iter().flatten().count());
        world.clock.advance(secs(1));
    }
    assert_eq!((left[0], left[49], left[100]), (200, 200, 0));
    assert!((50..150).contains(&left[75]), "spread over the share: {left:?}");
}

#[tokio::test]
async fn debug_shows_the_store_and_the_key_ids_and_no_more() {
    let master = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let keys = Keyring::new(MasterKey::parse(master).unwrap()).unwrap();
    let id = keys.key_ids()[0];
    let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
    let cache = Cache::builder(acme).build().unwrap();
    cache.set("key", "value".to_owned()).await.unwrap();
    let store = format!(
        "EncryptedBackend {{ backend: \"memory\", keys: TenantKeys {{ key_ids: [{id:?}], .. }}, .. }}"
    );
    assert_eq!(format!("{cache:?}"), format!("Cache {{ store: Some({store}), .. }}"));
    let in_memory = Cache::in_memory().build().unwrap();
    assert_eq!(format!("{in_memory:?}"), "Cache { store: None, .. }");
}
