//! Any future may be dropped at any await.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Waker},
};

use blindcache::Cache;

use super::store::{World, ms, secs, settle};

/// Polls so often, with a little time between, and drops it: whether it had ended.
async fn polled<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::time::sleep(ms(1)).await;
    }
    false
}

type Call = for<'a> fn(&'a Cache) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn slow(value: i32) -> Result<i32, ()> {
    tokio::time::sleep(ms(2)).await;
    Ok(value)
}

async fn slow_all(keys: Vec<&'static str>) -> Result<Vec<(&'static str, i32)>, ()> {
    tokio::time::sleep(ms(2)).await;
    Ok(keys.into_iter().map(|key| (key, 1)).collect())
}

const CALLS: &[Call] = &[
    |cache| Box::pin(async { drop(cache.get::<i32>("k").await) }),
    |cache| Box::pin(async { drop(cache.set("k", 1).await) }),
    |cache| Box::pin(async { drop(cache.delete("k").await) }),
    |cache| Box::pin(async { drop(cache.exists("k").await) }),
    |cache| Box::pin(async { drop(cache.get_many::<i32>(["l", "k"]).await) }),
    |cache| Box::pin(async { drop(cache.set_many([("l", 1), ("k", 1)]).await) }),
    |cache| Box::pin(async { drop(cache.delete_many(["l", "k"]).await) }),
    |cache| Box::pin(async { _ = cache.get_or_compute("k", || slow(2)).await }),
    |cache| Box::pin(async { _ = cache.get_or_refresh("k", || slow(3)).await }),
    |cache| Box::pin(async { _ = cache.refresh("k", || slow(4)).await }),
    |cache| Box::pin(async { drop(cache.entry("k").strict().get_or_compute(|| slow(5)).await) }),
    |cache| Box::pin(async { drop(cache.get_or_compute_many(["k", "l"], slow_all).await) }),
    |cache| Box::pin(async { drop(cache.invalidate_tag("t").await) }),
    |cache| Box::pin(async { drop(cache.clear().await) }),
];

async fn world(with_memory: bool, stale: bool) -> (World, Cache) {
    let world = World::new();
    let builder = if with_memory { world.builder() } else { world.builder().l1(0) };
    let cache = builder.ttl(secs(10)).stale(secs(20)).build().unwrap();
    cache.entry("k").tags(["t"]).set(1).await.unwrap();
    if stale {
        world.clock.advance(secs(11));
    }
    world.store.delay(ms(2));
    (world, cache)
}

#[tokio::test(start_paused = true)]
async fn dropped_call_leaves_nothing_taken() {
    for call in CALLS {
        for (with_memory, stale) in [(true, false), (true, true), (false, false), (false, true)] {
            let mut ended = false;
            for polls in 1..100 {
                let (_, cache) = world(with_memory, stale).await;
                ended = polled(call(&cache), polls).await;
                cache.close().await;
                assert_eq!(cache.stats().in_flight, 0, "after {polls} polls");
                // And nothing holds up who comes next.
                assert!(tokio::time::timeout(secs(1), cache.set("k", 9)).await.is_ok());
                assert_eq!(cache.get("k").await.unwrap(), Some(9));
                if ended {
                    break;
                }
            }
            assert!(ended);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_dropped_among_others_leave_nothing_taken() {
    for round in 0..60_usize {
        let (_, cache) = world(round % 2 == 0, round % 3 == 0).await;
        let mut calls = Vec::new();
        for at in 0..CALLS.len() {
            let cache = cache.clone();
            let call = CALLS[(at * 5 + round) % CALLS.len()];
            // `call` is not Send: on this thread.
            calls.push(async move { polled(call(&cache), 1 + (round * 7 + at * 3) % 23).await });
        }
        let tasks = tokio::task::LocalSet::new();
        calls.into_iter().for_each(|call| drop(tasks.spawn_local(call)));
        tasks.await;
        cache.close().await;
        settle().await;
        assert_eq!(cache.stats().in_flight, 0);
        assert!(tokio::time::timeout(secs(1), cache.set("k", 9)).await.is_ok());
    }
}
