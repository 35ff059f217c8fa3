//! How cost grows with what there is more of. The ratio is to the first row of a kind, or to the bare client beside it.

use std::{hint::black_box, sync::Arc, time::Duration};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend};
use serde_bytes::ByteBuf;
use tokio::runtime::Runtime;

use crate::{
    Ground,
    compare::{BARE, BLIND, MAP, TCP},
    contender::{Bare, BareMemory, Blind, Contender, Hits, Quick, TTL, keyring},
    measure::{Case, Effort, Labels, Record},
    pair::{Mode, Pair},
    values,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Values of the growing stores: about as large as a user's profile.
const SMALL: usize = 256;

/// Everything; `quick`: less of each.
pub fn all(ground: &Ground, quick: bool, effort: Effort, records: &mut Vec<Record>) {
    value_size(ground, quick, effort, records);
    key_size(ground, effort, records);
    accepted_keys(ground, effort, records);
    tags(ground, effort, records);
    tenants(ground, quick, effort, records);
    tasks(ground, quick, effort, records);
    l1(ground, quick, effort, records);
    threads(ground, effort, records);
}

fn labels(what: &str, op: &str, value: impl ToString) -> Labels {
    Labels::new("growth", what, op, &value.to_string())
}

fn value_size(ground: &Ground, quick: bool, effort: Effort, records: &mut Vec<Record>) {
    let keys: Arc<[String]> = (0..4).map(|at| format!("user:{at}")).collect();
    let sizes = [("64 B", 64), ("1 KiB", 1 << 10), ("16 KiB", 16 << 10), ("256 KiB", 256 << 10)];
    let large = [("4 MiB", 4 << 20), ("32 MiB", 32 << 20)];
    for (name, size) in sizes.into_iter().chain(large.into_iter().filter(|_| !quick)) {
        let mut pair = Pair::new(ground.serial, &keys, values::raw(size), "growth", "value size", name);
        pair.add(Mode::Serial, MAP, &Arc::new(BareMemory::default()));
        pair.add(Mode::Serial, BLIND, &Arc::new(Blind::memory()));
        pair.run(effort, records);
    }
}

/// A get over memory of each of these handles, in turn, for each row; what is asked for is there.
fn gets(
    ground: &Ground,
    what: &str,
    rows: impl IntoIterator<Item = (String, Vec<(EncryptedBackend<MemoryBackend>, String)>)>,
    effort: Effort,
    records: &mut Vec<Record>,
) {
    let mut case = Case::default();
    for (value, places) in rows {
        let runtime = ground.serial;
        for (store, key) in &places {
            runtime.block_on(store.set(key, &values::raw(SMALL), TTL)).unwrap();
        }
        let mut next = 0;
        case.add(&labels(what, "get", value), BLIND, move |calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    let (store, key) = &places[next];
                    next = (next + 1) % places.len();
                    black_box(store.get::<ByteBuf>(key).await.unwrap().unwrap());
                }
            });
            calls
        });
    }
    case.run(effort, records);
}

fn key_size(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    let sizes = [("8 B", 8), ("64 B", 64), ("512 B", 512), ("4 KiB", 4 << 10), ("32 KiB", 32 << 10)];
    let rows = sizes.map(|(name, size)| (name.to_owned(), vec![(Blind::memory().0, "k".repeat(size))]));
    gets(ground, "key size", rows, effort, records);
}

/// The entry was sealed by the key that is accepted last.
fn accepted_keys(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    let rows = [0, 1, 3, 7].map(|accepted: u8| {
        let secret = |number: u8| std::array::from_fn::<u8, 32, _>(|at| (at as u8 * 7) ^ number);
        let master = |number| MasterKey::from_bytes(&secret(number)).unwrap();
        let store = MemoryBackend::new();
        let on = |keyring: Keyring| EncryptedBackend::new(store.clone(), keyring.tenant("acme").unwrap());
        let others = (1..=accepted).map(master);
        let reader = on(Keyring::with_accepted(master(0), others, master(0)).unwrap());
        let writer = on(Keyring::with_accepted(master(accepted), [], master(0)).unwrap());
        (accepted, reader, writer)
    });
    let mut case = Case::default();
    for (accepted, reader, writer) in rows {
        let runtime = ground.serial;
        runtime.block_on(writer.set("user", &values::raw(SMALL), TTL)).unwrap();
        case.add(&labels("accepted keys", "get", accepted), BLIND, move |calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    black_box(reader.get::<ByteBuf>("user").await.unwrap().unwrap());
                }
            });
            calls
        });
    }
    case.run(effort, records);
}

/// Where the tags come with the value from the store, and where memory has the value.
fn tags(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    for (op, entries) in [("get, store", 0), ("get, L1", 100)] {
        let mut case = Case::default();
        for count in [0, 1, 4, 16, 64] {
            let cache = Cache::builder(Blind::memory().0).l1(entries).ttl(DAY).l1_ttl(DAY).marker_ttl(DAY);
            let (cache, runtime) = (cache.build().unwrap(), ground.serial);
            let tags: Vec<String> = (0..count).map(|at| format!("group:{at}")).collect();
            runtime.block_on(cache.entry("user").tags(&tags).set(values::raw(SMALL))).unwrap();
            case.add(&labels("tags", op, count), BLIND, move |calls| {
                runtime.block_on(async {
                    for _ in 0..calls {
                        black_box(cache.get::<ByteBuf>("user").await.unwrap().unwrap());
                    }
                });
                calls
            });
        }
        case.run(effort, records);
    }
}

