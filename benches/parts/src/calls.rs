//! Calls on one server, by ways with more or less around the bare client.

use std::{
    hint::{black_box, spin_loop},
    time::{Duration, Instant},
};

use blindcache::{
    Backend, EncryptedBackend, Key as _, Keyring, MasterKey, RedisBackend, Sealed, StoreKey,
    testing::bench::{Cipher, Steps},
};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, aio::MultiplexedConnection};
use serde_bytes::ByteBuf;

use crate::{format::Format, values};

pub const NAMESPACE: &str = "users";
pub const KEY: &str = "user:42";
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long either waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a busy caller computes before it asks, and after the answer.
const BUSY: [Duration; 2] = [Duration::from_micros(1), Duration::from_micros(2)];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The client of the crate `redis`, for the plain value.
    Plain,
    /// The same, and it computes for 3 µs in registers: no cache of the processor changes by that.
    Busy,
    /// The client of the crate `redis`, for the bytes of the entry.
    Entry,
    /// The same, with the format's bare cryptography around it.
    Format,
    /// The same, with the steps from the value to the entry or back written out around it.
    ByHand,
    /// The bytes of the entry by `RedisBackend`.
    Store,
    /// The value by `EncryptedBackend`.
    Acme,
}

/// One value, in plain and in an entry.
pub struct Calls {
    bare: MultiplexedConnection,
    store: RedisBackend,
    acme: EncryptedBackend<RedisBackend>,
    steps: Steps,
    format: Format,
    /// Of an entry by `format`.
    other: StoreKey,
    value: ByteBuf,
    name: StoreKey,
    entry: Sealed,
}

impl Calls {
    /// For a value of so many bytes.
    pub async fn new(url: &str, length: usize) -> Self {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let client = Client::open(url).unwrap();
        let bare = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let store = RedisBackend::builder(url).response_timeout(PATIENCE).build().unwrap();
        let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
        let acme = EncryptedBackend::new(store.clone(), keys.tenant("acme").unwrap());
        let acme = acme.namespace(NAMESPACE).unwrap();
        let (steps, value) = (Steps::new(NAMESPACE).unwrap(), values::raw(length));
        let name = steps.blind(KEY.to_cache_key().unwrap().as_bytes());
        let entry = steps.seal(Cipher::AwsLc, &rmp_serde::to_vec_named(&value).unwrap()).unwrap();
        let (format, other) = (Format::new(&steps, length), steps.blind(b"other"));
        let calls = Self { bare, store, acme, steps, format, other, value, name, entry };
        for way in [Way::Plain, Way::Entry, Way::Format, Way::Acme] {
            calls.set(way).await;
        }
        calls
    }

    pub async fn get(&self, way: Way) {
        match way {
            Way::Plain => {
                let bytes: Vec<u8> = self.ask(redis::cmd("GET").arg(KEY)).await;
                black_box(rmp_serde::from_slice::<ByteBuf>(&bytes).unwrap());
            }
            Way::Busy => {
                compute(BUSY[0]);
                Box::pin(self.get(Way::Plain)).await;
                compute(BUSY[1]);
            }
            Way::Entry => drop(black_box(self.entry(&self.name).await)),
            Way::Format => {
                black_box(self.format.blind());
                let entry = self.entry(&self.other).await;
                black_box(self.format.expand());
                black_box(self.format.decode(&self.format.open(entry)));
            }
            Way::ByHand => {
                let name = self.steps.blind(KEY.to_cache_key().unwrap().as_bytes());
                let entry = self.entry(&name).await;
                let opened = self.steps.open(Cipher::AwsLc, entry.into()).unwrap();
                black_box(self.steps.decode::<ByteBuf>(opened.payload()).unwrap());
            }
            Way::Store => drop(black_box(self.store.get(&self.name).await.unwrap())),
            Way::Acme => drop(black_box(self.acme.get::<ByteBuf>(KEY).await.unwrap().unwrap())),
        }
    }

    pub async fn set(&self, way: Way) {
        match way {
            Way::Plain => {
                let bytes = rmp_serde::to_vec_named(&self.value).unwrap();
                self.put(KEY, &bytes).await;
            }
            Way::Busy => {
                compute(BUSY[0] + BUSY[1]);
                Box::pin(self.set(Way::Plain)).await;
            }
            Way::Entry => self.put(self.name.as_str(), self.entry.as_bytes()).await,
            Way::Format => {
                black_box(self.format.blind());
                let draft = self.format.draft(&rmp_serde::to_vec_named(&self.value).unwrap());
                black_box((self.format.random(), self.format.expand()));
                self.put(self.other.as_str(), &self.format.seal(draft)).await;
            }
            Way::ByHand => {
                let name = self.steps.blind(KEY.to_cache_key().unwrap().as_bytes());
                let encoded = self.steps.encode(&self.value).unwrap();
                let entry = self.steps.seal_in_place(Cipher::AwsLc, encoded).unwrap();
                self.put(name.as_str(), entry.as_bytes()).await;
            }
            Way::Store => self.store.set(&self.name, self.entry.clone(), Some(TTL)).await.unwrap(),
            Way::Acme => self.acme.set(KEY, &self.value, TTL).await.unwrap(),
        }
    }

    async fn entry(&self, name: &StoreKey) -> Vec<u8> {
        self.ask(redis::cmd("GET").arg(name.as_str())).await
    }

    async fn put(&self, name: &str, bytes: &[u8]) {
        self.ask(redis::cmd("SET").arg(name).arg(bytes).arg("PX").arg(TTL.as_millis() as u64)).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.bare.clone()).await.unwrap()
    }
}

fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}
