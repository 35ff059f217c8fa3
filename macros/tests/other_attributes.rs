//! `#[cached]` beside another attribute that rewrites the function.
#![deny(warnings)]

use std::sync::atomic::{AtomicU64, Ordering};

use blindcache::{Cache, cached};
use tracing::instrument;

#[cached(cache = cache, skip(cache, runs))]
#[instrument(skip_all, err)]
async fn below(cache: &Cache, runs: &AtomicU64, id: u64) -> Result<u64, std::fmt::Error> {
    Ok(id + runs.fetch_add(1, Ordering::SeqCst))
}

#[instrument(skip_all, err)]
#[cached(cache = cache, skip(cache, runs))]
async fn above(cache: &Cache, runs: &AtomicU64, id: u64) -> Result<u64, std::fmt::Error> {
    Ok(id + runs.fetch_add(1, Ordering::SeqCst))
}

#[tokio::test]
async fn an_attribute_that_rewrites_the_function_goes_with_this_one() {
    let (cache, runs) = (Cache::in_memory().build().unwrap(), AtomicU64::new(1));
    for _ in 0..2 {
        assert_eq!(below(&cache, &runs, 10).await, Ok(11));
        assert_eq!(above(&cache, &runs, 10).await, Ok(12));
    }
    assert!(below_invalidate(&cache, &runs, 10).await.unwrap());
    assert!(above_invalidate(&cache, &runs, 10).await.unwrap());
    assert_eq!(above(&cache, &runs, 10).await, Ok(13));
}
