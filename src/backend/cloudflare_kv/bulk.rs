//! Many names in one request.

use std::{collections::HashSet, fmt::Write as _};

use data_encoding::BASE64;

use super::wire;
use crate::{backend::Write, crypto::StoreKey};

/// Most names in one request, which is the API's own limit.
pub(super) const MAX_NAMES: usize = 10_000;
/// Size in bytes of the entries from which a request takes no further one. The API takes 100 MB, and these are sent as
/// base64; a whole request has to be there within the time limit of one call.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// About what JSON puts around a pair.
const FRAME: usize = 80;

/// Of writes under one name the last, as if they were made one after the other.
pub(super) fn last_of_each(writes: Vec<Write>) -> Vec<Write> {
    let mut seen = HashSet::with_capacity(writes.len());
    let mut last: Vec<_> = writes.into_iter().rev().filter(|(key, ..)| seen.insert(key.clone())).collect();
    last.reverse();
    last
}

/// Each name once, where it stands first.
pub(super) fn distinct(keys: &[StoreKey]) -> Vec<StoreKey> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().filter(|key| seen.insert(*key)).cloned().collect()
}

/// The writes of one request after the other.
pub(super) fn parts(writes: Vec<Write>) -> impl Iterator<Item = Vec<Write>> {
    let mut writes = writes.into_iter();
    std::iter::from_fn(move || {
        let (mut part, mut size) = (Vec::new(), 0);
        while part.len() < MAX_NAMES
            && size < MAX_BYTES
            && let Some(write) = writes.next()
        {
            size += write.1.len();
            part.push(write);
        }
        (!part.is_empty()).then_some(part)
    })
}

/// The body of a bulk write. Names and base64 need no escaping in JSON.
pub(super) fn pairs(writes: &[Write]) -> String {
    let size = |(key, entry, _): &Write| key.as_str().len() + BASE64.encode_len(entry.len()) + FRAME;
    let mut body = String::with_capacity(writes.iter().map(size).sum::<usize>() + FRAME);
    for (key, entry, ttl) in writes {
        body.push(if body.is_empty() { '[' } else { ',' });
        body.push_str(r#"{"key":""#);
        body.push_str(key.as_str());
        body.push_str(r#"","base64":true,"value":""#);
        BASE64.encode_append(entry.as_bytes(), &mut body);
        body.push('"');
        if let Some(ttl) = *ttl {
            // A String takes whatever is written to it.
            let _ = write!(body, r#","expiration_ttl":{}"#, wire::seconds(ttl));
        }
        body.push('}');
    }
    body.push(']');
    body
}

/// The body of a bulk delete.
pub(super) fn names(keys: &[StoreKey]) -> String {
    let names: Vec<_> = keys.iter().map(|key| format!("\"{}\"", key.as_str())).collect();
    format!("[{}]", names.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::time::Duration;

    use super::*;
    use crate::crypto::Sealed;

    fn key(number: usize) -> StoreKey {
        StoreKey::parse(&format!("b1.{}{}a", "a".repeat(46), {
            let digits = b"abcdefghij";
            format!("{number:05}")
                .bytes()
                .map(|digit| char::from(digits[usize::from(digit - b'0')]))
                .collect::<String>()
        }))
        .unwrap()
    }

    fn write(number: usize, size: usize, ttl: Option<Duration>) -> Write {
        let mut bytes = vec![number as u8; size];
        bytes[..4].copy_from_slice(b"\xC1bc\x01");
        (key(number), Sealed::parse(bytes).unwrap(), ttl)
    }

    #[test]
    fn body_is_json_that_gives_the_entries_back() {
        let minute = Some(Duration::from_millis(59_001));
        let writes = [write(1, 116, minute), write(2, 117, None)];
        let body: serde_json::Value = serde_json::from_str(&pairs(&writes)).unwrap();
        let value = |at: usize| BASE64.encode(writes[at].1.as_bytes());
        let first =
            json!({ "key": key(1).as_str(), "base64": true, "value": value(0), "expiration_ttl": 60 });
        let second = json!({ "key": key(2).as_str(), "base64": true, "value": value(1) });
        assert_eq!(body, json!([first, second]));
        let body: serde_json::Value = serde_json::from_str(&names(&[key(1), key(2)])).unwrap();
        assert_eq!(body, json!([key(1).as_str(), key(2).as_str()]));
    }

    #[test]
    fn last_write_of_a_name_counts() {
        let writes = vec![write(1, 116, None), write(2, 116, None), write(1, 200, None)];
        let last: Vec<_> =
            last_of_each(writes).into_iter().map(|(key, entry, _)| (key, entry.len())).collect();
        assert_eq!(last, [(key(2), 116), (key(1), 200)]);
    }

    #[test]
    fn parts_are_cut_by_count_and_by_bytes() {
        let cut = |sizes: Vec<usize>| {
            let entry = |size| Sealed::parse([&b"\xC1bc\x01"[..], &vec![0; size - 4]].concat()).unwrap();
            let writes = sizes.into_iter().map(|size| (key(0), entry(size), None)).collect();
            parts(writes).map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(cut(vec![116; MAX_NAMES + 1]), [MAX_NAMES, 1]);
        assert_eq!(cut(vec![MAX_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(cut(vec![MAX_BYTES * 2, 116]), [1, 1]);
        assert!(cut(vec![]).is_empty());
    }

    /// A part ends after the entry that makes it large enough, so it holds less than the limit and the largest entry.
    #[test]
    fn largest_part_is_within_the_limit_of_the_api() {
        let largest = MAX_BYTES + super::super::CloudflareKvBackend::LARGEST_ENTRY;
        assert!(BASE64.encode_len(largest) + MAX_NAMES * (119 + FRAME) < 100_000_000);
    }
}
