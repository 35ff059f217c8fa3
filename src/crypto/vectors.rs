//! What of the format's vectors needs a fixed nonce, which never passes through a public API.

use std::io::Write as _;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::Value;

use super::{
    Ask, Codec, Draft, Kind, Locator, Meta, Padding, Refusal,
    aead::{Aead, Fastest, RustCrypto},
    entry::{HEADER, Nonce},
    keyring::Keyring,
    master::MasterKey,
    open,
    seal::{associated, entry_keys, open_with, seal_with},
    tenant::TenantKeys,
};
use crate::error::Unreadable;

fn vectors() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/v1.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap()
}

fn master(hex: &Value) -> MasterKey {
    MasterKey::from_bytes(&bytes(hex)).unwrap()
}

/// An entry of the vectors that opens with its first master key, under the key "user:42".
struct Case {
    name: String,
    keys: TenantKeys,
    locator: Locator,
    entry: Vec<u8>,
    meta: Meta,
    tags: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

fn sealed_by_their_first_key() -> Vec<Case> {
    let vectors = vectors();
    let rows = vectors["entries"].as_array().unwrap().iter();
    rows.filter(|row| row["expect"] == "ok" && row["key"] == "user:42" && row["name"] != "previous_key")
        .map(case)
        .collect()
}

fn case(row: &Value) -> Case {
    let keys = Keyring::with_accepted(master(&row["accepted_masters"][0]), [], master(&row["naming_master"]));
    let keys = keys.unwrap().tenant(row["tenant"].as_str().unwrap()).unwrap();
    let (epoch, namespace) = (row["epoch"].as_u64().unwrap(), row["namespace"].as_str().unwrap());
    let locator = Locator::derive(&keys, Kind::Entry, epoch, namespace, b"\xa7user:42");
    let meta = &row["meta"];
    let number = |name: &str| meta[name].as_u64().unwrap();
    Case {
        name: row["name"].as_str().unwrap().to_owned(),
        keys,
        locator,
        entry: bytes(&row["envelope"]),
        meta: Meta {
            codec: if number("codec") == 1 { Codec::MessagePack } else { Codec::Raw },
            schema: number("schema") as u32,
            created_at: number("created_at"),
            stale_at: number("stale_at"),
            expires_at: number("expires_at"),
        },
        tags: meta["tags"].as_array().unwrap().iter().map(bytes).collect(),
        payload: bytes(&row["payload"]),
    }
}

impl Case {
    fn seal<A: Aead>(&self, padding: Padding, nonce: [u8; 24]) -> Vec<u8> {
        let tags: Vec<&[u8]> = self.tags.iter().map(Vec::as_slice).collect();
        let mut draft = Draft::new(&tags, 10_000, padding, 0).unwrap();
        draft.write_all(&self.payload).unwrap();
        seal_with::<A>(&self.keys, &self.locator, draft, &self.meta, Nonce(nonce)).as_bytes().to_vec()
    }

    fn nonce(&self) -> [u8; 24] {
        self.entry[8..32].try_into().unwrap()
    }

    fn open<A: Aead>(&self, entry: &[u8]) -> Result<Vec<u8>, Refusal> {
        let opened = open_with::<A>(&self.keys, &self.locator, Bytes::copy_from_slice(entry), &self.ask())?;
        Ok(opened.payload().to_vec())
    }

    fn ask(&self) -> Ask {
        let Meta { schema, created_at, .. } = self.meta;
        Ask { kind: Kind::Entry, now: created_at, schema, codec: Some(self.meta.codec), max_entry: 1 << 20 }
    }
}

#[test]
fn sealing_gives_the_vectors_byte_for_byte() {
    let cases = sealed_by_their_first_key();
    assert!(cases.len() >= 10, "{}", cases.len());
    for case in cases {
        let padding = match case.name.as_str() {
            "no_padding" => Padding::None,
            "extra_padding" => Padding::Fixed(4096),
            _ => Padding::Padme,
        };
        assert_eq!(case.seal::<Fastest>(padding, case.nonce()), case.entry, "{}", case.name);
        assert_eq!(case.seal::<RustCrypto>(padding, case.nonce()), case.entry, "{}", case.name);
    }
}

#[test]
fn each_cipher_opens_what_the_other_sealed() {
    for case in sealed_by_their_first_key() {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).unwrap();
        let (one, other) =
            (case.seal::<Fastest>(Padding::Padme, nonce), case.seal::<RustCrypto>(Padding::Padme, nonce));
        assert_eq!(case.open::<RustCrypto>(&one), Ok(case.payload.clone()), "{}", case.name);
        assert_eq!(case.open::<Fastest>(&other), Ok(case.payload.clone()), "{}", case.name);
    }
}

