//! What goes over the wire, in bytes: the names and entries that reach a `Backend`, for values of known sizes.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)] // a test

#[path = "../benches/common/values.rs"]
mod values;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{
    Backend, BackendError, Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, Padding, Sealed,
    StoreKey, Write,
};
use bytes::Bytes;
use values::{Profile, Value, Visit};

/// A store that notes what reaches it: for each call its name, the bytes of all names, the bytes of all entries.
#[derive(Clone, Default)]
struct Counting {
    store: MemoryBackend,
    calls: Arc<Mutex<Vec<Call>>>,
}

type Call = (&'static str, usize, usize);

impl Counting {
    fn note(&self, call: &'static str, names: usize, entries: usize) {
        self.calls.lock().unwrap().push((call, names, entries));
    }

    /// What has reached it since the last time.
    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

fn lengths(keys: &[StoreKey]) -> usize {
    keys.iter().map(|key| key.as_str().len()).sum()
}

impl Backend for Counting {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.note("get", key.as_str().len(), 0);
        self.store.get(key).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.note("set", key.as_str().len(), entry.len());
        self.store.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.note("delete", key.as_str().len(), 0);
        self.store.delete(key).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.note("exists", key.as_str().len(), 0);
        self.store.exists(key).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.note("get_many", lengths(keys), 0);
        self.store.get_many(keys).await
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let names = writes.iter().map(|(key, ..)| key.as_str().len()).sum();
        let entries = writes.iter().map(|(_, entry, _)| entry.len()).sum();
        self.note("set_many", names, entries);
        self.store.set_many(writes).await
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        self.note("delete_many", lengths(keys), 0);
        self.store.delete_many(keys).await
    }
}

fn acme() -> (EncryptedBackend<Counting>, Counting) {
    let store = Counting::default();
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    (EncryptedBackend::new(store.clone(), keys.tenant("acme").unwrap()), store)
}

/// The bytes of each value as an entry, and of its MessagePack.
struct Entries(Vec<(&'static str, usize, usize)>);

impl Visit for Entries {
    fn visit<T: Value>(&mut self, name: &'static str, value: T) {
        let (acme, store) = acme();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(acme.set(("user", 42), &value, None)).unwrap();
        let calls = store.calls();
        let &[("set", 55, entry)] = &calls[..] else { panic!("{calls:?}") };
        self.0.push((name, rmp_serde::to_vec_named(&value).unwrap().len(), entry));
    }
}

#[test]
fn an_entry_has_the_same_number_of_bytes_each_time() {
    let mut entries = Entries(Vec::new());
    values::each(&mut entries);
    let expected = [
        ("64 B", 66, 184),
        ("1 KiB", 1027, 1168),
        ("16 KiB", 16_387, 17_488),
        ("128 KiB", 131_077, 135_248),
        ("1 MiB", 1_048_581, 1_081_424),
        (values::PROFILE, 342, 464),
        (values::ROWS, 79_893, 82_000),
    ];
    assert_eq!(entries.0, expected);
}

/// 64 bytes of header, 36 of fields and 16 of tag around it, and at most 12 % of padding.
#[test]
fn an_entry_is_as_large_as_its_value_and_what_is_said_of_it() {
    let mut entries = Entries(Vec::new());
    values::each(&mut entries);
    for (name, value, entry) in entries.0 {
        let inner = value + 36;
        assert!((inner..=inner + inner * 12 / 100).contains(&(entry - 64 - 16)), "{name}: {value}, {entry}");
    }
}

#[tokio::test]
async fn nothing_but_names_and_entries_is_sent_and_each_once() {
    let (acme, store) = acme();
    let (value, size) = (Profile::ada(), 464);
    acme.set("k", &value, Duration::from_secs(60)).await.unwrap();
    acme.get::<Profile>("k").await.unwrap().unwrap();
    acme.exists("k").await.unwrap();
    acme.delete("k").await.unwrap();
    assert_eq!(store.calls(), [("set", 55, size), ("get", 55, 0), ("exists", 55, 0), ("delete", 55, 0)]);

    let keys: Vec<u32> = (0..100).collect();
    acme.set_many(keys.iter().map(|key| (key, &value)), None).await.unwrap();
    acme.get_many::<Profile>(&keys).await.unwrap();
    acme.delete_many(&keys).await.unwrap();
    assert_eq!(
        store.calls(),
        [("set_many", 5500, 100 * size), ("get_many", 5500, 0), ("delete_many", 5500, 0)]
    );

    let acme = acme.prefix("tenants:").unwrap();
    acme.get::<Profile>("k").await.unwrap();
    assert_eq!(store.calls(), [("get", 63, 0)]);
}

/// Tags stand in the entry, with a byte for the length of each. A reader asks for the marker of the whole
/// namespace with the entry, and then for those of its tags, by names like any other.
#[tokio::test]
async fn tags_lengthen_the_entry_and_their_markers_are_names() {
    let (acme, store) = acme();
    let acme = acme.padding(Padding::None).unwrap();
    let writer = Cache::builder(acme.clone()).build().unwrap();
    writer.entry("plain").set(7).await.unwrap();
    writer.entry("tagged").tags(["users", "of:acme"]).set(7).await.unwrap();
    assert_eq!(store.calls(), [("set", 55, 117), ("set", 55, 117 + 6 + 8)]);

    let reader = Cache::builder(acme).build().unwrap();
    assert_eq!(reader.get::<u8>("tagged").await.unwrap(), Some(7));
    assert_eq!(store.calls(), [("get_many", 2 * 55, 0), ("get_many", 2 * 55, 0)]);
    assert_eq!(reader.get::<u8>("tagged").await.unwrap(), Some(7));
    assert_eq!(store.calls(), []);

    writer.invalidate_tag("users").await.unwrap();
    assert_eq!(store.calls(), [("set", 55, 116)]);
}
