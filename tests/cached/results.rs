//! What is cached of a result, told by its type.

use std::{io, sync::Arc, time::Duration};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, cached, testing::Clock};

use super::{Runs, cache};

type Answer<T> = Result<T, io::Error>;
type Perhaps = Option<u64>;

#[cached(cache = cache, skip(cache, runs), key = id)]
async fn answer(cache: &Cache, runs: &Runs, id: u64) -> Answer<u64> {
    match runs.next() {
        1 => Err(io::Error::other("not yet")),
        run => Ok(id * 100 + run),
    }
}

#[tokio::test]
async fn only_ok_of_a_result_under_an_alias_is_cached() {
    let (cache, runs) = (cache(), Runs::default());
    assert!(answer(&cache, &runs, 7).await.is_err());
    assert_eq!(answer(&cache, &runs, 7).await.unwrap(), 702);
    assert_eq!(answer(&cache, &runs, 7).await.unwrap(), 702);
    assert_eq!(answer(&cache, &runs, 8).await.unwrap(), 803);
}

#[cached(cache = cache, skip(cache, runs))]
async fn perhaps(cache: &Cache, runs: &Runs) -> Perhaps {
    match runs.next() {
        1 => None,
        run => Some(run),
    }
}

#[tokio::test]
async fn only_some_of_an_option_under_an_alias_is_cached() {
    let (cache, runs) = (cache(), Runs::default());
    assert_eq!(perhaps(&cache, &runs).await, None);
    assert_eq!(perhaps(&cache, &runs).await, Some(2));
    assert_eq!(perhaps(&cache, &runs).await, Some(2));
}

#[cached(cache = cache, skip(cache, runs), cache_none)]
async fn none(cache: &Cache, runs: &Runs) -> Option<u64> {
    runs.next();
    None
}

#[tokio::test]
async fn cache_none_caches_none_too() {
    let (cache, runs) = (cache(), Runs::default());
    assert_eq!(none(&cache, &runs).await, None);
    assert_eq!(none(&cache, &runs).await, None);
    assert_eq!(runs.so_far(), 1);
}

#[cached(cache = cache, skip(cache, runs))]
async fn found(cache: &Cache, runs: &Runs) -> Answer<Perhaps> {
    match runs.next() {
        1 => Err(io::Error::other("not yet")),
        2 => Ok(None),
        run => Ok(Some(run)),
    }
}

#[cached(cache = cache, skip(cache, runs), cache_none)]
async fn known(cache: &Cache, runs: &Runs) -> Answer<Perhaps> {
    match runs.next() {
        1 => Err(io::Error::other("not yet")),
        2 => Ok(None),
        run => Ok(Some(run)),
    }
}

#[tokio::test]
async fn of_an_option_in_a_result_only_some_is_cached() {
    let (cache, runs) = (cache(), Runs::default());
    assert!(found(&cache, &runs).await.is_err());
    assert_eq!(found(&cache, &runs).await.unwrap(), None);
    assert_eq!(found(&cache, &runs).await.unwrap(), Some(3));
    assert_eq!(found(&cache, &runs).await.unwrap(), Some(3));
}

#[tokio::test]
async fn of_an_option_in_a_result_none_is_cached_by_cache_none() {
    let (cache, runs) = (cache(), Runs::default());
    assert!(known(&cache, &runs).await.is_err());
    assert_eq!(known(&cache, &runs).await.unwrap(), None);
    assert_eq!(known(&cache, &runs).await.unwrap(), None);
}

#[cached(cache = cache, skip(cache, runs))]
async fn plain(cache: &Cache, runs: &Runs) -> Vec<u64> {
    vec![runs.next()]
}

#[tokio::test]
async fn a_plain_value_is_cached() {
    let (cache, runs) = (cache(), Runs::default());
    assert_eq!(plain(&cache, &runs).await, [1]);
    assert_eq!(plain(&cache, &runs).await, [1]);
}

mod lookalike {
    /// Neither the standard library's.
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) enum Option<T> {
        None,
        Some(T),
    }
    pub(super) type Result<T> = (T, Option<T>);
}

