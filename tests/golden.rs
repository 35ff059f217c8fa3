//! Entries that earlier versions sealed: every later one opens them, whichever cipher it has.
//!
//! `tests/golden/` has a file for each version and cipher, and none is ever changed. A new version adds its own, by each cipher:
//! `cargo test --test golden -- --ignored` with default features and with none.
#![allow(clippy::unwrap_used, clippy::panic)] // a test

use std::{fs, path::PathBuf, time::Duration};

use blindcache::{
    Backend, Cache, EncryptedBackend, Error, Key, Keyring, MasterKey, MemoryBackend, Padding, Sealed,
    StoreKey, TenantKeys,
    testing::{Clock, Place},
};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const CIPHER: &str = if cfg!(feature = "aws-lc-rs") { "aws-lc-rs" } else { "aes-gcm" };
/// When they were sealed, in Unix milliseconds.
const NOW: u64 = 1_790_000_000_000;
/// An expiry that is none.
const NEVER: u64 = u64::MAX;
const KEYS: [&str; 3] = [
    "3f8a1cd25b7e9046af11d8c3627b04e95c2ab6f0718d43e99a5f60b2c7d81e34",
    "b2704e9d15c8f36a82e1075bd4962fca0d39a8b75e41f6c28097de1b534a6cf8",
    "71d92f0ab8634ec5170fa6d83b5e92c4e80d647ab1953fc82ed70961fa4b3586",
];

/// An entry or a marker, and all that is needed to open it.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    about: String,
    /// As hex: masters, or the roots of one tenant.
    sealing: String,
    naming: String,
    roots: bool,
    tenant: String,
    namespace: String,
    epoch: u64,
    prefix: String,
    /// The tag of a marker instead.
    marker: Option<String>,
    key: Value,
    schema: u32,
    tags: Vec<String>,
    stale_at: u64,
    expires_at: u64,
    /// Raw bytes instead of a value.
    raw: bool,
    value: Value,
    /// As hex.
    payload: String,
    name: String,
    /// As base64.
    entry: String,
}

impl Row {
    fn new(about: &str, value: Value) -> Self {
        let [sealing, naming, _] = KEYS.map(str::to_owned);
        Self {
            about: about.to_owned(),
            sealing,
            naming,
            roots: false,
            tenant: "acme".to_owned(),
            namespace: "users".to_owned(),
            epoch: 0,
            prefix: String::new(),
            marker: None,
            key: json!("user:42"),
            schema: 0,
            tags: Vec::new(),
            stale_at: NOW + 60_000,
            expires_at: NOW + 60_000,
            raw: false,
            value,
            payload: String::new(),
            name: String::new(),
            entry: String::new(),
        }
    }

    /// The tenant's keys, with the row's sealing key first or, `rotated`, accepted besides another.
    fn keys(&self, rotated: bool) -> TenantKeys {
        let [sealing, naming, other] =
            [&self.sealing, &self.naming, KEYS[2]].map(|hex| MasterKey::parse(hex).unwrap());
        let keys = match rotated {
            true => Keyring::with_accepted(other, [sealing], naming).unwrap(),
            false => Keyring::with_accepted(sealing, [], naming).unwrap(),
        };
        if self.roots { TenantKeys::from_roots(&keys) } else { keys.tenant(&self.tenant).unwrap() }
    }

    fn boundary(&self, store: &MemoryBackend, rotated: bool, now: u64) -> EncryptedBackend<MemoryBackend> {
        let boundary =
            EncryptedBackend::new(store.clone(), self.keys(rotated)).namespace(&self.namespace).unwrap();
        boundary.epoch(self.epoch).prefix(&self.prefix).unwrap().schema(self.schema).clock(&Clock::at(now))
    }

    fn cache(&self, store: &MemoryBackend, now: u64) -> Cache {
        Cache::builder(self.boundary(store, false, now)).clock(&Clock::at(now)).build().unwrap()
    }

    /// The entry in a store that has nothing else.
    async fn stored(&self) -> MemoryBackend {
        let store = MemoryBackend::new();
        self.put(&store).await;
        store
    }

    async fn put(&self, store: &MemoryBackend) {
        let entry = BASE64.decode(self.entry.as_bytes()).unwrap();
        store.set(&StoreKey::parse(&self.name).unwrap(), Sealed::parse(entry).unwrap(), None).await.unwrap();
    }

