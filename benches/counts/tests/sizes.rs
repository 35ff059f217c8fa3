//! How many bytes go to a store, exactly: its name, and the entry with the default padding.
#![allow(clippy::unwrap_used, clippy::panic)] // a test

use blindcache_counts::{now, profile, store, text};
use serde::Serialize;

fn stored(value: &impl Serialize) -> (usize, usize) {
    let store = store();
    now(store.set("user:42", value, None)).unwrap();
    let entries = store.backend().entries();
    let [(name, entry)] = &entries[..] else { panic!("one entry: {entries:?}") };
    (name.as_str().len(), entry.len())
}

#[test]
fn a_name_has_55_characters_and_an_entry_is_padded() {
    let texts = [27, 28, 64, 1 << 10, 16 << 10, 1 << 20].map(|length| stored(&text(length)).1);
    assert_eq!(texts, [144, 152, 184, 1_168, 17_488, 1_081_424]);
    assert_eq!([stored(&()), stored(&profile())], [(55, 144), (55, 464)]);
}

#[test]
fn bytes_are_stored_without_a_header_of_their_own() {
    let store = store();
    now(store.set_bytes("user:42", &[7; 1 << 10], None)).unwrap();
    assert_eq!(store.backend().entries()[0].1.len(), 1_168);
}
