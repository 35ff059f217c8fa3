//! cachekit-rs, plain and secure. It has no batch, and takes no unix socket.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cachekit::{
    BackendError, CacheKit, SharedBackend,
    backend::{Backend, HealthStatus, redis::RedisBackend},
};

use super::{Contender, PATIENCE, TTL};
use crate::values::Value;

const MASTER_KEY: [u8; 32] = [0x42; 32];
/// Room for all keys of a comparison.
const ENTRIES: usize = 10_000;

pub struct Kit(CacheKit);

impl Kit {
    /// Over Redis, without its in-process tier.
    pub async fn redis(url: &str, secure: bool) -> Self {
        let backend = RedisBackend::builder().url(url).command_timeout(PATIENCE).build().unwrap();
        let _runs_on = backend.connect().await.unwrap();
        Self::on(Arc::new(backend), secure, false)
    }

    /// Over a map, since it has no store of its own in memory; `l1`: with its in-process tier.
    pub fn memory(secure: bool, l1: bool) -> Self {
        Self::on(Arc::new(Map::default()), secure, l1)
    }

    fn on(backend: SharedBackend, secure: bool, l1: bool) -> Self {
        let mut kit = CacheKit::builder().backend(backend).default_ttl(TTL);
        if secure {
            kit = kit.encryption_from_bytes(&MASTER_KEY, "acme").unwrap();
        }
        let kit = if l1 { kit.l1_capacity(ENTRIES) } else { kit.no_l1() };
        Self(kit.build().unwrap())
    }
}

impl<T: Value> Contender<String, T> for Kit {
    async fn get(&self, key: &String) -> T {
        self.0.get(key).await.unwrap().unwrap()
    }

    async fn set(&self, key: &String, value: &T) {
        self.0.set(key, value).await.unwrap();
    }
}

/// As its own benchmark has it.
#[derive(Default)]
struct Map(Mutex<HashMap<String, Vec<u8>>>);

#[async_trait]
impl Backend for Map {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Option<Duration>) -> Result<(), BackendError> {
        self.0.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.0.lock().unwrap().remove(key).is_some())
    }

    async fn exists(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.0.lock().unwrap().contains_key(key))
    }

    async fn health(&self) -> Result<HealthStatus, BackendError> {
        let backend_type = "map".to_owned();
        Ok(HealthStatus { is_healthy: true, latency_ms: 0.0, backend_type, details: HashMap::new() })
    }
}
