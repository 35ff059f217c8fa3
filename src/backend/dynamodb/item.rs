//! An entry as an item of the table, and back.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::AttributeValue::{self, B, N, S},
};
use bytes::Bytes;

use super::error::Failure;
use crate::crypto::{Sealed, StoreKey};

/// The attributes. None is a reserved word, so that they can stand in an expression as they are.
pub(super) const KEY: &str = "pk";
pub(super) const VALUE: &str = "v";
pub(super) const EXPIRY: &str = "exp";

/// Largest size in bytes of an item: 400 KB, names and values together.
pub(super) const MAX_ITEM: usize = 400 * 1024;
/// The last expiry that is written, in Unix seconds: the end of the year 9999.
pub(super) const LAST_EXPIRY: u64 = 253_402_300_799;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The name as the key of the table.
pub(super) fn key(key: &StoreKey) -> Item {
    HashMap::from([(KEY.to_owned(), S(key.as_str().to_owned()))])
}

pub(super) fn item(key: &StoreKey, entry: &Sealed, expiry: Option<u64>) -> Item {
    let mut item = self::key(key);
    item.insert(VALUE.to_owned(), B(Blob::new(entry.as_bytes())));
    if let Some(expiry) = expiry {
        item.insert(EXPIRY.to_owned(), N(expiry.to_string()));
    }
    item
}

/// The size of the item in bytes, as the service counts it: names and values, and of a number one byte for each two
/// digits, and one more.
pub(super) fn size(key: &StoreKey, entry: &Sealed, expiry: Option<u64>) -> usize {
    let expiry = expiry.map_or(0, |expiry| EXPIRY.len() + digits(expiry).div_ceil(2) + 1);
    KEY.len() + key.as_str().len() + VALUE.len() + entry.len() + expiry
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// When an entry set now expires: in Unix seconds, rounded up, since the time within the seal decides. `now_ms` is cut
/// to whole milliseconds, so that one more is added.
pub(super) fn expiry(ttl: Duration, now_ms: u64) -> u64 {
    let ttl = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    now_ms.saturating_add(ttl).saturating_add(1).div_ceil(1_000).min(LAST_EXPIRY)
}

/// Whether the time of the item has passed. The service keeps and serves it for days after that.
pub(super) fn is_expired(item: &Item, now_ms: u64) -> Result<bool, Failure> {
    match item.get(EXPIRY) {
        None => Ok(false),
        Some(N(expiry)) => {
            let expiry: u64 = expiry.parse().map_err(|_| Failure::unexpected())?;
            Ok(expiry.saturating_mul(1_000) <= now_ms)
        }
        Some(_) => Err(Failure::unexpected()),
    }
}

/// The entry of an item, unless it has expired.
pub(super) fn entry(mut item: Item, now_ms: u64) -> Result<Option<Bytes>, Failure> {
    if is_expired(&item, now_ms)? {
        return Ok(None);
    }
    match item.remove(VALUE) {
        Some(B(entry)) => Ok(Some(Bytes::from(entry.into_inner()))),
        _ => Err(Failure::unexpected()),
    }
}

/// The name of an item.
pub(super) fn name(item: &Item) -> Result<&str, Failure> {
    match item.get(KEY) {
        Some(S(name)) => Ok(name),
        _ => Err(Failure::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(size: usize) -> Sealed {
        Sealed::parse([b"\xC1bc\x01".as_slice(), &vec![0; size - 4]].concat()).unwrap()
    }

    #[test]
    fn expiry_is_rounded_up_and_cut() {
        let at = |ttl, now| expiry(Duration::from_millis(ttl), now);
        assert_eq!(at(1, 0), 1);
        assert_eq!(at(999, 0), 1);
        assert_eq!(at(1_000, 0), 2);
        // The clock's milliseconds are cut too: it may be a moment later than it says.
        assert_eq!(at(99, 1_900), 2);
        assert_eq!(at(100, 1_900), 3);
        assert_eq!(expiry(Duration::from_micros(98_001), 1_900), 2);
        assert_eq!(expiry(Duration::from_micros(99_001), 1_900), 3);
        assert_eq!(expiry(Duration::ZERO, 1_000), 2);
        assert_eq!(expiry(Duration::MAX, 0), LAST_EXPIRY);
        assert_eq!(expiry(Duration::MAX, u64::MAX), LAST_EXPIRY);
    }

    #[test]
    fn item_is_there_until_its_expiry_and_not_after() {
        let item = item(&StoreKey::probe(), &sealed(116), Some(10));
        assert!(!is_expired(&item, 9_999).unwrap());
        assert!(is_expired(&item, 10_000).unwrap());
        assert!(entry(item.clone(), 9_999).unwrap().is_some());
        assert!(entry(item, 10_000).unwrap().is_none());
        let never = self::item(&StoreKey::probe(), &sealed(116), None);
        assert!(!is_expired(&never, u64::MAX).unwrap());
    }

    #[test]
    fn what_no_writer_wrote_is_unexpected() {
        for (name, value) in [
            (EXPIRY, N("1.5".into())),
            (EXPIRY, N("-1".into())),
            (EXPIRY, S("10".into())),
            (VALUE, S("text".into())),
        ] {
            let mut item = item(&StoreKey::probe(), &sealed(116), None);
            item.insert(name.into(), value);
            assert!(entry(item, 0).is_err(), "{name}");
        }
        assert!(entry(key(&StoreKey::probe()), 0).is_err());
        assert!(name(&HashMap::new()).is_err());
    }

    #[test]
    fn size_is_that_of_names_and_values() {
        let key = StoreKey::probe();
        let plain = 2 + 55 + 1 + 200;
        assert_eq!(size(&key, &sealed(200), None), plain);
        assert_eq!(size(&key, &sealed(200), Some(1_800_000_000)), plain + 3 + 5 + 1);
        assert_eq!(size(&key, &sealed(200), Some(LAST_EXPIRY)), plain + 3 + 6 + 1);
        assert_eq!(size(&key, &sealed(200), Some(0)), plain + 3 + 1 + 1);
    }

    /// As the docs of the backend say.
    #[test]
    fn largest_entries_are_of_the_shortest_and_of_the_longest_name() {
        let longest = StoreKey::parse(&format!("{}{}", "p".repeat(64), StoreKey::probe().as_str())).unwrap();
        assert_eq!(size(&StoreKey::probe(), &sealed(409_542), None), MAX_ITEM);
        assert_eq!(size(&longest, &sealed(409_468), Some(LAST_EXPIRY)), MAX_ITEM);
    }
}
