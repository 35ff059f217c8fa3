//! `strict`: trouble with the cache is the function's error.

use blindcache::{Cache, Error, KeyError, cached};

use super::{Runs, cache};

#[derive(Debug)]
enum Failure {
    Own,
    Cache(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cache(error)
    }
}

#[cached(cache = cache, skip(cache, runs), strict)]
async fn strict(cache: &Cache, runs: &Runs, share: f64) -> Result<Option<u64>, Failure> {
    match runs.next() {
        1 => Err(Failure::Own),
        2 => Ok(None),
        run => Ok(Some(run)),
    }
}

#[cached(cache = cache, skip(cache, runs), key = part.is_nan(), strict)]
async fn keyed(cache: &Cache, runs: &Runs, part: f64) -> Result<Option<u64>, Failure> {
    match runs.next() {
        1 => Err(Failure::Own),
        2 => Ok(None),
        run => Ok(Some(run)),
    }
}

#[cached(cache = cache, skip(cache, runs))]
async fn lenient(cache: &Cache, runs: &Runs, share: f64) -> Result<u64, Failure> {
    Ok(runs.next())
}

#[tokio::test]
async fn trouble_with_the_cache_is_an_error_only_where_it_is_strict() {
    let (cache, runs) = (cache(), Runs::default());
    assert!(matches!(strict(&cache, &runs, 0.5).await, Err(Failure::Cache(Error::Key(KeyError::Float)))));
    assert_eq!(runs.so_far(), 0);
    assert_eq!(lenient(&cache, &runs, 0.5).await.unwrap(), 1);
    assert_eq!(lenient(&cache, &runs, 0.5).await.unwrap(), 2);
    assert!(lenient_invalidate(&cache, &runs, 0.5).await.is_err());
}

#[tokio::test]
async fn a_strict_function_caches_as_another() {
    let (cache, runs) = (cache(), Runs::default());
    assert!(matches!(keyed(&cache, &runs, 0.5).await, Err(Failure::Own)));
    assert_eq!(keyed(&cache, &runs, 0.5).await.unwrap(), None);
    assert_eq!(keyed(&cache, &runs, 0.5).await.unwrap(), Some(3));
    assert_eq!(keyed(&cache, &runs, 0.5).await.unwrap(), Some(3));
}
