//! For the fuzz target `dynamodb`.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use super::item::{EXPIRY, Item, KEY, VALUE, entry, is_expired, name};

/// Any attributes as an item: the name of each, its type, and its bytes.
pub(crate) fn item(attributes: &[(u8, u8, &[u8])], now_ms: u64) {
    let item: Item = attributes
        .iter()
        .map(|(name, kind, bytes)| {
            let name = [KEY, VALUE, EXPIRY, "other"][usize::from(name % 4)];
            (name.to_owned(), attribute(*kind, bytes))
        })
        .collect();
    let stored = item.get(VALUE).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec());
    let named = item.get(KEY).and_then(|key| key.as_s().ok());
    assert_eq!(name(&item).ok(), named.map(String::as_str));

    let ends = match item.get(EXPIRY) {
        None => Some(None),
        Some(AttributeValue::N(seconds)) => {
            seconds.parse().ok().map(|it: u64| Some(it.saturating_mul(1_000)))
        }
        Some(_) => None,
    };
    let expired = ends.map(|ends| ends.is_some_and(|ends| ends <= now_ms));
    assert_eq!(is_expired(&item, now_ms).ok(), expired);
    let found = entry(item, now_ms).ok();
    let expected = match expired {
        None => None,
        Some(true) => Some(None),
        Some(false) => stored.map(Some),
    };
    assert_eq!(found.map(|entry| entry.map(Vec::from)), expected);
}

fn attribute(kind: u8, bytes: &[u8]) -> AttributeValue {
    let text = || String::from_utf8_lossy(bytes).into_owned();
    let blob = || Blob::new(bytes);
    match kind % 8 {
        0 => AttributeValue::S(text()),
        1 => AttributeValue::N(text()),
        2 => AttributeValue::B(blob()),
        3 => AttributeValue::Bool(bytes.is_empty()),
        4 => AttributeValue::Null(true),
        5 => AttributeValue::L(vec![AttributeValue::B(blob())]),
        6 => AttributeValue::Bs(vec![blob()]),
        _ => AttributeValue::Ns(vec![text()]),
    }
}
