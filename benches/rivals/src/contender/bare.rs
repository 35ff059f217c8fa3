//! No cache client at all: the `redis` client, or a map, and rmp-serde.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use redis::{AsyncConnectionConfig, Client, FromRedisValue, ToRedisArgs, aio::MultiplexedConnection};

use super::{Batches, Contender, PATIENCE, TTL};
use crate::values::Value;

/// The bare client, on one shared connection. Values have named fields, as those of the others.
#[derive(Clone)]
pub struct Bare(MultiplexedConnection);

impl Bare {
    pub async fn connect(url: &str) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = Client::open(url).unwrap();
        Self(client.get_multiplexed_async_connection_with_config(&config).await.unwrap())
    }

    async fn ask<A: FromRedisValue>(&self, command: &str, arguments: impl ToRedisArgs) -> A {
        redis::cmd(command).arg(arguments).query_async(&mut self.0.clone()).await.unwrap()
    }
}

impl<T: Value> Contender<String, T> for Bare {
    async fn get(&self, key: &String) -> T {
        let bytes: Vec<u8> = self.ask("GET", key).await;
        rmp_serde::from_slice(&bytes).unwrap()
    }

    async fn set(&self, key: &String, value: &T) {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(rmp_serde::to_vec_named(value).unwrap()).arg("PX").arg(TTL.as_millis() as u64);
        set.query_async::<()>(&mut self.0.clone()).await.unwrap();
    }
}

impl<T: Value> Batches<String, T> for Bare {
    async fn get_many(&self, keys: &[String]) -> Vec<T> {
        let found: Vec<Vec<u8>> = self.ask("MGET", keys).await;
        found.iter().map(|bytes| rmp_serde::from_slice(bytes).unwrap()).collect()
    }

    async fn set_many(&self, keys: &[String], value: &T) {
        let mut pipe = redis::pipe();
        for key in keys {
            let bytes = rmp_serde::to_vec_named(value).unwrap();
            pipe.cmd("SET").arg(key).arg(bytes).arg("PX").arg(TTL.as_millis() as u64).ignore();
        }
        pipe.query_async::<()>(&mut self.0.clone()).await.unwrap();
    }
}

/// A map behind a lock, of encoded values.
#[derive(Default)]
pub struct BareMemory(Mutex<HashMap<String, Arc<[u8]>>>);

impl<T: Value> Contender<String, T> for BareMemory {
    async fn get(&self, key: &String) -> T {
        let bytes = self.0.lock().unwrap()[key].clone();
        rmp_serde::from_slice(&bytes).unwrap()
    }

    async fn set(&self, key: &String, value: &T) {
        let bytes = rmp_serde::to_vec_named(value).unwrap();
        self.0.lock().unwrap().insert(key.clone(), bytes.into());
    }
}
