//! Each call moves exactly the numbers that the documentation says.

use std::{
    convert::Infallible,
    future::{pending, ready},
};

use blindcache::{
    BackendExt, BreakerState, Cache, EncryptedBackend, Error, Keyring, MasterKey, Stats, testing::Clock,
};

use super::store::{Store, World, ms, secs, settle};

type Moved = Vec<(&'static str, &'static str, u64)>;

/// Operations, outcomes and counts.
fn requests(stats: &Stats) -> Moved {
    stats.requests.iter().map(|requests| (requests.operation, requests.outcome, requests.count)).collect()
}

/// What happened between two looks.
fn moved(before: &Stats, after: &Stats) -> Moved {
    let since = |(operation, outcome, count)| (operation, outcome, count - before.count(operation, outcome));
    requests(after).into_iter().map(since).filter(|(.., count)| *count > 0).collect()
}

/// The requests that a call makes.
macro_rules! moves {
    ($cache:ident: $call:expr) => {{
        let before = $cache.stats();
        let _ = $call.await;
        moved(&before, &$cache.stats())
    }};
}

async fn ok(value: i32) -> Result<i32, ()> {
    Ok(value)
}

async fn fails() -> Result<i32, ()> {
    Err(())
}

#[tokio::test]
async fn reads_and_writes_count_their_key_once() {
    let world = World::new();
    let cache = world.cache();
    let other = world.cache();
    assert_eq!(moves!(cache: cache.get::<i32>("k")), [("get", "miss", 1)]);
    assert_eq!(moves!(cache: cache.set("k", 1)), [("set", "done", 1)]);
    assert_eq!(moves!(cache: cache.get::<i32>("k")), [("get", "l1_hit", 1)]);
    assert_eq!(moves!(other: other.get::<i32>("k")), [("get", "hit", 1)]);
    assert_eq!(moves!(cache: cache.exists("k")), [("exists", "l1_hit", 1)]);
    assert_eq!(moves!(cache: cache.exists("no")), [("exists", "miss", 1)]);
    assert_eq!(moves!(cache: cache.delete("k")), [("delete", "hit", 1)]);
    assert_eq!(moves!(cache: cache.delete("k")), [("delete", "miss", 1)]);
    other.set("l", 1).await.unwrap();
    assert_eq!(moves!(cache: cache.delete("l")), [("delete", "hit", 1)], "in the store alone");
    assert_eq!(moves!(other: other.delete("l")), [("delete", "hit", 1)], "in memory alone");
    assert_eq!(moves!(cache: cache.invalidate_tag("t")), [("invalidate_tag", "done", 1)]);
    assert_eq!(moves!(cache: cache.clear()), [("clear", "done", 1)]);
}

