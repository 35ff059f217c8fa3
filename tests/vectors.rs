//! Holds the library to every case of `tests/vectors/*.json`, or to the one file that `BLINDCACHE_VECTORS` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

mod common;

use std::{env, fs, path::PathBuf};

use blindcache::{
    EncryptedBackend, Error, Key, Keyring, MasterKey, Padding, TenantKeys,
    testing::{Clock, Place},
};
use bytes::Bytes;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Runs `check` on every row of a section of every file.
fn each(section: &str, check: impl Fn(&Value)) {
    for (file, vectors) in files() {
        let rows = vectors[section].as_array().unwrap_or_else(|| panic!("{file:?} has no {section}"));
        assert!(!rows.is_empty(), "{section} of {file:?} is empty");
        for (at, row) in rows.iter().enumerate() {
            println!("{file:?}: {section} {at}, {}", row["name"]);
            check(row);
        }
        let refused = rows.iter().filter(|row| row["expect"].as_str().is_some_and(|it| it != "ok")).count();
        println!("{} rows of {section}, {refused} of them to be refused", rows.len());
    }
}

fn files() -> Vec<(PathBuf, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = match env::var_os("BLINDCACHE_VECTORS") {
        Some(file) => vec![file.into()],
        None => fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>(),
    };
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|file| (file.clone(), serde_json::from_slice(&fs::read(&file).unwrap()).unwrap()))
        .collect()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("{field} of {row}"))
}

fn number(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field} of {row}"))
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    HEXLOWER.decode(text(row, field).as_bytes()).unwrap()
}

fn array<const N: usize>(row: &Value, field: &str) -> [u8; N] {
    bytes(row, field).try_into().unwrap()
}

fn master(hex: &str) -> MasterKey {
    MasterKey::parse(hex).unwrap()
}

/// The keys of the row's tenant, from its accepted masters.
fn keys(row: &Value) -> TenantKeys {
    let mut masters =
        row["accepted_masters"].as_array().unwrap().iter().map(|hex| master(hex.as_str().unwrap()));
    let keys =
        Keyring::with_accepted(masters.next().unwrap(), masters, master(text(row, "naming_master"))).unwrap();
    keys.tenant(text(row, "tenant")).unwrap()
}

#[test]
fn no_section_is_left_out() {
    let known = ["canonical_keys", "entries", "format", "keys", "markers", "names", "padme", "payloads"]
        .map(String::from);
    for (file, vectors) in files() {
        let mut sections: Vec<String> = vectors.as_object().unwrap().keys().cloned().collect();
        sections.sort();
        assert_eq!(sections, known, "{file:?}");
        assert_eq!(vectors["format"], "blindcache/v1", "{file:?}");
    }
}

/// A derived key is never shown, so a second implementation uses the one of the vectors, and the library must agree.
#[test]
fn keys_are_derived_as_the_vectors_say() {
    each("keys", |row| {
        let masters = Keyring::with_accepted(
            master(text(row, "sealing_master")),
            [],
            master(text(row, "naming_master")),
        )
        .unwrap();
        let id = masters.key_ids()[0];
        assert_eq!(id.to_bytes(), array(row, "key_id"));

        let keys = masters.tenant(text(row, "tenant")).unwrap();
        let place = Place { keys: &keys, marker: false, epoch: 1, namespace: "n", name: b"\xA1k" };
        let locator = common::locator(&bytes(row, "name_key"), 2, 1, "n", b"\xA1k");
        let name = format!("b1.{}", BASE32_NOPAD.encode(&locator).to_lowercase());
        assert_eq!(place.store_key("").as_str(), name);

        let inner = common::inner(2, [5, 5, 9], b"payload");
        let entry = common::seal(&bytes(row, "seal_key"), id.to_bytes(), [7; 24], &locator, &inner);
        assert_eq!(place.open(entry, 5, 0).unwrap().payload, b"payload");
    });
}

#[test]
fn names_are_blinded_as_the_vectors_say() {
    each("names", |row| {
        let key = || master(text(row, "naming_master"));
        let keys = Keyring::with_accepted(MasterKey::generate().unwrap(), [], key()).unwrap();
        let keys = keys.tenant(text(row, "tenant")).unwrap();
        let marker = text(row, "kind") == "tag";
        let name = match &row["key"] {
            Value::String(tag) if marker => tag.as_bytes().to_vec(),
            key => key.to_cache_key().unwrap().as_bytes().to_vec(),
        };
        let (epoch, namespace) = (number(row, "epoch"), text(row, "namespace"));
        let store_key =
            Place { keys: &keys, marker, epoch, namespace, name: &name }.store_key(text(row, "prefix"));
        assert_eq!(store_key.as_str(), text(row, "store_key"));
        let digits = store_key.as_str().rsplit_once("b1.").unwrap().1.to_uppercase();
        assert_eq!(BASE32_NOPAD.decode(digits.as_bytes()).unwrap(), bytes(row, "locator"));
    });
}

