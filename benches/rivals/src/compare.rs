//! The same work through blindcache and the others.

use std::sync::Arc;

use blindcache::{L1, RedisBackend};
use tokio::runtime::Runtime;

use crate::{
    Ground,
    contender::{Bare, BareMemory, Blind, Computing, Hits, Kit, Moka, Quick, Sharded},
    measure::{Effort, Record},
    pair::{BATCH, Mode, Pair},
    values::{self, PROFILE, Profile, Value, Visit},
};

/// How many tasks ask at once.
const TASKS: usize = 64;
/// Room in the caches of this process: none of them drops anything.
const ROOM: usize = 10_000;
/// How the contenders are called in the results.
pub const BARE: &str = "bare redis";
pub const MAP: &str = "map + rmp-serde";
pub const BLIND: &str = "blindcache";
pub const PLAIN: &str = "cachekit-rs plain";
pub const SECURE: &str = "cachekit-rs secure";
pub const TCP: &str = "TCP";
pub const UNIX: &str = "unix socket";

/// As many keys as a batch has.
fn keys() -> Arc<[String]> {
    (0..BATCH).map(|at| format!("user:{at}")).collect()
}

/// Through Redis, over both ways, one by one, in tasks and in batches.
pub fn redis(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    let stores = |runtime| [Stores::connect(ground, runtime, TCP), Stores::connect(ground, runtime, UNIX)];
    let (serial, tasks) = (stores(ground.serial), stores(ground.tasks));
    values::each(&mut Redis { serial, tasks, effort, records });
}

struct Redis<'a> {
    serial: [Stores; 2],
    tasks: [Stores; 2],
    effort: Effort,
    records: &'a mut Vec<Record>,
}

impl Visit for Redis<'_> {
    fn visit<T: Value>(&mut self, name: &'static str, value: T) {
        for stores in &self.serial {
            // A wait for the server varies by more than what is to be seen, so more rounds.
            let effort = Effort { time: 3 * self.effort.time, ..self.effort };
            stores.pair("serial", Mode::Serial, name, &value).run(effort, self.records);
            stores.batches(name, &value).run(self.effort, self.records);
        }
        for stores in &self.tasks {
            stores.pair("64 tasks", Mode::Tasks(TASKS), name, &value).run(self.effort, self.records);
        }
    }
}

/// Those who are connected over one way, within one runtime.
struct Stores {
    runtime: &'static Runtime,
    way: &'static str,
    bare: Arc<Bare>,
    blind: Arc<Blind<RedisBackend>>,
    kits: Vec<(&'static str, Arc<Kit>)>,
}

impl Stores {
    fn connect(ground: &Ground, runtime: &'static Runtime, way: &'static str) -> Self {
        let url = if way == TCP { ground.server.url() } else { ground.server.unix_url() };
        runtime.block_on(async {
            // cachekit-rs stores under the keys as they are, so it has databases of its own.
            let kits = if way == TCP {
                let plain = Arc::new(Kit::redis(&format!("{url}/1"), false).await);
                let secure = Arc::new(Kit::redis(&format!("{url}/2"), true).await);
                vec![(PLAIN, plain), (SECURE, secure)]
            } else {
                Vec::new()
            };
            let (bare, blind) = (Arc::new(Bare::connect(&url).await), Arc::new(Blind::redis(&url)));
            Self { runtime, way, bare, blind, kits }
        })
    }

    fn pair<T: Value>(&self, part: &str, mode: Mode, name: &str, value: &T) -> Pair<String, T> {
        let mut pair = Pair::new(self.runtime, &keys(), value.clone(), part, self.way, name);
        pair.add(mode, BARE, &self.bare);
        pair.add(mode, BLIND, &self.blind);
        self.kits.iter().for_each(|(who, kit)| pair.add(mode, who, kit));
        pair
    }

    fn batches<T: Value>(&self, name: &str, value: &T) -> Pair<String, T> {
        let mut pair = Pair::new(self.runtime, &keys(), value.clone(), "batches of 100", self.way, name);
        pair.add_batches(BARE, &self.bare);
        pair.add_batches(BLIND, &self.blind);
        pair
    }
}

/// Over a store in this process's memory, where there is nothing but encoding and encrypting.
pub fn memory(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    values::each(&mut Memory { ground, effort, records });
}

struct Memory<'a> {
    ground: &'a Ground,
    effort: Effort,
    records: &'a mut Vec<Record>,
}

impl Visit for Memory<'_> {
    fn visit<T: Value>(&mut self, name: &'static str, value: T) {
        let mut pair = Pair::new(self.ground.serial, &keys(), value, "store in memory", "memory", name);
        pair.add(Mode::Serial, MAP, &Arc::new(BareMemory::default()));
        pair.add(Mode::Serial, BLIND, &Arc::new(Blind::memory()));
        pair.add(Mode::Serial, PLAIN, &Arc::new(Kit::memory(false, false)));
        pair.add(Mode::Serial, SECURE, &Arc::new(Kit::memory(true, false)));
        pair.run(self.effort, self.records);
    }
}

/// The caches of this process: what a hit costs, values behind an `Arc`.
pub fn in_process(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    let value = Arc::new(Profile::ada());
    let part = "in process";

    let numbers: Arc<[u64]> = (0..1000).collect();
    let mut pair = Pair::new(ground.serial, &numbers, value.clone(), part, "u64 keys", PROFILE);
    pair.add(Mode::Serial, "quick_cache", &Arc::new(Quick::new(ROOM)));
    pair.add(Mode::Serial, "moka", &Arc::new(Moka::new(ROOM)));
    pair.add(Mode::Serial, "cached (sharded LRU)", &Arc::new(Sharded::new(ROOM)));
    pair.add(Mode::Serial, "blindcache, no store", &Arc::new(Hits::alone(ROOM)));
    pair.add(Mode::Serial, "blindcache, L1", &Arc::new(Hits::tiered(L1::Values)));
    pair.add(Mode::Serial, "blindcache, L1, get_or_compute", &Arc::new(Computing(Hits::tiered(L1::Values))));
    pair.run(effort, records);

    let texts: Arc<[String]> = (0..1000).map(|at| format!("user:{at}")).collect();
    let mut pair = Pair::new(ground.serial, &texts, value, part, "text keys", PROFILE);
    pair.add(Mode::Serial, "quick_cache", &Arc::new(Quick::new(ROOM)));
    pair.add(Mode::Serial, "moka", &Arc::new(Moka::new(ROOM)));
    pair.add(Mode::Serial, "cached (sharded LRU)", &Arc::new(Sharded::new(ROOM)));
    pair.add(Mode::Serial, "blindcache, L1", &Arc::new(Hits::tiered(L1::Values)));
    pair.add(Mode::Serial, "blindcache, L1 sealed", &Arc::new(Hits::tiered(L1::Sealed)));
    pair.add(Mode::Serial, "cachekit-rs plain, L1", &Arc::new(Kit::memory(false, true)));
    pair.add(Mode::Serial, "cachekit-rs secure, L1", &Arc::new(Kit::memory(true, true)));
    pair.run(effort, records);
}
