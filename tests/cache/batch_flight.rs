//! Batches and single calls share one computation for a key.

use std::time::Duration;

use blindcache::Cache;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use super::store::{World, settle};

type Batch = JoinHandle<Result<Vec<Option<i32>>, ()>>;

/// A batch whose function tells what it was asked for, and gives each key `value` once it may.
fn batch(
    cache: &Cache,
    keys: &[i32],
    value: i32,
) -> (Batch, oneshot::Receiver<Vec<i32>>, oneshot::Sender<()>) {
    let (cache, keys) = (cache.clone(), keys.to_vec());
    let (ask, asked) = oneshot::channel();
    let (go, gone) = oneshot::channel();
    let compute = move |missing: Vec<i32>| async move {
        _ = ask.send(missing.clone());
        _ = gone.await;
        Ok::<_, ()>(missing.into_iter().map(move |key| (key, value)))
    };
    (tokio::spawn(async move { cache.get_or_compute_many(keys, compute).await }), asked, go)
}

fn caches() -> [Cache; 3] {
    let world = World::new();
    [world.cache(), World::new().without_memory(), Cache::in_memory().build().unwrap()]
}

#[tokio::test(start_paused = true)]
async fn single_call_waits_for_a_batch() {
    for cache in caches() {
        let (batch, _, go) = batch(&cache, &[1, 2], 7);
        settle().await;
        let single = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_compute(2, async || Ok::<_, ()>(9)).await }
        });
        settle().await;
        assert!(!single.is_finished());
        go.send(()).unwrap();
        assert_eq!(single.await.unwrap(), Ok(7));
        assert_eq!(batch.await.unwrap(), Ok(vec![Some(7), Some(7)]));
    }
}

#[tokio::test(start_paused = true)]
async fn batch_waits_for_a_single_call_and_computes_the_rest() {
    for cache in caches() {
        let (go, gone) = oneshot::channel::<()>();
        let single = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_compute(2, async || Ok::<_, ()>(gone.await.map_or(0, |()| 9))).await }
        });
        settle().await;
        let (batch, asked, go_batch) = batch(&cache, &[1, 2, 3], 7);
        settle().await;
        // It holds up nobody while it waits.
        assert_eq!(cache.get_or_compute(3, async || Ok::<_, ()>(8)).await, Ok(8));
        go.send(()).unwrap();
        go_batch.send(()).unwrap();
        assert_eq!((single.await.unwrap(), asked.await.unwrap()), (Ok(9), vec![1]));
        assert_eq!(batch.await.unwrap(), Ok(vec![Some(7), Some(9), Some(8)]));
    }
}

#[tokio::test(start_paused = true)]
async fn batches_that_overlap_compute_each_key_once() {
    for cache in caches() {
        let (first, asked_first, go_first) = batch(&cache, &[1, 2], 7);
        settle().await;
        let (second, asked_second, go_second) = batch(&cache, &[3, 2], 8);
        let (third, _, go_third) = batch(&cache, &[2, 1], 9);
        settle().await;
        for go in [go_first, go_second, go_third] {
            go.send(()).unwrap();
        }
        assert_eq!(first.await.unwrap(), Ok(vec![Some(7), Some(7)]));
        assert_eq!(second.await.unwrap(), Ok(vec![Some(8), Some(7)]));
        assert_eq!(third.await.unwrap(), Ok(vec![Some(7), Some(7)]));
        assert_eq!((asked_first.await.unwrap(), asked_second.await.unwrap()), (vec![1, 2], vec![3]));
        assert_eq!(cache.stats().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn batch_that_is_dropped_leaves_the_lead_to_others() {
    for cache in caches() {
        let (first, _, _go) = batch(&cache, &[1, 2], 7);
        settle().await;
        let (second, asked, go) = batch(&cache, &[1, 2], 8);
        settle().await;
        first.abort();
        go.send(()).unwrap();
        assert_eq!(second.await.unwrap(), Ok(vec![Some(8), Some(8)]));
        assert_eq!((asked.await.unwrap(), cache.stats().in_flight), (vec![1, 2], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn set_is_newer_than_what_a_batch_computes() {
    for cache in caches() {
        let (batch, _, go) = batch(&cache, &[1, 2], 7);
        settle().await;
        cache.set(1, 5).await.unwrap();
        cache.set(2, 6).await.unwrap();
        assert!(cache.delete(2).await.unwrap());
        go.send(()).unwrap();
        assert_eq!(batch.await.unwrap(), Ok(vec![Some(7), Some(7)]));
        assert_eq!(cache.get_many::<i32>([1, 2]).await.unwrap(), [Some(5), None]);
    }
}

/// Each would have the turn to write that the other waits for.
#[tokio::test(start_paused = true)]
async fn batch_s_writes_and_a_set_many_do_not_wait_for_each_other() {
    let world = World::new();
    let cache = world.cache();
    let late = Duration::from_millis(10);
    world.store.delay(late);
    let single = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set(2, 0).await }
    });
    settle().await;
    world.store.delay(Duration::ZERO);
    // It has the turn of 1, and waits for that of 2.
    let many = tokio::spawn({
        let cache = cache.clone();
        async move { cache.set_many([(1, 5), (2, 5), (3, 5)]).await }
    });
    settle().await;
    // It takes the turn of 3 and meets the other at 1; at last the other comes to 3.
    let (batch, asked, go) = batch(&cache, &[3, 1], 7);
    settle().await;
    go.send(()).unwrap();
    let both = async { (batch.await.unwrap(), many.await.unwrap(), single.await.unwrap()) };
    let (computed, many, single) = tokio::time::timeout(late * 100, both).await.expect("no deadlock");
    assert_eq!((computed, asked.await.unwrap()), (Ok(vec![Some(7), Some(7)]), vec![3, 1]));
    many.and(single).unwrap();
    assert_eq!(world.without_memory().get_many::<i32>([1, 2, 3]).await.unwrap(), [Some(5); 3]);
    assert_eq!(cache.stats().in_flight, 0);
}

/// Computes again and again in vain: from so many ms on, 9 in every 10.
fn busy(cache: &Cache, key: i32, from: u64) -> JoinHandle<()> {
    let cache = cache.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(from)).await;
        loop {
            let fails = async || {
                tokio::time::sleep(Duration::from_millis(9)).await;
                Err::<i32, ()>(())
            };
            assert_eq!(cache.get_or_compute(key, fails).await, Err(()));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn batch_that_finds_one_of_its_keys_taken_eight_times_computes_beside_it() {
    for cache in caches() {
        // One of the two keys is always being computed: each attempt to lead at both waits for that one.
        let others = [busy(&cache, 1, 0), busy(&cache, 2, 5)];
        tokio::time::sleep(Duration::from_millis(6)).await;
        let start = Instant::now();
        let (batch, asked, go) = batch(&cache, &[1, 2, 3], 7);
        assert_eq!(asked.await.unwrap(), [1, 2, 3]);
        // Both are taken at the first, and then one after the other.
        assert_eq!(start.elapsed(), Duration::from_millis(8 + 6 * 5));
        assert_eq!(cache.stats().waits, 2, "once for each key, however often");
        others.iter().for_each(JoinHandle::abort);
        go.send(()).unwrap();
        assert_eq!(batch.await.unwrap(), Ok(vec![Some(7); 3]));
        assert_eq!(cache.get(3).await.unwrap(), Some(7), "where it leads it keeps");
        settle().await;
        assert_eq!(cache.stats().in_flight, 0);
    }
}
