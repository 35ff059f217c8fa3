//! The settings of a call.

use std::{sync::LazyLock, time::Duration};

use blindcache::{
    Backend, Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, TenantKeys, cached, testing::Clock,
};

use super::Runs;

const START: u64 = 1_700_000_000_000;

fn keys() -> Keyring {
    let bytes: Vec<u8> = (0..32).collect();
    Keyring::new(MasterKey::from_bytes(&bytes).unwrap()).unwrap()
}

fn tenant(id: &str) -> TenantKeys {
    keys().tenant(id).unwrap()
}

fn over(store: impl Backend, clock: &Clock) -> Cache {
    Cache::builder(EncryptedBackend::new(store, tenant("acme"))).clock(clock).build().unwrap()
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[cached(cache = cache, skip(cache, runs), ttl = "90m")]
async fn text(cache: &Cache, runs: &Runs) -> u64 {
    runs.next()
}

#[cached(cache = cache, skip(cache, runs, lifetime), ttl = lifetime * 2)]
async fn expression(cache: &Cache, runs: &Runs, lifetime: Duration) -> u64 {
    runs.next()
}

#[cached(cache = cache, skip(cache, runs), ttl = "1d", stale = WEEK)]
async fn stale(cache: &Cache, runs: &Runs) -> Result<u64, u64> {
    match runs.next() {
        1 => Ok(1),
        run => Err(run),
    }
}

#[tokio::test]
async fn a_ttl_is_a_text_with_a_unit() {
    let clock = Clock::at(START);
    let (cache, runs) = (over(MemoryBackend::new(), &clock), Runs::default());
    text(&cache, &runs).await;
    clock.advance(Duration::from_secs(90 * 60 - 1));
    assert_eq!(text(&cache, &runs).await, 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(text(&cache, &runs).await, 2);
}

#[tokio::test]
async fn a_ttl_is_an_expression_of_the_arguments() {
    let clock = Clock::at(START);
    let (cache, runs) = (over(MemoryBackend::new(), &clock), Runs::default());
    let lifetime = Duration::from_secs(10);
    expression(&cache, &runs, lifetime).await;
    clock.advance(Duration::from_secs(19));
    assert_eq!(expression(&cache, &runs, lifetime).await, 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(expression(&cache, &runs, lifetime).await, 2);
}

#[tokio::test]
async fn a_stale_value_stands_in_for_an_error_as_long_as_it_may() {
    let clock = Clock::at(START);
    let (cache, runs) = (over(MemoryBackend::new(), &clock), Runs::default());
    stale(&cache, &runs).await.unwrap();
    clock.advance(WEEK);
    assert_eq!(stale(&cache, &runs).await, Ok(1));
    assert_eq!(runs.so_far(), 2);
    clock.advance(WEEK);
    assert_eq!(stale(&cache, &runs).await, Err(3));
}

#[cached(cache = cache, skip(cache, runs), key = &team, tags = ["users", format!("team-{team}"), team])]
async fn members(cache: &Cache, runs: &Runs, team: String) -> u64 {
    drop(team);
    runs.next()
}

#[tokio::test]
async fn tags_are_expressions_of_the_arguments() {
    let clock = Clock::at(START);
    let (cache, runs) = (over(MemoryBackend::new(), &clock), Runs::default());
    for (expected, tag) in (1..).zip(["users", "team-red", "red", "team-blue"]) {
        assert_eq!(members(&cache, &runs, "red".into()).await, expected);
        clock.advance(Duration::from_secs(1));
        cache.invalidate_tag(tag).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(members(&cache, &runs, "red".into()).await, 4);
}

#[cached(cache = cache, skip(cache, runs, who), tenant = keys().tenant(who)?)]
async fn of_tenant(cache: &Cache, runs: &Runs, who: &str) -> Result<u64, blindcache::Error> {
    Ok(runs.next())
}

#[cached(cache = cache, skip(cache, runs))]
async fn of_all(cache: &Cache, runs: &Runs) -> u64 {
    runs.next()
}

#[tokio::test]
async fn each_tenant_has_results_of_its_own() {
    let (cache, runs) = (over(MemoryBackend::new(), &Clock::at(START)), Runs::default());
    assert_eq!(of_tenant(&cache, &runs, "acme").await.unwrap(), 1);
    assert_eq!(of_tenant(&cache, &runs, "globex").await.unwrap(), 2);
    assert_eq!(of_tenant(&cache, &runs, "acme").await.unwrap(), 1);
    assert!(of_tenant_invalidate(&cache, &runs, "globex").await.unwrap());
    assert_eq!(of_tenant(&cache, &runs, "globex").await.unwrap(), 3);
    let globex = cache.for_tenant(tenant("globex"));
    let kept = globex.get::<u64>(of_tenant_key(&cache, &runs, "globex")).await.unwrap();
    assert_eq!(kept, Some(3), "under the tenant's own keys");
}

#[tokio::test]
async fn a_tenant_that_there_cannot_be_is_the_functions_error() {
    let (cache, runs) = (super::cache(), Runs::default());
    assert!(of_tenant(&cache, &runs, "").await.is_err());
    assert!(of_tenant_invalidate(&cache, &runs, "").await.is_err());
    assert_eq!(runs.so_far(), 0);
}

static SHARED: LazyLock<Cache> = LazyLock::new(super::cache);

#[cached(cache = SHARED, skip(runs))]
async fn in_static(runs: &Runs) -> u64 {
    runs.next()
}

#[cached(cache = super::cache(), skip(runs))]
async fn in_new(runs: &Runs) -> u64 {
    runs.next()
}

#[cached(cache = &*SHARED, skip(runs))]
async fn in_reference(runs: &Runs) -> u64 {
    runs.next()
}

#[tokio::test]
async fn the_cache_is_any_expression_of_a_cache_or_what_holds_one() {
    let runs = Runs::default();
    assert_eq!([in_static(&runs).await, in_static(&runs).await], [1, 1]);
    assert_eq!([in_new(&runs).await, in_new(&runs).await], [2, 3]);
    assert_eq!([in_reference(&runs).await, in_reference(&runs).await], [4, 4]);
}

#[cached(cache = cache, skip(cache, runs), tags = [""])]
async fn refused(cache: &Cache, runs: &Runs) -> u64 {
    runs.next()
}

#[tokio::test]
async fn what_the_cache_refuses_runs_uncached() {
    let (cache, runs) = (super::cache(), Runs::default());
    assert_eq!([refused(&cache, &runs).await, refused(&cache, &runs).await], [1, 2]);
    let _ = of_all(&cache, &runs).await;
}
