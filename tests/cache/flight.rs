//! One computation at a time for a key.

use std::{
    cell::Cell,
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use blindcache::Cache;
use tokio::{sync::oneshot, task::JoinSet};

use super::store::{World, ms, settle};

/// Many at once ask for one key; `f` takes 10 ms. How often it ran.
async fn crowd(cache: &Cache, count: usize) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let (cache, runs) = (cache.clone(), runs.clone());
        calls.spawn(async move {
            let compute = || async {
                runs.fetch_add(1, SeqCst);
                tokio::time::sleep(ms(10)).await;
                Ok::<_, ()>(7)
            };
            cache.get_or_compute("k", compute).await
        });
    }
    assert!(calls.join_all().await.into_iter().all(|value| value == Ok(7)));
    assert_eq!(cache.stats().in_flight, 0);
    println!("{count} callers at once, {} computed", runs.load(SeqCst));
    runs.load(SeqCst)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_concurrent_misses_compute_once() {
    assert_eq!(crowd(&World::new().cache(), 10_000).await, 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_concurrent_misses_compute_once_without_memory() {
    assert_eq!(crowd(&World::new().without_memory(), 10_000).await, 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_misses_compute_once_while_the_store_is_down() {
    let world = World::new();
    world.store.fail();
    assert_eq!(crowd(&world.without_memory(), 100).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn misses_on_many_threads_compute_once() {
    assert_eq!(crowd(&World::new().cache(), 1_000).await, 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_leader_leaves_the_lead_to_the_next() {
    let cache = World::new().cache();
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_compute::<u8, (), _, _>("k", pending).await }
    });
    settle().await;
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_compute("k", || async { Ok::<_, ()>(2) }).await }
    });
    settle().await;
    assert!(!second.is_finished());
    first.abort();
    assert_eq!(second.await.unwrap(), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn panicking_leader_leaves_the_lead_to_the_next() {
    let cache = World::new().cache();
    let (go, gone) = oneshot::channel::<()>();
    let first = tokio::spawn({
        let cache = cache.clone();
        let compute = || async move {
            gone.await.unwrap();
            panic!("in the application's function")
        };
        async move { cache.get_or_compute::<u8, (), _, _>("k", compute).await }
    });
    settle().await;
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_compute("k", || async { Ok::<_, ()>(2) }).await }
    });
    settle().await;
    go.send(()).unwrap();
    assert!(first.await.unwrap_err().is_panic());
    assert_eq!(second.await.unwrap(), Ok(2));
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn failing_leader_leaves_the_lead_to_the_next() {
    let cache = World::new().cache();
    let fail = cache.get_or_compute::<u8, _, _, _>("k", async || {
        settle().await;
        Err("no")
    });
    let (first, second) = tokio::join!(fail, cache.get_or_compute("k", async || Ok::<u8, &str>(2)));
    assert_eq!((first, second), (Err("no"), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn waiters_get_the_value_before_the_store_has_it() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory()] {
        world.store.hang("set");
        let leader = tokio::spawn({
            let cache = cache.clone();
            async move {
                let compute = async || {
                    settle().await;
                    Ok::<u8, ()>(7)
                };
                cache.get_or_compute("k", compute).await
            }
        });
        settle().await;
        let waiter = cache.get_or_compute("k", async || Ok::<u8, ()>(0));
        assert_eq!(tokio::time::timeout(ms(1), waiter).await, Ok(Ok(7)));
        assert!(!leader.is_finished());
        leader.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn value_that_cannot_be_stored_is_computed_once_for_all_who_wait() {
    let world = World::new();
    let cache = Cache::builder(world.acme().max_value(10)).build().unwrap();
    let runs = Cell::new(0);
    let compute = async || {
        runs.set(runs.get() + 1);
        settle().await;
        Ok::<_, ()>("far more than ten bytes".to_owned())
    };
    let (one, other) = tokio::join!(cache.get_or_compute("k", compute), cache.get_or_compute("k", compute));
    assert_eq!(one, other);
    assert_eq!((runs.get(), cache.stats().troubles), (1, 1));
    assert_eq!(world.store.entries(), []);
}

#[tokio::test]
async fn error_of_the_function_has_no_bound_and_is_not_cached() {
    /// Neither `Debug` nor `Send` nor `'static`.
    struct Odd<'a>(&'a Cell<u8>, Rc<()>);
    let cache = World::new().cache();
    let cell = Cell::new(3);
    let computed: Result<u8, Odd<'_>> =
        cache.get_or_compute("k", async || Err(Odd(&cell, Rc::default()))).await;
    let Err(Odd(cell, count)) = computed else { panic!("a value from nowhere") };
    assert_eq!((cell.get(), Rc::strong_count(&count)), (3, 1));
    assert_eq!(cache.get::<u8>("k").await.unwrap(), None);
    assert_eq!(cache.get_or_compute("k", async || Ok::<u8, ()>(4)).await, Ok(4));
}

#[tokio::test]
async fn function_may_borrow() {
    let cache = World::new().cache();
    let (text, mut count) = (String::from("seven"), 0);
    let length = cache
        .get_or_compute(("length", text.as_str()), async || {
            count += 1;
            Ok::<_, ()>(text.len())
        })
        .await;
    assert_eq!((length, count), (Ok(5), 1));
}

#[test]
fn cache_fits_a_web_framework_s_state() {
    fn is_state<T: Clone + Send + Sync + 'static>(_: T) {}
    is_state(World::new().cache());
}

#[test]
fn futures_are_send_where_those_of_the_function_are() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let cache = World::new().cache();
    let text = String::from("borrowed");
    let compute = || async { Ok::<_, std::io::Error>(text.clone()) };
    drop(is_send(cache.get_or_compute("k", compute)));
    drop(is_send(cache.refresh("k", compute)));
    drop(is_send(cache.entry("k").tags(["t"]).get_or_compute(compute)));
    drop(is_send(cache.entry("k").strict().hard_timeout(ms(1)).get_or_compute(compute)));
    drop(is_send(cache.get_or_refresh("k", || async { Ok::<_, std::io::Error>(1) })));
    let many = |keys: Vec<u8>| async move { Ok::<_, std::io::Error>(keys.into_iter().zip([1])) };
    drop(is_send(cache.get_or_compute_many([1, 2], many)));
    drop(is_send(cache.get::<String>("k")));
    drop(is_send(cache.set("k", text.clone())));
    drop(is_send(cache.delete("k")));
    drop(is_send(cache.exists("k")));
    drop(is_send(cache.get_many::<u8>(["k"])));
    drop(is_send(cache.set_many([("k", 1)])));
    drop(is_send(cache.delete_many(["k"])));
    drop(is_send(cache.invalidate_tag("t")));
    drop(is_send(cache.clear()));
    drop(is_send(cache.close()));
}

#[tokio::test(start_paused = true)]
async fn set_is_newer_than_what_is_being_computed() {
    let (one, other) = (World::new(), World::new());
    for cache in [one.cache(), other.without_memory()] {
        let compute = cache.get_or_compute("k", async || {
            cache.set("k", 2).await.unwrap();
            Ok::<_, ()>(1)
        });
        assert_eq!(compute.await, Ok(1));
        assert_eq!(cache.get("k").await.unwrap(), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn delete_is_newer_than_what_is_being_computed() {
    let world = World::new();
    for cache in [world.cache(), world.without_memory()] {
        let compute = cache.get_or_compute("k", async || {
            cache.delete("k").await.unwrap();
            Ok::<_, ()>(1)
        });
        assert_eq!(compute.await, Ok(1));
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(world.store.entries().len(), 0);
    }
}
