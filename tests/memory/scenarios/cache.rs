//! A cache, with values that wipe themselves: whatever copies the cache makes must be gone.

use std::{convert::Infallible, time::Duration};

use blindcache::{Cache, L1, testing::Clock};

use crate::child::{Given, Own, Pause};

const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn cache_that_keeps_values(given: &Given, _: &mut Pause) {
    let cache = every_call(given, L1::Values).await;
    assert!(cache.stats().l1_hits > 0 && cache.stats().l1_entries > 0);
    cache.close().await;
}

/// Between the calls no value lies in memory.
pub(super) async fn cache_that_keeps_sealed_entries(given: &Given, pause: &mut Pause) {
    let cache = every_call(given, L1::Sealed).await;
    assert!(cache.stats().l1_hits > 0 && cache.stats().l1_entries > 0);
    pause.here();
    cache.close().await;
}

async fn every_call(given: &Given, mode: L1) -> Cache {
    let clock = Clock::at(1_800_000_000_000);
    let cache = Cache::builder(given.acme.clone().clock(&clock)).clock(&clock);
    let cache = cache.ttl(10 * SECOND).stale(100 * SECOND).l1(100).l1_mode(mode).build().unwrap();
    let compute = || async { Ok::<_, Infallible>(given.own()) };
    for round in 0..20 {
        let key = ("key", round);
        cache.set(key, given.own()).await.unwrap();
        let _: Option<Own> = cache.get(key).await.unwrap();
        let Ok(_) = cache.get_or_compute(("computed", round), compute).await;
        let Ok(_) = cache.get_or_compute(("computed", round), compute).await;
        let Ok(_) = cache.refresh(key, compute).await;
        cache.entry(("tagged", round)).tags(["a"]).set(given.own()).await.unwrap();
        let _: Option<Own> = cache.entry(("tagged", round)).strict().get().await.unwrap();
        let (one, two) = tokio::join!(
            cache.get_or_compute(("shared", round), compute), // one of them waits
            cache.get_or_compute(("shared", round), compute),
        );
        let (Ok(_), Ok(_)) = (one, two);
    }
    cache.set_many((0..20).map(|at| (("many", at), given.own()))).await.unwrap();
    let _: Vec<Option<Own>> = cache.get_many((0..20).map(|at| ("many", at))).await.unwrap();
    let missing: Vec<(&str, i32)> = (20..40).map(|at| ("many", at)).collect();
    let many = |missing: Vec<_>| async {
        Ok::<_, Infallible>(missing.into_iter().map(|key| (key, given.own())).collect::<Vec<_>>())
    };
    let Ok(_) = cache.get_or_compute_many(missing, many).await;
    clock.advance(20 * SECOND);
    let failing = || async { Err::<Own, _>("planted") };
    let _: Own = cache.get_or_compute(("key", 1), failing).await.unwrap(); // a stale value
    let own = given.own();
    let _: Result<Own, Infallible> = cache.get_or_refresh(("key", 2), || async { Ok(own) }).await;
    tokio::task::yield_now().await;
    cache.invalidate_tag("a").await.unwrap();
    let _: Option<Own> = cache.get(("tagged", 1)).await.unwrap();
    cache.delete(("key", 3)).await.unwrap();
    cache
}
