//! blindcache: the boundary alone, and the cache in front of it.

use std::{fmt, future, time::Duration};

use blindcache::{Backend, Cache, EncryptedBackend, Keyring, L1, MasterKey, MemoryBackend, RedisBackend};
use serde::Serialize;

use super::{Batches, Contender, PATIENCE, TTL};
use crate::values::Value;

pub fn keyring() -> Keyring {
    Keyring::new(MasterKey::generate().unwrap()).unwrap()
}

/// Typed gets and sets on a store.
#[derive(Clone)]
pub struct Blind<B: Backend>(pub EncryptedBackend<B>);

impl Blind<RedisBackend> {
    pub fn redis(url: &str) -> Self {
        let backend = RedisBackend::builder(url).connect_timeout(PATIENCE).response_timeout(PATIENCE);
        Self::on(backend.build().unwrap())
    }
}

impl Blind<MemoryBackend> {
    pub fn memory() -> Self {
        Self::on(MemoryBackend::new())
    }
}

impl<B: Backend> Blind<B> {
    fn on(backend: B) -> Self {
        let acme = EncryptedBackend::new(backend, keyring().tenant("acme").unwrap());
        Self(acme.namespace("users").unwrap())
    }
}

impl<B: Backend, T: Value> Contender<String, T> for Blind<B> {
    async fn get(&self, key: &String) -> T {
        self.0.get(key).await.unwrap().unwrap()
    }

    async fn set(&self, key: &String, value: &T) {
        self.0.set(key, value, TTL).await.unwrap();
    }
}

impl<B: Backend, T: Value> Batches<String, T> for Blind<B> {
    async fn get_many(&self, keys: &[String]) -> Vec<T> {
        let found = self.0.get_many(keys).await.unwrap();
        found.into_iter().map(|value| value.unwrap().unwrap()).collect()
    }

    async fn set_many(&self, keys: &[String], value: &T) {
        self.0.set_many(keys.iter().map(|key| (key, value)), TTL).await.unwrap();
    }
}

/// What the in-memory tier answers to `get`.
#[derive(Clone)]
pub struct Hits(pub Cache);

impl Hits {
    /// A cache without a store, with room for so many entries.
    pub fn alone(entries: usize) -> Self {
        let cache = Cache::in_memory().l1(entries).l1_bytes(1 << 40).ttl(TTL);
        Self(cache.build().unwrap())
    }

    /// In front of a store.
    pub fn tiered(mode: L1) -> Self {
        let store = Blind::memory().0;
        let day = Duration::from_secs(86_400);
        let cache = Cache::builder(store).ttl(TTL).l1_ttl(day).marker_ttl(day).l1_mode(mode);
        Self(cache.build().unwrap())
    }
}

impl<K: Serialize + Sync + 'static, T: Value> Contender<K, T> for Hits {
    async fn get(&self, key: &K) -> T {
        self.0.get(key).await.unwrap().unwrap()
    }

    async fn set(&self, key: &K, value: &T) {
        self.0.set(key, value.clone()).await.unwrap();
    }
}

/// The same by `get_or_compute`, which never computes here.
pub struct Computing(pub Hits);

impl<K: Serialize + Sync + 'static, T: Value> Contender<K, T> for Computing {
    async fn get(&self, key: &K) -> T {
        let never = || future::ready(Err::<T, fmt::Error>(fmt::Error)); // it is in the cache
        self.0.0.get_or_compute(key, never).await.unwrap()
    }

    async fn set(&self, key: &K, value: &T) {
        self.0.set(key, value).await;
    }
}