    /// Takes what is in the store that was not there before.
    fn taken(mut self, store: &MemoryBackend, before: &[StoreKey]) -> Self {
        let entries = store.entries();
        let (name, entry) = entries.iter().find(|(name, _)| !before.contains(name)).unwrap();
        (self.name, self.entry) = (name.as_str().to_owned(), BASE64.encode(entry));
        self
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn rows() -> Vec<Row> {
    let files: Vec<_> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "one of each cipher");
    files
        .iter()
        .flat_map(|file| serde_json::from_slice::<Vec<Row>>(&fs::read(file).unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn entries_of_earlier_versions_open() {
    let rows = rows();
    assert!(rows.len() > 80, "only {}", rows.len());
    for row in rows.iter().filter(|row| row.marker.is_none()) {
        let store = row.stored().await;
        for rotated in [false, true] {
            let boundary = row.boundary(&store, rotated, NOW);
            let about = format!("{} (rotated: {rotated})", row.about);
            if row.raw {
                let found = boundary.get_bytes(&row.key).await.unwrap().unwrap();
                assert_eq!(HEXLOWER.encode(&found), row.payload, "{about}");
            } else {
                assert_eq!(boundary.get(&row.key).await.unwrap().as_ref(), Some(&row.value), "{about}");
            }
        }
        if row.expires_at != NEVER {
            let late = row.boundary(&store, false, row.expires_at);
            assert_eq!(late.get::<Value>(&row.key).await.unwrap(), None, "{}", row.about);
            assert_eq!(late.get_bytes(&row.key).await.unwrap(), None, "{}", row.about);
        }
    }
}

#[test]
fn all_that_stands_in_them_is_as_it_was_sealed() {
    for row in rows() {
        let name = match &row.marker {
            Some(tag) => tag.as_bytes().to_vec(),
            None => row.key.to_cache_key().unwrap().as_bytes().to_vec(),
        };
        let (keys, marker) = (row.keys(false), row.marker.is_some());
        let place = Place { keys: &keys, marker, epoch: row.epoch, namespace: &row.namespace, name: &name };
        assert_eq!(place.store_key(&row.prefix).as_str(), row.name, "{}", row.about);
        let opened = place.open(BASE64.decode(row.entry.as_bytes()).unwrap(), NOW, row.schema).unwrap();
        let tags = row.tags.iter().flat_map(|tag| [vec![tag.len() as u8], tag.clone().into_bytes()].concat());
        assert_eq!(opened.tags, tags.collect::<Vec<u8>>(), "{}", row.about);
        assert_eq!(HEXLOWER.encode(&opened.payload), row.payload, "{}", row.about);
        assert_eq!(opened.codec, if row.raw { 2 } else { 1 }, "{}", row.about);
        let times = (opened.created_at, opened.stale_at, opened.expires_at, opened.schema);
        assert_eq!(times, (NOW, row.stale_at, row.expires_at, row.schema), "{}", row.about);
    }
}

#[tokio::test]
async fn markers_of_earlier_versions_invalidate_entries_of_earlier_versions() {
    let rows = rows();
    let mut ended = 0;
    for marker in rows.iter().filter(|row| row.marker.is_some()) {
        let tag = marker.marker.as_ref().unwrap();
        for row in rows.iter().filter(|row| row.about.starts_with("the tags")) {
            if !tag.is_empty() && !row.tags.contains(tag) {
                continue; // of the empty one every entry is
            }
            let store = row.stored().await;
            let found: Option<Value> = row.cache(&store, NOW).get(&row.key).await.unwrap();
            assert_eq!(found.as_ref(), Some(&row.value), "{}", row.about);
            marker.put(&store).await;
            let found: Option<Value> = row.cache(&store, NOW).get(&row.key).await.unwrap();
            assert_eq!(found, None, "{} after {}", row.about, marker.about);
            ended += 1;
        }
    }
    assert!(ended >= 2 * 2 * 7, "only {ended}");
}

/// The control: what differs in one bit is told.
#[tokio::test]
async fn changed_golden_entry_does_not_open() {
    for mut row in rows().into_iter().filter(|row| row.marker.is_none()) {
        let mut entry = BASE64.decode(row.entry.as_bytes()).unwrap();
        let middle = entry.len() / 2;
        entry[middle] ^= 1;
        row.entry = BASE64.encode(&entry);
        let store = row.stored().await;
        let refused = row.boundary(&store, false, NOW).get::<Value>(&row.key).await;
        assert!(matches!(refused, Err(Error::Unreadable(_))), "{}", row.about);
    }
}

#[tokio::test]
#[ignore = "writes the file of this version, once"]
async fn write_the_entries_of_this_version() {
    let file = folder().join(format!("{}-{CIPHER}.json", env!("CARGO_PKG_VERSION")));
    assert!(!file.exists(), "{} is there, and stays as it is", file.display());
    let mut sealed = Vec::new();
    for (row, padding) in plain() {
        sealed.push(seal(row, padding).await);
    }
    sealed.extend(tagged().await);
    let mut text = "[\n".to_owned();
    text += &sealed.iter().map(|row| serde_json::to_string(row).unwrap()).collect::<Vec<_>>().join(",\n");
    fs::write(file, text + "\n]\n").unwrap();
}

/// Rows that differ from an ordinary one in one way each.
fn plain() -> Vec<(Row, Padding)> {
    let mut rows = Vec::new();
    let ordinary = || Row::new("", json!("Ada"));
    let mut add = |about: &str, row: Row, padding| {
        rows.push((Row { about: format!("{about}, {padding:?}"), ..row }, padding))
    };
    for value in [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!("Zoë"),
        json!([]),
        json!({}),
        json!([1, [2, [3]]]),
        json!({"name": "Ada", "tags": ["a", "b"], "age": null}),
    ] {
        add(&format!("the value {value}"), Row { value, ..ordinary() }, Padding::Padme);
    }
    for length in [0, 1, 26, 27, 28, 29, 100, 255, 256, 1_000] {
        let text = "abcdefghij".chars().cycle().take(length).collect::<String>();
        for padding in [Padding::Padme, Padding::None, Padding::Fixed(256)] {
            add(&format!("a text of {length} bytes"), Row { value: json!(text), ..ordinary() }, padding);
            let raw = Row { raw: true, payload: HEXLOWER.encode(text.as_bytes()), ..ordinary() };
            add(&format!("raw, {length} bytes"), raw, padding);
        }
    }
    let keys = [
        json!(""),
        json!(42),
        json!(-7),
        json!(["user", 42, true, null]),
        json!({"b": 1, "a": [2]}),
        json!("k".repeat(300)),
    ];
    keys.into_iter().for_each(|key| add("another key", Row { key, ..ordinary() }, Padding::Padme));
    for namespace in ["", "Zürich", &"n".repeat(255)] {
        add("another namespace", Row { namespace: namespace.to_owned(), ..ordinary() }, Padding::Padme);
    }
    for epoch in [1, 1 << 32, u64::MAX] {
        add("another epoch", Row { epoch, ..ordinary() }, Padding::Padme);
    }
    for tenant in ["Zoë", &"t".repeat(255)] {
        add("another tenant", Row { tenant: tenant.to_owned(), ..ordinary() }, Padding::Padme);
    }
    add("a prefix", Row { prefix: "app:".to_owned(), ..ordinary() }, Padding::Padme);
    add("a schema", Row { schema: u32::MAX, ..ordinary() }, Padding::Padme);
    add("a tenant's roots", Row { roots: true, ..ordinary() }, Padding::Padme);
    add("one key for both", Row { naming: KEYS[0].to_owned(), ..ordinary() }, Padding::Padme);
    for at in [NOW + 1, NOW + 1_000 * 3_600 * 24 * 3_650, NEVER] {
        add("another expiry", Row { stale_at: at, expires_at: at, ..ordinary() }, Padding::Padme);
    }
    rows
}

async fn seal(mut row: Row, padding: Padding) -> Row {
    let store = MemoryBackend::new();
    let boundary = row.boundary(&store, false, NOW).padding(padding).unwrap();
    let ttl = (row.expires_at != NEVER).then(|| Duration::from_millis(row.expires_at - NOW));
    if row.raw {
        let raw = HEXLOWER.decode(row.payload.as_bytes()).unwrap();
        boundary.set_bytes(&row.key, &raw, ttl).await.unwrap();
    } else {
        boundary.set(&row.key, &row.value, ttl).await.unwrap();
        row.payload = HEXLOWER.encode(&rmp_serde::to_vec_named(&row.value).unwrap());
    }
    row.taken(&store, &[])
}

/// Entries with tags, that are stale before they expire; and the markers of their tags, the empty one too.
async fn tagged() -> Vec<Row> {
    let mut rows = Vec::new();
    for tags in [&["users"][..], &["users", "Zürich"], &["a"; 1], &[]] {
        let mut row = Row::new(&format!("the tags {tags:?}"), json!({"name": "Ada"}));
        row.tags = tags.iter().map(ToString::to_string).collect();
        row.tags.sort();
        (row.stale_at, row.expires_at) = (NOW + 10_000, NOW + 60_000);
        row.key = json!(["tagged", tags]);
        row.payload = HEXLOWER.encode(&rmp_serde::to_vec_named(&row.value).unwrap());
        let store = MemoryBackend::new();
        let cache = row.cache(&store, NOW);
        let entry =
            cache.entry(&row.key).ttl(Duration::from_secs(10)).stale(Duration::from_secs(50)).tags(tags);
        entry.set(row.value.clone()).await.unwrap();
        rows.push(row.taken(&store, &[]));
    }
    for tag in ["users", "Zürich", ""] {
        let store = MemoryBackend::new();
        let mut row =
            Row { raw: true, key: json!(null), ..Row::new(&format!("the marker of {tag:?}"), json!(null)) };
        let marker_ttl = Duration::from_secs(3_600);
        let cache =
            Cache::builder(row.boundary(&store, false, NOW)).clock(&Clock::at(NOW)).marker_ttl(marker_ttl);
        let cache = cache.build().unwrap();
        match tag {
            "" => cache.clear().await.unwrap(),
            tag => cache.invalidate_tag(tag).await.unwrap(),
        }
        row.marker = Some(tag.to_owned());
        let row = row.taken(&store, &[]);
        let keys = row.keys(false);
        let place =
            Place { keys: &keys, marker: true, epoch: 0, namespace: &row.namespace, name: tag.as_bytes() };
        let opened = place.open(BASE64.decode(row.entry.as_bytes()).unwrap(), NOW, 0).unwrap();
        rows.push(Row { stale_at: opened.stale_at, expires_at: opened.expires_at, ..row });
    }
    rows
}
