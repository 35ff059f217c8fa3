//! Reads, computations and writes of one key at the same time: memory never holds what is older than a finished write.

use std::{
    cell::RefCell,
    future::{Future, pending},
    pin::pin,
    task::{Context, Waker},
};

use blindcache::{Cache, L1};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::JoinHandle;

use super::store::{World, ms, secs, settle};

/// A cache over a store with the value 1, whose reads take 10 ms.
async fn world() -> (World, Cache) {
    let world = World::new();
    world.cache().set("k", 1).await.unwrap();
    world.store.read_late(ms(10));
    let cache = world.cache();
    (world, cache)
}

fn reading(cache: &Cache, how: usize) -> JoinHandle<Option<i32>> {
    let cache = cache.clone();
    let one = |_: Vec<&'static str>| async { Ok::<[(&'static str, i32); 0], ()>([]) };
    tokio::spawn(async move {
        match how {
            0 => cache.get("k").await.unwrap(),
            1 => cache.get_many(["k"]).await.unwrap().remove(0),
            2 => cache.get_or_compute("k", async || Err(())).await.ok(),
            3 => cache.get_or_refresh("k", async || Err(())).await.ok(),
            _ => cache.get_or_compute_many(["k"], one).await.unwrap().remove(0),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn read_that_began_before_a_set_does_not_put_back_what_was_there() {
    for how in 0..5 {
        let (_world, cache) = world().await;
        let read = reading(&cache, how);
        settle().await;
        cache.set("k", 2).await.unwrap();
        assert_eq!(read.await.unwrap(), Some(1), "what it found, to who asked before the set");
        assert_eq!(cache.get("k").await.unwrap(), Some(2), "read {how}");
    }
}

#[tokio::test(start_paused = true)]
async fn read_that_began_before_a_delete_does_not_put_back_what_was_there() {
    for how in 0..5 {
        let (_world, cache) = world().await;
        let read = reading(&cache, how);
        settle().await;
        assert!(cache.delete("k").await.unwrap());
        read.await.unwrap();
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None, "read {how}");
    }
}

#[tokio::test(start_paused = true)]
async fn read_during_a_set_does_not_put_back_what_was_there() {
    for how in 0..5 {
        let (world, cache) = world().await;
        world.store.transit(ms(5));
        let set = tokio::spawn({
            let cache = cache.clone();
            async move { cache.set("k", 2).await }
        });
        settle().await;
        let read = reading(&cache, how);
        set.await.unwrap().unwrap();
        read.await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(2), "read {how}");
    }
}

#[tokio::test(start_paused = true)]
async fn value_computed_during_a_set_that_fails_is_not_in_memory() {
    let world = World::new();
    let cache = world.cache();
    world.store.delay(ms(10));
    world.store.fail_at("set", 0);
    let set = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set("k", 2).await }
    });
    settle().await;
    world.store.delay(ms(0));
    assert_eq!(cache.get_or_compute("k", async || Ok::<_, ()>(1)).await, Ok(1));
    assert_eq!(cache.stats().l1_entries, 0, "the set can have reached the store");
    assert!(set.await.unwrap().is_err());
    assert_eq!(cache.stats().l1_entries, 0);
}

thread_local! {
    /// What happens while the next value is decoded.
    static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Slow(i32);

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i32::deserialize(deserializer)?;
        if let Some(meanwhile) = MEANWHILE.take() {
            meanwhile();
        }
        Ok(Self(value))
    }
}

#[tokio::test]
async fn value_that_a_set_has_replaced_is_not_handed_out_by_a_refresh() {
    let world = World::new();
    let cache = world.builder().l1_mode(L1::Sealed).refresh_ahead(0.0).build().unwrap();
    cache.set("k", Slow(1)).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), Some(Slow(1)));
    let other = cache.clone();
    let set = move || {
        let set = pin!(other.set("k", Slow(2))).poll(&mut Context::from_waker(Waker::noop()));
        assert!(set.is_ready());
    };
    MEANWHILE.set(Some(Box::new(set)));
    assert_eq!(cache.get_or_refresh("k", pending::<Result<_, ()>>).await, Ok(Slow(1)));
    // Memory has to ask for the markers, so that this one waits for the refresh.
    world.clock.advance(secs(1));
    assert_eq!(cache.get_or_compute("k", async || Err(())).await, Ok(Slow(2)));
}
