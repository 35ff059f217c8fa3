//! Whole calls on one connection, one beside the other.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use blindcache::{Backend, EncryptedBackend, Keyring, MasterKey, RedisBackend, Sealed, StoreKey};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use serde_bytes::ByteBuf;

use crate::{Row, median, values};

const KEY: &str = "user:42";
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long either waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One value under one name, for three ways to get at it.
pub struct Whole {
    bare: MultiplexedConnection,
    store: RedisBackend,
    acme: EncryptedBackend<RedisBackend>,
    value: ByteBuf,
    name: StoreKey,
    entry: Sealed,
}

/// Who asks, each way in more layers than the one before.
#[derive(Clone, Copy)]
enum Way {
    /// The client of the crate `redis`, for the bytes of the entry.
    Bare,
    /// The same by `RedisBackend`.
    Store,
    /// The value by `EncryptedBackend`.
    Acme,
}

/// Called so often before the clock counts.
const WARM_UP: usize = 20;

impl Whole {
    /// For a value of so many bytes.
    pub async fn new(url: &str, length: usize) -> Self {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let client = Client::open(url).unwrap();
        let bare = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let store = RedisBackend::builder(url).response_timeout(PATIENCE).build().unwrap();
        let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
        let acme = EncryptedBackend::new(store.clone(), keys.tenant("acme").unwrap());
        let value = values::raw(length);
        redis::cmd("FLUSHALL").query_async::<()>(&mut bare.clone()).await.unwrap();
        acme.set(KEY, &value, TTL).await.unwrap();
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut bare.clone()).await.unwrap();
        let name = StoreKey::parse(&names[0]).unwrap();
        let entry = Sealed::parse(store.get(&name).await.unwrap().unwrap()).unwrap();
        Self { bare, store, acme, value, name, entry }
    }

    pub async fn rows(self, rounds: usize) -> Vec<Row> {
        let gets = self.differences(rounds, async |way| self.get(way).await).await;
        let sets = self.differences(rounds, async |way| self.set(way).await).await;
        let row = |name, cold| Row { name, cold: Some(cold), warm: None };
        vec![
            row("get, bare redis", gets[0]),
            row("get, RedisBackend", gets[1]),
            row("get, EncryptedBackend", gets[2]),
            row("set, bare redis", sets[0]),
            row("set, RedisBackend", sets[1]),
            row("set, EncryptedBackend", sets[2]),
        ]
    }

    /// What the bare client takes, and what each of the others takes more than the one before it.
    async fn differences(&self, rounds: usize, call: impl AsyncFn(Way)) -> [f64; 3] {
        const WAYS: [Way; 3] = [Way::Bare, Way::Store, Way::Acme];
        let mut samples = [const { Vec::new() }; 3];
        for round in 0..WARM_UP + rounds {
            let mut took = [0.0; 3];
            for turn in 0..WAYS.len() {
                // Forwards and backwards: each leaves the caches of the processor to the next in its own state.
                let turn = if round % 2 == 0 { turn } else { WAYS.len() - 1 - turn };
                let at = (round / 2 + turn) % WAYS.len();
                let start = Instant::now();
                call(WAYS[at]).await;
                took[at] = start.elapsed().as_nanos() as f64;
            }
            if round >= WARM_UP {
                let more = [took[0], took[1] - took[0], took[2] - took[1]];
                samples.iter_mut().zip(more).for_each(|(samples, more)| samples.push(more));
            }
        }
        samples.map(median)
    }

    async fn get(&self, way: Way) {
        match way {
            Way::Bare => {
                let mut get = redis::cmd("GET");
                let entry: Vec<u8> =
                    get.arg(self.name.as_str()).query_async(&mut self.bare.clone()).await.unwrap();
                black_box(entry);
            }
            Way::Store => drop(black_box(self.store.get(&self.name).await.unwrap())),
            Way::Acme => drop(black_box(self.acme.get::<ByteBuf>(KEY).await.unwrap().unwrap())),
        }
    }

    async fn set(&self, way: Way) {
        match way {
            Way::Bare => {
                let mut set = redis::cmd("SET");
                set.arg(self.name.as_str()).arg(self.entry.as_bytes()).arg("PX").arg(TTL.as_millis() as u64);
                set.query_async::<()>(&mut self.bare.clone()).await.unwrap();
            }
            Way::Store => self.store.set(&self.name, self.entry.clone(), Some(TTL)).await.unwrap(),
            Way::Acme => self.acme.set(KEY, &self.value, TTL).await.unwrap(),
        }
    }
}
