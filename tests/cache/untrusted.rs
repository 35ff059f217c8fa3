//! Every public read over a store that holds what it should not: a miss, and the next write heals it.

use blindcache::{Cache, ComputeError, EncryptedBackend, Error};

use super::store::{World, secs};

/// What a world's store gives for everything; each differs from what was written under the names `k` and `l`.
fn spoilt(kind: usize, world: &World) {
    let entries = world.store.entries();
    let whole = entries[0].1.to_vec();
    match kind {
        0 => world.store.plant_everywhere(b""),
        1 => world.store.plant_everywhere(b"\x01"),
        2 => world.store.plant_everywhere(&[0x85; 300]),
        3 => world.store.plant_everywhere(&whole[..whole.len() - 1]),
        4 => {
            let mut bent = whole;
            *bent.last_mut().unwrap() ^= 1;
            world.store.plant_everywhere(&bent);
        }
        // The two entries change places.
        _ => {
            for (at, (name, _)) in entries.iter().enumerate() {
                world.store.plant(name, Some(entries[(at + 1) % entries.len()].1.clone()));
            }
        }
    }
}

/// The last of these.
const OTHER_SCHEMA: usize = 6;

/// Its second cache keeps nothing in memory.
async fn spoilt_world(kind: usize) -> (World, Cache, Cache) {
    let world = World::new();
    world.cache().set_many([("k", 1), ("l", 2)]).await.unwrap();
    if kind == OTHER_SCHEMA {
        let builder = || Cache::builder(world.acme().schema(1));
        let caches = (builder().build().unwrap(), builder().l1(0).build().unwrap());
        return (world, caches.0, caches.1);
    }
    spoilt(kind, &world);
    let (cache, without_memory) = (world.cache(), world.without_memory());
    (world, cache, without_memory)
}

#[tokio::test]
async fn every_read_gives_a_miss() {
    for kind in 0..=OTHER_SCHEMA {
        let (_world, cache, _) = spoilt_world(kind).await;
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get_many::<i32>(["k", "l"]).await.unwrap(), [None, None]);
        let strict = cache.entry("k").strict().get::<i32>().await;
        let computed = cache.entry("l").strict().get_or_compute(async || Ok::<_, ()>(7)).await;
        if kind == OTHER_SCHEMA {
            assert!(matches!((strict, computed), (Ok(None), Ok(7))));
            assert_eq!(cache.stats().unreadable, 0);
        } else {
            assert!(matches!(strict, Err(Error::Unreadable(_))));
            assert!(matches!(computed, Err(ComputeError::Cache(Error::Unreadable(_)))));
            assert_eq!(cache.stats().unreadable, 5, "kind {kind}");
        }
    }
}

#[tokio::test]
async fn next_write_heals() {
    for kind in 0..=OTHER_SCHEMA {
        for write in 0..6 {
            let (_world, cache, without_memory) = spoilt_world(kind).await;
            let seven = async || Ok::<_, ()>(7);
            match write {
                0 => cache.set("k", 7).await.unwrap(),
                1 => cache.set_many([("k", 7)]).await.unwrap(),
                2 => assert_eq!(cache.get_or_compute("k", seven).await, Ok(7)),
                3 => assert_eq!(cache.get_or_refresh("k", seven).await, Ok(7)),
                4 => assert_eq!(cache.refresh("k", seven).await, Ok(7)),
                _ => {
                    let many =
                        |keys: Vec<&'static str>| async { Ok::<_, ()>(keys.into_iter().map(|key| (key, 7))) };
                    assert_eq!(cache.get_or_compute_many(["k"], many).await, Ok(vec![Some(7)]));
                }
            }
            assert_eq!(without_memory.get("k").await.unwrap(), Some(7), "kind {kind}, write {write}");
        }
    }
}

#[tokio::test]
async fn value_of_another_type_is_a_miss_and_the_next_write_heals() {
    let world = World::new();
    world.cache().set("k", "text".to_owned()).await.unwrap();
    let cache = world.cache();
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    assert!(matches!(cache.entry("k").strict().get::<i32>().await, Err(Error::Unreadable(_))));
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(2)).await, Ok(2));
    assert_eq!(world.without_memory().get("k").await.unwrap(), Some(2));
}

#[tokio::test]
async fn older_entry_that_is_replayed_ends_with_its_own_expiry() {
    let world = World::new();
    let cache = world.without_memory();
    cache.entry("k").ttl(secs(10)).set(1).await.unwrap();
    let (name, old) = world.store.entries().remove(0);
    cache.set("k", 2).await.unwrap();
    world.store.plant(&name, Some(old));
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    world.clock.advance(secs(10));
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
}

#[tokio::test]
async fn entry_of_the_boundary_alone_is_read_and_ends() {
    let world = World::new();
    let acme: EncryptedBackend<_> = world.acme();
    acme.set("k", &1, secs(10)).await.unwrap();
    acme.set("forever", &2, None).await.unwrap();
    let cache = world.without_memory();
    assert_eq!(cache.get_many(["k", "forever"]).await.unwrap(), [Some(1), Some(2)]);
    world.clock.advance(secs(10));
    assert_eq!(cache.get_many(["k", "forever"]).await.unwrap(), [None, Some(2)]);
    cache.clear().await.unwrap();
    assert_eq!(cache.get::<i32>("forever").await.unwrap(), None);
}