#[cached(cache = cache, skip(cache, runs))]
async fn lookalike(cache: &Cache, runs: &Runs) -> lookalike::Result<u64> {
    (runs.next(), if runs.so_far() > 9 { lookalike::Option::Some(1) } else { lookalike::Option::None })
}

#[tokio::test]
async fn what_is_only_called_an_option_or_a_result_is_plain() {
    let (cache, runs) = (cache(), Runs::default());
    assert_eq!(lookalike(&cache, &runs).await, (1, lookalike::Option::None));
    assert_eq!(lookalike(&cache, &runs).await, (1, lookalike::Option::None));
}

#[cached(cache = cache, skip(cache, runs), cache_if = |run| *run > 2)]
async fn late(cache: &Cache, runs: &Runs) -> Answer<Option<u64>> {
    Ok(Some(runs.next()))
}

#[cached(cache = cache, skip(cache, runs), cache_if = |run| run % 2 == 0)]
async fn even(cache: &Cache, runs: &Runs) -> u64 {
    runs.next()
}

#[tokio::test]
async fn cache_if_decides_about_the_value_inside() {
    let (cache, runs) = (cache(), Runs::default());
    for expected in [1, 2, 3, 3, 3] {
        assert_eq!(late(&cache, &runs).await.unwrap(), Some(expected));
    }
    let runs = Runs::default();
    for expected in [1, 2, 2] {
        assert_eq!(even(&cache, &runs).await, expected);
    }
}

#[cached(cache = cache, skip(cache, runs), ttl = "1s", stale = "1h")]
async fn going(cache: &Cache, runs: &Runs) -> Answer<Option<u64>> {
    match runs.next() {
        1 => Ok(Some(1)),
        2 => Err(io::Error::other("down")),
        _ => {
            tokio::task::yield_now().await;
            Ok(None)
        }
    }
}

#[tokio::test]
async fn a_stale_value_stands_in_for_an_error_and_not_for_none() {
    let clock = Clock::at(1_700_000_000_000);
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let store = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
    let (cache, runs) = (Cache::builder(store).clock(&clock).build().unwrap(), Runs::default());
    assert_eq!(going(&cache, &runs).await.unwrap(), Some(1));
    clock.advance(Duration::from_secs(2));
    assert_eq!(going(&cache, &runs).await.unwrap(), Some(1), "stale, the function failed");
    assert_eq!(going(&cache, &runs).await.unwrap(), Some(1), "and is not tried again at once");
    clock.advance(Duration::from_secs(1));
    for run in 3..6 {
        assert_eq!(going(&cache, &runs).await.unwrap(), None, "the function's own");
        assert_eq!(runs.so_far(), run);
    }
    let (one, other) = tokio::join!(going(&cache, &runs), going(&cache, &runs));
    assert_eq!((one.unwrap(), other.unwrap(), runs.so_far()), (None, None, 6), "for who waits too");
}

#[cached(cache = cache, skip(cache, runs))]
async fn slow(cache: Cache, runs: Arc<Runs>) -> Option<u64> {
    let run = runs.next();
    tokio::time::sleep(Duration::from_secs(1)).await;
    (run > 1).then_some(run)
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_a_result_that_is_not_kept_and_who_comes_later_runs_the_function() {
    let (cache, runs) = (cache(), Arc::new(Runs::default()));
    let calls: Vec<_> = (0..1_000).map(|_| tokio::spawn(slow(cache.clone(), runs.clone()))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), None);
    }
    assert_eq!(runs.so_far(), 1);
    assert_eq!(slow(cache, runs).await, Some(2));
}

/// As the docs say: the body has `name`.
#[cached(cache = cache, skip(cache, runs), cache_if = { let name = name.clone(); move |found| *found == name })]
async fn same(cache: &Cache, runs: &Runs, name: String) -> String {
    if runs.next() > 1 { name } else { name + "?" }
}

#[tokio::test]
async fn cache_if_has_a_copy_of_an_argument_that_the_body_has() {
    let (cache, runs) = (cache(), Runs::default());
    for expected in ["Ada?", "Ada", "Ada"] {
        assert_eq!(same(&cache, &runs, "Ada".into()).await, expected);
    }
    assert_eq!(runs.so_far(), 2);
}