#[test]
fn logical_keys_are_encoded_as_the_vectors_say() {
    each("canonical_keys", |row| {
        assert_eq!(row["value"].to_cache_key().unwrap().as_bytes(), bytes(row, "msgpack"));
    });
}

#[test]
fn lengths_are_padded_as_the_vectors_say() {
    each("padme", |row| assert_eq!(Padding::Padme.padded(number(row, "length")), number(row, "padded")));
}

#[test]
fn entries_open_or_are_refused_as_the_vectors_say() {
    each("entries", |row| {
        let keys = keys(row);
        let name = row["key"].to_cache_key().unwrap();
        let (epoch, namespace) = (number(row, "epoch"), text(row, "namespace"));
        let place = Place { keys: &keys, marker: false, epoch, namespace, name: name.as_bytes() };
        let opened = place.open(bytes(row, "envelope"), number(row, "now"), number(row, "schema") as u32);
        let opened = match opened {
            Ok(opened) => opened,
            Err(reason) => return assert_eq!(reason, text(row, "expect")),
        };
        assert_eq!("ok", text(row, "expect"));
        assert_eq!(opened.payload, bytes(row, "payload"));
        let meta = &row["meta"];
        let numbers = [
            u64::from(opened.codec),
            u64::from(opened.schema),
            opened.created_at,
            opened.stale_at,
            opened.expires_at,
        ];
        let expected =
            ["codec", "schema", "created_at", "stale_at", "expires_at"].map(|field| number(meta, field));
        assert_eq!(numbers, expected);
        let tags = meta["tags"].as_array().unwrap().iter().flat_map(|tag| {
            let tag = HEXLOWER.decode(tag.as_str().unwrap().as_bytes()).unwrap();
            [vec![tag.len() as u8], tag].concat()
        });
        assert_eq!(opened.tags, tags.collect::<Vec<_>>());
    });
}

/// The same entries through the public API, from a store that returns them whatever it is asked for.
#[test]
fn a_store_that_returns_the_vectors_entries_is_believed_only_where_they_open() {
    each("entries", |row| {
        let acme = EncryptedBackend::new(common::Always(bytes(row, "envelope").into()), keys(row))
            .namespace(text(row, "namespace"))
            .unwrap()
            .epoch(number(row, "epoch"))
            .schema(number(row, "schema") as u32)
            .clock(&Clock::at(number(row, "now")));
        let (value, raw) = (wait(acme.get::<Value>(&row["key"])), wait(acme.get_bytes(&row["key"])));
        match text(row, "expect") {
            "ok" if row["meta"]["codec"] == 1 => {
                assert_eq!(value.unwrap().unwrap()["name"], "Ada");
                assert_eq!(raw.unwrap(), None);
            }
            "ok" => {
                assert_eq!(value.unwrap(), None);
                assert_eq!(raw.unwrap(), Some(Bytes::from(bytes(row, "payload"))));
            }
            "expired" | "schema" => assert!(value.unwrap().is_none() && raw.unwrap().is_none()),
            reason => {
                assert_eq!(unreadable(value), reason);
                assert_eq!(unreadable(raw), reason);
            }
        }
    });
}

#[test]
fn markers_open_or_are_refused_as_the_vectors_say() {
    each("markers", |row| {
        let keys = keys(row);
        let (epoch, namespace, tag) = (number(row, "epoch"), text(row, "namespace"), text(row, "tag"));
        let place = Place { keys: &keys, marker: true, epoch, namespace, name: tag.as_bytes() };
        match place.open(bytes(row, "envelope"), number(row, "now"), 0) {
            Ok(marker) => {
                assert_eq!("ok", text(row, "expect"));
                assert_eq!(marker.created_at, number(row, "created_at"));
            }
            Err(reason) => assert_eq!(reason, text(row, "expect")),
        }
    });
}

#[test]
fn payloads_decode_or_are_refused_as_the_vectors_say() {
    each("payloads", |row| {
        let secret: [u8; 32] = std::array::from_fn(|at| at as u8 + 0x70);
        let key = MasterKey::from_bytes(&secret).unwrap();
        let id = key.id().to_bytes();
        let locator = common::locator(&common::tenant_key(&secret, "acme", "name"), 2, 0, "", b"\xA1k");
        let inner = common::inner(1, [5, 5, 9], &bytes(row, "payload"));
        let entry = common::seal(&common::tenant_key(&secret, "acme", "seal"), id, [7; 24], &locator, &inner);
        let keys = Keyring::new(key).unwrap().tenant("acme").unwrap();
        let acme = EncryptedBackend::new(common::Always(entry.into()), keys).clock(&Clock::at(5));
        match (text(row, "expect"), wait(acme.get::<IgnoredAny>("k"))) {
            ("ok", value) => assert!(value.unwrap().is_some()),
            (reason, value) => assert_eq!(unreadable(value), reason),
        }
    });
}

fn unreadable<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Unreadable(reason)) => reason.as_str(),
        other => panic!("not unreadable: {other:?}"),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