/// Each tenant has a handle and an entry; they are asked in turn.
fn tenants(ground: &Ground, quick: bool, effort: Effort, records: &mut Vec<Record>) {
    let counts: &[usize] = if quick { &[1, 100] } else { &[1, 100, 10_000, 100_000] };
    let rows = counts.iter().map(|count| {
        let (keys, first) = (keyring(), Blind::memory().0);
        let tenant =
            |at| (first.for_tenant(keys.tenant(&format!("tenant {at}")).unwrap()), "user".to_owned());
        (count.to_string(), (0..*count).map(tenant).collect())
    });
    gets(ground, "tenants", rows, effort, records);
    let mut case = Case::default();
    for count in counts {
        let (keys, mut next) = (keyring(), 0);
        let mut derived: Vec<_> = (0..*count).map(|at| keys.tenant(&at.to_string()).unwrap()).collect();
        case.add(&labels("tenants", "derive the keys", count), BLIND, move |calls| {
            for _ in 0..calls {
                next = (next + 1) % derived.len();
                derived[next] = keys.tenant("another").unwrap();
            }
            calls
        });
    }
    case.run(effort, records);
}

/// As many tasks as there are, over Redis.
fn tasks(ground: &Ground, quick: bool, effort: Effort, records: &mut Vec<Record>) {
    let url = ground.server.url();
    let keys: Arc<[String]> = (0..100).map(|at| format!("user:{at}")).collect();
    let bare = Arc::new(ground.tasks.block_on(Bare::connect(&url)));
    let blind = Arc::new(ground.tasks.block_on(async { Blind::redis(&url) }));
    for count in [1, 16, 256, 1024, 4096].into_iter().filter(|count| !quick || *count < 1000) {
        let (value, name) = (values::raw(1 << 10), count.to_string());
        let mut pair =
            Pair::new(ground.tasks, &keys, value, "growth", &format!("tasks, 1 KiB over {TCP}"), &name);
        pair.add(Mode::Tasks(count), BARE, &bare);
        pair.add(Mode::Tasks(count), BLIND, &blind);
        pair.run(effort, records);
    }
}

/// Hits in ever larger caches of this process, at random keys.
fn l1(ground: &Ground, quick: bool, effort: Effort, records: &mut Vec<Record>) {
    let sizes: &[u64] =
        if quick { &[10, 1000, 100_000] } else { &[10, 1000, 100_000, 1_000_000, 10_000_000] };
    let (mut case, mut random, runtime) = (Case::default(), fastrand::Rng::with_seed(7), ground.serial);
    for (row, entries) in sizes.iter().enumerate() {
        let keys: Arc<[u64]> = (0..1 << 16).map(|_| random.u64(0..*entries)).collect();
        for kind in Kind::ALL {
            let (filled, keys, mut next) = (kind.fill(runtime, *entries), keys.clone(), 0);
            case.add_beside(2 * row, &labels("L1 entries", "get", entries), kind.name(), move |calls| {
                runtime.block_on(async {
                    for _ in 0..calls {
                        next = (next + 1) % keys.len();
                        filled.get(&keys[next]).await;
                    }
                });
                calls
            });
        }
    }
    case.run(effort, records);
}

/// Hits at random keys from several threads at once: half the time by two would be perfect.
fn threads(ground: &Ground, effort: Effort, records: &mut Vec<Record>) {
    const ENTRIES: u64 = 1_000;
    /// Of each thread in a turn, beside which its start is nothing.
    const CALLS: usize = 100_000;
    let (mut case, mut random) = (Case::default(), fastrand::Rng::with_seed(7));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (row, threads) in [1, 2, 4, 8].into_iter().filter(|threads| *threads <= cores).enumerate() {
        for kind in Kind::ALL {
            let keys: Vec<Vec<u64>> =
                (0..threads).map(|_| (0..1 << 12).map(|_| random.u64(0..ENTRIES)).collect()).collect();
            let filled = kind.fill(ground.serial, ENTRIES);
            case.add_beside(2 * row, &labels("threads, L1", "get", threads), kind.name(), move |_| {
                std::thread::scope(|scope| {
                    for keys in &keys {
                        scope.spawn(|| filled.get_each(keys.iter().cycle().take(CALLS)));
                    }
                });
                CALLS * threads
            });
        }
    }
    case.run(effort, records);
}

/// A cache of this process, of numbers.
pub enum Filled {
    Quick(Quick<u64, u64>),
    Blind(Hits),
}

/// Which one.
#[derive(Clone, Copy)]
pub enum Kind {
    Quick,
    Blind,
}

impl Filled {
    async fn get(&self, key: &u64) {
        let value: u64 = match self {
            Self::Quick(cache) => cache.get(key).await,
            Self::Blind(cache) => cache.get(key).await,
        };
        black_box(value);
    }

    /// By a thread of its own.
    fn get_each<'a>(&self, keys: impl Iterator<Item = &'a u64>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for key in keys {
                self.get(key).await;
            }
        });
    }

    async fn set(&self, key: &u64) {
        match self {
            Self::Quick(cache) => cache.set(key, key).await,
            Self::Blind(cache) => cache.set(key, key).await,
        }
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Quick, Self::Blind];

    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick_cache",
            Self::Blind => "blindcache, no store",
        }
    }

    /// With so many entries, and room for more: no part of it is full before.
    pub fn fill(self, runtime: &Runtime, entries: u64) -> Filled {
        let room = (entries as usize * 2).max(10_000);
        let filled = match self {
            Self::Quick => Filled::Quick(Quick::new(room)),
            Self::Blind => Filled::Blind(Hits::alone(room)),
        };
        runtime.block_on(async {
            for key in 0..entries {
                filled.set(&key).await;
            }
        });
        filled
    }
}