#[tokio::test]
async fn a_batch_counts_each_of_its_keys() {
    let world = World::new();
    let cache = world.cache();
    let other = world.cache();
    assert_eq!(moves!(cache: cache.set_many([("a", 1), ("b", 2)])), [("set_many", "done", 2)]);
    other.set("c", 3).await.unwrap();
    // The store has not been asked for the marker of the namespace.
    assert_eq!(moves!(cache: cache.get_many::<i32>(["a"])), [("get_many", "hit", 1)]);
    assert_eq!(
        moves!(cache: cache.get_many::<i32>(["a", "b", "c", "d"])),
        [("get_many", "l1_hit", 2), ("get_many", "hit", 1), ("get_many", "miss", 1)]
    );
    cache.delete("a").await.unwrap();
    let some = |missing: Vec<&'static str>| {
        ready(Ok::<_, Infallible>(missing.into_iter().take(1).map(|key| (key, 7))))
    };
    assert_eq!(
        moves!(cache: cache.get_or_compute_many(["a", "b", "d", "d"], some)),
        [
            ("get_or_compute_many", "l1_hit", 1),
            ("get_or_compute_many", "miss", 1),
            ("get_or_compute_many", "computed", 1)
        ]
    );
    assert_eq!(
        moves!(cache: cache.delete_many(["a", "no"])),
        [("delete_many", "hit", 1), ("delete_many", "miss", 1)]
    );
    assert_eq!(moves!(cache: cache.get_many::<i32>([""; 0])), []);
    world.store.fail();
    assert_eq!(moves!(cache: cache.set_many([("a", 1), ("b", 2)])), [("set_many", "error", 2)]);
    assert_eq!(
        moves!(cache: cache.get_or_compute_many(["x", "y"], |_| ready(Err::<[(&str, i32); 0], ()>(())))),
        [("get_or_compute_many", "error", 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn computations_count_how_the_value_was_got() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(1_000)).l1_ttl(secs(1_000)).build().unwrap();
    let compute = |f: fn() -> std::future::Ready<Result<i32, ()>>| cache.get_or_compute("k", f);
    assert_eq!(moves!(cache: compute(|| ready(Err(())))), [("get_or_compute", "error", 1)]);
    assert_eq!(moves!(cache: compute(|| ready(Ok(1)))), [("get_or_compute", "computed", 1)]);
    assert_eq!(moves!(cache: compute(|| ready(Ok(1)))), [("get_or_compute", "l1_hit", 1)]);
    let other = world.cache();
    assert_eq!(moves!(other: other.get_or_compute("k", || ok(1))), [("get_or_compute", "hit", 1)]);
    world.pass(secs(11)).await;
    assert_eq!(moves!(cache: cache.get_or_compute("k", fails)), [("get_or_compute", "stale", 1)]);
    assert_eq!(moves!(cache: cache.get_or_compute("k", fails)), [("get_or_compute", "stale", 1)], "at hand");
    let many = |_: Vec<&'static str>| ready(Err::<[(&'static str, i32); 0], _>(()));
    assert_eq!(moves!(cache: cache.get_or_compute_many(["k"], many)), [("get_or_compute_many", "stale", 1)]);
    assert_eq!(moves!(cache: cache.refresh("k", fails)), [("refresh", "error", 1)]);
    assert_eq!(moves!(cache: cache.refresh("k", || ok(2))), [("refresh", "computed", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_the_background_is_a_request_of_its_own() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(1_000)).l1_ttl(secs(1_000)).build().unwrap();
    assert_eq!(moves!(cache: cache.get_or_refresh("k", || ok(1))), [("get_or_refresh", "computed", 1)]);
    assert_eq!(moves!(cache: cache.get_or_refresh("k", || ok(1))), [("get_or_refresh", "l1_hit", 1)]);
    let ahead = async {
        cache.entry("k").refresh_ahead(0.0).get_or_refresh(|| ok(1)).await.unwrap();
        settle().await;
    };
    assert_eq!(
        moves!(cache: ahead),
        [("get_or_refresh", "l1_hit", 1), ("background_refresh", "computed", 1)]
    );
    let stats = cache.stats();
    let hits = stats.requests.iter().find(|requests| requests.outcome == "l1_hit").unwrap();
    assert_eq!(hits.timed, 0, "what memory answers does not go beyond it, whatever goes on behind");
    world.pass(secs(11)).await;
    let failing = async || {
        let _ = cache.get_or_refresh("k", fails).await;
        settle().await;
    };
    assert_eq!(
        moves!(cache: failing()),
        [("get_or_refresh", "stale", 1), ("background_refresh", "error", 1)]
    );
    assert_eq!(moves!(cache: failing()), [("get_or_refresh", "stale", 1)], "not tried again at once");
    world.pass(secs(10)).await;
    let well = async {
        let _ = cache.get_or_refresh("k", || ok(2)).await;
        settle().await;
    };
    assert_eq!(moves!(cache: well), [("get_or_refresh", "stale", 1), ("background_refresh", "computed", 1)]);
}

#[tokio::test]
async fn a_wait_is_counted_and_so_is_what_came_of_it() {
    let world = World::new();
    let cache = world.cache();
    let slow = || async {
        settle().await;
        Ok::<_, ()>(1)
    };
    let (one, two, three) = tokio::join!(
        cache.get_or_compute("k", slow),
        cache.get_or_compute("k", slow),
        cache.get_or_compute("k", slow)
    );
    assert_eq!((one, two, three), (Ok(1), Ok(1), Ok(1)));
    let stats = cache.stats();
    assert_eq!(requests(&stats), [("get_or_compute", "waited", 2), ("get_or_compute", "computed", 1)]);
    assert_eq!((stats.waits, stats.waited, stats.computed), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_is_counted_too() {
    let world = World::new();
    let cache = world.builder().ttl(secs(10)).stale(secs(1_000)).build().unwrap();
    cache.set("k", 1).await.unwrap();
    world.pass(secs(10)).await;
    let stuck = async {
        let _ = cache.get_or_compute("k", pending::<Result<i32, ()>>).await;
    };
    let others = async {
        let strict = cache.entry("k").strict().hard_timeout(ms(10));
        assert!(strict.get_or_compute(|| ok(2)).await.is_err());
        assert_eq!(cache.stats().waits, 1);
        assert_eq!(cache.entry("k").soft_timeout(ms(10)).get_or_compute(|| ok(2)).await, Ok(1));
        assert_eq!(cache.stats().waits, 2);
    };
    tokio::select! {
        biased;
        () = stuck => panic!("it never ends"),
        () = others => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_is_counted_as_such() {
    let world = World::new();
    let cache = world.cache();
    let dropped = async {
        tokio::select! {
            biased;
            _ = cache.get_or_compute("k", pending::<Result<i32, ()>>) => {}
            () = settle() => {}
        }
    };
    assert_eq!(moves!(cache: dropped), [("get_or_compute", "dropped", 1)]);
    world.store.hang("set_many");
    let dropped = async {
        tokio::select! {
            biased;
            _ = cache.set_many([("a", 1), ("b", 2)]) => {}
            () = settle() => {}
        }
    };
    assert_eq!(moves!(cache: dropped), [("set_many", "dropped", 2)]);
    assert_eq!(cache.stats().in_flight, 2, "what was sent is waited for in the background");
    cache.close().await;
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test]
async fn what_is_refused_is_an_error_and_computed_all_the_same() {
    let world = World::new();
    let cache = world.cache();
    assert_eq!(moves!(cache: cache.get::<i32>(1.5)), [("get", "error", 1)]);
    assert_eq!(moves!(cache: cache.set(1.5, 1)), [("set", "error", 1)]);
    assert_eq!(moves!(cache: cache.delete(1.5)), [("delete", "error", 1)]);
    assert_eq!(moves!(cache: cache.exists(1.5)), [("exists", "error", 1)]);
    assert_eq!(moves!(cache: cache.invalidate_tag("")), [("invalidate_tag", "error", 1)]);
    assert_eq!(moves!(cache: cache.get_or_compute(1.5, || ok(1))), [("get_or_compute", "computed", 1)]);
    assert_eq!(
        moves!(cache: cache.entry(1.5).strict().get_or_compute(|| ok(1))),
        [("get_or_compute", "error", 1)]
    );
    assert_eq!(cache.stats().troubles_by_reason, [("key", 2)]);
}

#[tokio::test]
async fn trouble_with_the_store_is_counted_by_its_kind() {
    let world = World::new();
    let cache = world.without_memory();
    world.store.fail();
    assert_eq!(moves!(cache: cache.get::<i32>("k")), [("get", "error", 1)]);
    assert_eq!(moves!(cache: cache.set("k", 1)), [("set", "error", 1)]);
    assert_eq!(moves!(cache: cache.exists("k")), [("exists", "error", 1)]);
    assert_eq!(cache.stats().troubles_by_reason, [("timeout", 3)]);
    assert_eq!(cache.stats().troubles, 3);
}

#[tokio::test]
async fn unreadable_entries_are_counted_by_reason() {
    let world = World::new();
    let cache = world.without_memory();
    cache.set("k", "text".to_owned()).await.unwrap();
    assert_eq!(moves!(cache: cache.get::<u8>("k")), [("get", "miss", 1)]);
    assert_eq!(cache.stats().unreadable_by_reason, [("undecodable", 1)]);
    world.store.plant_everywhere(b"plaintext");
    assert_eq!(moves!(cache: cache.entry("k").strict().get::<u8>()), [("get", "error", 1)]);
    let stats = cache.stats();
    assert_eq!(stats.unreadable_by_reason, [("not_sealed", 1), ("undecodable", 1)]);
    assert_eq!((stats.unreadable, stats.troubles), (2, 0));
}

/// The old key moves as long as an entry or a marker of it is read.
#[tokio::test]
async fn opened_entries_and_markers_are_counted_by_key() {
    let old =
        || MasterKey::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    let new =
        || MasterKey::parse("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    let (store, clock) = (Store::default(), Clock::at(1_790_000_000_000));
    let cache = |keys: &Keyring| {
        let boundary = EncryptedBackend::new(store.clone(), keys.tenant("acme").unwrap()).clock(&clock);
        Cache::builder(boundary).l1(0).build().unwrap()
    };
    let before = Keyring::new(old()).unwrap();
    let after = Keyring::with_accepted(new(), [old()], old()).unwrap();
    let (old_id, new_id) = (after.key_ids()[1], after.key_ids()[0]);
    cache(&before).set("k", 1).await.unwrap();
    let now = cache(&after);
    assert_eq!(now.get("k").await.unwrap(), Some(1));
    assert_eq!(now.stats().opened, [(Some(old_id), 1)]);
    now.set("k", 2).await.unwrap();
    assert_eq!(now.get("k").await.unwrap(), Some(2));
    let mut opened = now.stats().opened;
    opened.sort();
    let mut expected = vec![(Some(old_id), 1), (Some(new_id), 1)];
    expected.sort();
    assert_eq!(opened, expected);

    cache(&before).clear().await.unwrap();
    clock.advance(ms(1));
    let now = cache(&after);
    now.set("k", 3).await.unwrap();
    assert_eq!(now.get("k").await.unwrap(), Some(3));
    assert!(now.stats().opened.contains(&(Some(old_id), 1)), "the marker of the old key was not counted");
}

#[tokio::test]
async fn memory_is_told_as_it_is() {
    let world = World::new();
    let cache = world.cache();
    cache.set_many([("a", 1), ("b", 2)]).await.unwrap();
    let stats = cache.stats();
    assert_eq!(stats.l1_entries, 2);
    assert!(stats.l1_bytes > 2 * 128);
    cache.delete("a").await.unwrap();
    assert_eq!(cache.stats().l1_entries, 1);
}

#[tokio::test(start_paused = true)]
async fn time_is_taken_of_calls_that_go_beyond_memory() {
    let world = World::new();
    let cache = world.cache();
    world.store.delay(ms(20));
    cache.get::<i32>("k").await.unwrap();
    cache.set("k", 1).await.unwrap();
    cache.get::<i32>("k").await.unwrap();
    let stats = cache.stats();
    let times: Vec<_> = stats
        .requests
        .iter()
        .map(|request| (request.operation, request.outcome, request.timed, request.time))
        .collect();
    let expected = [("get", "l1_hit", 0, ms(0)), ("get", "miss", 1, ms(20)), ("set", "done", 1, ms(20))];
    assert_eq!(times, expected);
    let never = |_: Vec<&'static str>| ready(Err::<[(&'static str, i32); 0], ()>(()));
    cache.get_or_compute_many(["k", "k"], never).await.unwrap();
    cache.get_many::<i32>(["k", "k"]).await.unwrap();
    let stats = cache.stats();
    let batches = stats.requests.iter().filter(|request| request.operation.ends_with("many"));
    let timed: Vec<_> = batches.map(|batch| (batch.operation, batch.outcome, batch.timed)).collect();
    assert_eq!(timed, [("get_many", "l1_hit", 0), ("get_or_compute_many", "l1_hit", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_before_the_store_shows() {
    let world = World::new();
    let keys = world.tenant("acme");
    let store = world.store.clone().breaker().retry();
    let cache = Cache::builder(EncryptedBackend::new(store, keys)).build().unwrap();
    assert_eq!(cache.stats().breaker, Some(BreakerState::Closed));
    world.store.fail();
    assert!(matches!(cache.get::<i32>("k").await, Err(Error::Backend(_))));
    assert_eq!(cache.stats().breaker, Some(BreakerState::Open));
    assert_eq!(world.cache().stats().breaker, None);
}

#[tokio::test]
async fn tenants_and_clones_count_together() {
    let world = World::new();
    let cache = world.cache();
    let globex = cache.for_tenant(world.tenant("globex"));
    globex.clone().get::<i32>("k").await.unwrap();
    assert_eq!(requests(&cache.stats()), [("get", "miss", 1)]);
    assert_eq!(cache.stats(), globex.stats());
}
