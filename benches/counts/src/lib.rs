//! The hot paths, each a closure that runs one call: for `main.rs`, which valgrind counts the instructions of, and for
//! `tests/allocations.rs`.
#![allow(clippy::unwrap_used, clippy::panic)] // a benchmark

use std::{convert::Infallible, future::Future, hint::black_box, pin::pin, sync::Arc, task, time::Duration};

use blindcache::{
    Backend, BackendError, Cache, EncryptedBackend, Key, Keyring, L1, MasterKey, MemoryBackend, Sealed,
    StoreKey, TenantKeys,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const DAY: Duration = Duration::from_secs(86_400);
const BATCH: u64 = 100;

/// One call of a hot path.
pub type Path = Box<dyn Fn()>;

/// A path by its name, before it is set up.
pub type Named = (&'static str, fn() -> Path);

/// About 350 bytes as MessagePack.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    id: u64,
    name: String,
    email: String,
    roles: Vec<String>,
    address: Address,
    balance: f64,
    active: bool,
    note: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Address {
    street: String,
    city: String,
    zip: String,
    country: String,
}

/// A store that holds nothing.
struct Empty;

impl Backend for Empty {
    async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(None)
    }

    async fn set(&self, _: &StoreKey, _: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn delete(&self, _: &StoreKey) -> Result<bool, BackendError> {
        Ok(false)
    }

    async fn exists(&self, _: &StoreKey) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// Every path by its name.
pub fn paths() -> Vec<Named> {
    vec![
        ("key str", || keys("user:42")),
        ("key tuple", || keys(("user", 42_u64))),
        ("get, absent", || {
            let store = EncryptedBackend::new(Empty, tenant());
            Box::new(move || drop(black_box(now(store.get::<String>("user:42")).unwrap())))
        }),
        ("get 64 B", || get(text(64))),
        ("get profile", || get(profile())),
        ("get 16 KiB", || get(text(16 << 10))),
        ("set 64 B", || set(text(64))),
        ("set profile", || set(profile())),
        ("set 16 KiB", || set(text(16 << 10))),
        ("get_bytes 16 KiB", || {
            let (store, value) = (store(), vec![7; 16 << 10]);
            now(store.set_bytes("user:42", &value, DAY)).unwrap();
            Box::new(move || drop(black_box(now(store.get_bytes("user:42")).unwrap().unwrap())))
        }),
        ("set_bytes 16 KiB", || {
            let (store, value) = (store(), vec![7; 16 << 10]);
            Box::new(move || now(store.set_bytes("user:42", &value, DAY)).unwrap())
        }),
        ("get_many 100 profiles", || {
            let (store, value) = (store(), profile());
            now(store.set_many((0..BATCH).map(|key| (key, &value)), DAY)).unwrap();
            Box::new(move || drop(black_box(now(store.get_many::<Profile>(0..BATCH)).unwrap())))
        }),
        ("set_many 100 profiles", || {
            let (store, value) = (store(), profile());
            Box::new(move || now(store.set_many((0..BATCH).map(|key| (key, &value)), DAY)).unwrap())
        }),
        ("Cache::get, in memory", || cached(Cache::in_memory(), "user:42")),
        ("Cache::get, in memory, u64", || cached(Cache::in_memory(), 42_u64)),
        ("Cache::get, L1", || cached(Cache::builder(store()).l1_ttl(DAY), "user:42")),
        ("Cache::get, L1, tuple", || cached(Cache::builder(store()).l1_ttl(DAY), ("user", 42_u64))),
        ("Cache::get, sealed L1", || {
            cached(Cache::builder(store()).l1_ttl(DAY).l1_mode(L1::Sealed), "user:42")
        }),
        ("Cache::get_or_compute, L1", || {
            let cache = cache(Cache::builder(store()).l1_ttl(DAY));
            now(cache.set("user:42", Arc::new(text(64)))).unwrap();
            compute(cache)
        }),
        ("Cache::get, store", || cached(Cache::builder(store()).l1(0), "user:42")),
        ("Cache::get, store, 16 tags", || {
            let cache = cache(Cache::builder(store()).l1(0));
            let tags = (0..16).map(|tag| format!("tag {tag}"));
            now(cache.entry("user:42").tags(tags).set(Arc::new(text(64)))).unwrap();
            Box::new(move || drop(black_box(now(cache.get::<Arc<String>>("user:42")).unwrap().unwrap())))
        }),
        ("Cache::get, absent", || {
            let cache = cache(Cache::builder(store()));
            Box::new(move || assert!(now(cache.get::<Arc<String>>("user:42")).unwrap().is_none()))
        }),
        ("Cache::get_or_compute, store", || {
            let cache = cache(Cache::builder(store()).l1(0));
            now(cache.set("user:42", Arc::new(text(64)))).unwrap();
            compute(cache)
        }),
        ("Cache::get_or_compute, miss", || {
            compute(cache(Cache::builder(EncryptedBackend::new(Empty, tenant())).l1(0)))
        }),
        ("Cache::set", || {
            let (cache, value) = (cache(Cache::builder(store())), Arc::new(text(64)));
            Box::new(move || now(cache.set("user:42", value.clone())).unwrap())
        }),
        ("Cache::set, in memory", || {
            let (cache, value) = (cache(Cache::in_memory()), Arc::new(text(64)));
            Box::new(move || now(cache.set("user:42", value.clone())).unwrap())
        }),
    ]
}

fn keys(key: impl Key + 'static) -> Path {
    Box::new(move || drop(black_box(black_box(&key).to_cache_key().unwrap())))
}

fn get<T: Serialize + DeserializeOwned + 'static>(value: T) -> Path {
    let store = store();
    now(store.set("user:42", &value, DAY)).unwrap();
    Box::new(move || drop(black_box(now(store.get::<T>("user:42")).unwrap().unwrap())))
}

fn set<T: Serialize + 'static>(value: T) -> Path {
    let store = store();
    Box::new(move || now(store.set("user:42", &value, DAY)).unwrap())
}

fn cached(builder: blindcache::Builder, key: impl Key + Copy + 'static) -> Path {
    let cache = cache(builder);
    now(cache.set(key, Arc::new(text(64)))).unwrap();
    Box::new(move || drop(black_box(now(cache.get::<Arc<String>>(key)).unwrap().unwrap())))
}

/// The value if there is one, else one of 64 bytes that was there before.
fn compute(cache: Cache) -> Path {
    let value = Arc::new(text(64));
    Box::new(move || {
        let value = || async { Ok::<_, Infallible>(value.clone()) };
        drop(black_box(now(cache.get_or_compute("user:42", value)).unwrap()));
    })
}

fn cache(builder: blindcache::Builder) -> Cache {
    builder.ttl(DAY).marker_ttl(DAY).build().unwrap()
}

/// One tenant in memory.
pub fn store() -> EncryptedBackend<MemoryBackend> {
    EncryptedBackend::new(MemoryBackend::new(), tenant())
}

fn tenant() -> TenantKeys {
    Keyring::new(MasterKey::generate().unwrap()).unwrap().tenant("acme").unwrap()
}

/// A text of so many bytes.
pub fn text(length: usize) -> String {
    "x".repeat(length)
}

/// Somebody.
pub fn profile() -> Profile {
    let text = |text: &str| text.to_owned();
    Profile {
        id: 9_223_372_036_854_775_000,
        name: text("Augusta Ada King, Countess of Lovelace"),
        email: text("ada.lovelace@analytical-engine.example"),
        roles: vec![text("mathematician"), text("writer"), text("administrator")],
        address: Address {
            street: text("12 St James's Square, second floor"),
            city: text("London"),
            zip: text("SW1Y 4JH"),
            country: text("United Kingdom"),
        },
        balance: 1815.1210,
        active: true,
        note: Some(text("She wrote what is held to be the first program for a machine.")),
    }
}

/// The runtime that a path is to run in.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Polls a future that never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(value) => value,
        task::Poll::Pending => panic!("it waits for nothing"),
    }
}
