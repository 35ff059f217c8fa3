//! Caches that never leave the process, and never encode.

use std::hash::Hash;

use super::Contender;
use crate::values::Value;

/// What a key must be for them.
trait Hashed: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Hashed for K {}

/// quick_cache, which is also what the in-memory tier of blindcache is made of.
pub struct Quick<K, T>(quick_cache::sync::Cache<K, T>);

#[allow(private_bounds, reason = "an abbreviation")]
impl<K: Hashed, T: Value> Quick<K, T> {
    pub fn new(entries: usize) -> Self {
        Self(quick_cache::sync::Cache::new(entries))
    }
}

impl<K: Hashed, T: Value> Contender<K, T> for Quick<K, T> {
    async fn get(&self, key: &K) -> T {
        self.0.get(key).unwrap()
    }

    async fn set(&self, key: &K, value: &T) {
        self.0.insert(key.clone(), value.clone());
    }
}

/// moka's cache for futures.
pub struct Moka<K, T>(moka::future::Cache<K, T>);

#[allow(private_bounds, reason = "an abbreviation")]
impl<K: Hashed, T: Value> Moka<K, T> {
    pub fn new(entries: usize) -> Self {
        Self(moka::future::Cache::new(entries as u64))
    }
}

impl<K: Hashed, T: Value> Contender<K, T> for Moka<K, T> {
    async fn get(&self, key: &K) -> T {
        self.0.get(key).await.unwrap()
    }

    async fn set(&self, key: &K, value: &T) {
        self.0.insert(key.clone(), value.clone()).await;
    }
}

/// The LRU of `cached` that threads share.
pub struct Sharded<K, T>(cached::ShardedLruCache<K, T>);

#[allow(private_bounds, reason = "an abbreviation")]
impl<K: Hashed, T: Value> Sharded<K, T> {
    pub fn new(entries: usize) -> Self {
        Self(cached::ShardedLruCache::new(entries))
    }
}

impl<K: Hashed, T: Value> Contender<K, T> for Sharded<K, T> {
    async fn get(&self, key: &K) -> T {
        self.0.get(key).unwrap()
    }

    async fn set(&self, key: &K, value: &T) {
        self.0.set(key.clone(), value.clone());
    }
}
