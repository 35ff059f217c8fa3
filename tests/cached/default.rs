//! The default cache. One test: the default is the process's.

use blindcache::{Error, cached, set_default};

use super::Runs;

#[cached(skip(runs))]
async fn default(runs: &Runs) -> u64 {
    runs.next()
}

#[cached(skip(runs), strict)]
async fn strict(runs: &Runs) -> Result<u64, Error> {
    Ok(runs.next())
}

/// Needs the variables of the environment to be unset, as they are in tests.
#[tokio::test]
async fn without_a_default_cache_a_function_runs_uncached_and_a_strict_one_fails() {
    let runs = Runs::default();
    assert_eq!([default(&runs).await, default(&runs).await], [1, 2]);
    assert!(!default_invalidate(&runs).await.unwrap());
    assert!(matches!(strict(&runs).await, Err(Error::Backend(_))));
    set_default(super::cache()).unwrap();
    assert_eq!([default(&runs).await, default(&runs).await], [3, 3]);
    assert_eq!(strict(&runs).await.unwrap(), 4);
    assert!(default_invalidate(&runs).await.unwrap());
}