#[test]
fn each_cipher_refuses_every_flipped_bit_of_body_and_tag() {
    let case = &sealed_by_their_first_key()[0];
    for at in HEADER * 8..case.entry.len() * 8 {
        let mut entry = case.entry.clone();
        entry[at / 8] ^= 1 << (at % 8);
        let tampered = Err(Refusal::Unreadable(Unreadable::Tampered));
        assert_eq!(case.open::<Fastest>(&entry), tampered, "bit {at}");
        assert_eq!(case.open::<RustCrypto>(&entry), tampered, "bit {at}");
    }
}

#[test]
fn an_entry_one_byte_above_the_cap_is_not_looked_at() {
    let case = &sealed_by_their_first_key()[0];
    let opened = |max_entry: u64| {
        let entry = Bytes::copy_from_slice(&case.entry);
        open(&case.keys, &case.locator, entry, &Ask { max_entry, ..case.ask() }).map(|_| ())
    };
    let length = case.entry.len() as u64;
    assert_eq!(opened(length + 1), Ok(()));
    assert_eq!(opened(length), Ok(()));
    assert_eq!(opened(length - 1), Err(Refusal::Unreadable(Unreadable::TooLarge)));
}

#[test]
fn an_unshared_entry_is_opened_in_place_and_a_shared_one_in_a_copy() {
    let case = &sealed_by_their_first_key()[0];
    let entry = Bytes::from(case.entry.clone());
    let stored = entry.clone();
    let opened = open(&case.keys, &case.locator, entry, &case.ask()).unwrap();
    assert_ne!(opened.payload().as_ptr(), stored[opened.payload_at()..].as_ptr());
    assert_eq!(stored, case.entry);
    drop(opened);
    let at = stored.as_ptr();
    let opened = open(&case.keys, &case.locator, stored, &case.ask()).unwrap();
    assert_eq!(opened.payload().as_ptr(), at.wrapping_add(opened.payload_at()));
}

/// The vectors hold a ciphertext that AES-GCM accepts under the keys of two masters.
#[test]
fn a_ciphertext_for_two_keys_is_refused_by_the_commitment_alone() {
    let vectors = vectors();
    let rows = vectors["entries"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "opens_under_two_keys_second").unwrap();
    let masters = row["accepted_masters"].as_array().unwrap();
    let keys =
        Keyring::with_accepted(master(&masters[0]), [master(&masters[1])], master(&row["naming_master"]));
    let keys = keys.unwrap().tenant("acme").unwrap();
    let locator = Locator::derive(&keys, Kind::Entry, 0, "users", b"\xa7user:42");
    let entry = bytes(&row["envelope"]);

    let nonce = Nonce(entry[8..32].try_into().unwrap());
    let associated = associated(&entry[..HEADER], &locator);
    for master in masters.iter().map(|hex| Keyring::new(master(hex)).unwrap().key_ids()[0]) {
        let (key, _) = entry_keys(keys.accepted(master).unwrap(), &nonce, &locator);
        assert!(Fastest::open(&key, &nonce.iv(), &associated, &mut entry[HEADER..].to_vec()).is_ok());
    }
    let ask = Ask { kind: Kind::Entry, now: 1, schema: 0, codec: None, max_entry: 1 << 20 };
    let refused = open(&keys, &locator, entry.into(), &ask).err();
    assert_eq!(refused, Some(Refusal::Unreadable(Unreadable::Tampered)));
}
