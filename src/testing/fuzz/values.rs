//! Payloads and logical keys.

use std::io;

use super::{any::Any, input::Input};
use crate::{codec, error::KeyError, key::Key};

/// Containers of a generated key inside each other.
const DEPTH: u8 = 6;

/// MessagePack under the limits: what decodes, encodes again and decodes to the same.
#[allow(clippy::expect_used)] // a broken property
pub fn decode(data: &[u8]) {
    let Ok(value) = codec::decode::<Any>(data) else { return };
    let mut again = Vec::new();
    codec::encode(&value, &mut again, u32::MAX).expect("what was decoded can be encoded");
    assert!(again.len() <= data.len(), "encoded again it is longer");
    assert_eq!(codec::decode::<Any>(&again).expect("what was encoded can be decoded"), value);
}

/// Canonical keys: equal values equal bytes, different values different bytes, maps in any order.
pub fn logical_key(data: &[u8]) {
    let mut input = Input(data);
    let (one, other) = (key(&mut input, DEPTH), key(&mut input, DEPTH));
    let (Ok(bytes), Ok(others)) = (one.to_cache_key(), other.to_cache_key()) else { return };
    let mut turned = one.clone();
    turn(&mut turned, input.byte());
    assert!(turned.to_cache_key().as_ref() == Ok(&bytes), "the order of a map changed its bytes");
    assert_eq!(bytes == others, sorted(one.clone()) == sorted(other), "equal keys and equal bytes");
    assert!(codec::encode(&one, io::sink(), u32::MAX).is_ok());
    // The bytes are this value and no other.
    assert!(codec::decode::<Any>(bytes.as_bytes()).map(sorted) == Ok(sorted(one)), "another value");
    float_is_refused(&mut input);
}

/// A key of the parts that have a canonical form.
fn key(input: &mut Input<'_>, depth: u8) -> Any {
    match input.byte() % if depth == 0 { 6 } else { 8 } {
        0 => Any::Nil,
        1 => Any::Bool(input.byte().is_multiple_of(2)),
        2 => Any::Unsigned(input.number() >> (input.byte() % 64)),
        3 => {
            let number = input.number() as i64 >> (input.byte() % 64);
            u64::try_from(number).map_or(Any::Signed(number), Any::Unsigned)
        }
        4 => Any::Text(input.text()),
        5 => Any::Bytes(input.piece().to_vec()),
        6 => {
            let length = input.byte() % 18;
            Any::List((0..length).map(|_| key(input, depth - 1)).collect())
        }
        _ => {
            let length = input.byte() % 18;
            Any::Map((0..length).map(|_| (key(input, depth - 1), key(input, depth - 1))).collect())
        }
    }
}

/// Turns the entries of every map by so many places.
fn turn(key: &mut Any, by: u8) {
    match key {
        Any::List(items) => items.iter_mut().for_each(|item| turn(item, by)),
        Any::Map(entries) => {
            if !entries.is_empty() {
                let places = usize::from(by) % entries.len();
                entries.rotate_left(places);
            }
            for (name, value) in entries {
                turn(name, by);
                turn(value, by);
            }
        }
        _ => {}
    }
}

/// The same with every map in one order.
fn sorted(key: Any) -> Any {
    match key {
        Any::List(items) => Any::List(items.into_iter().map(sorted).collect()),
        Any::Map(entries) => {
            let sorted_entry = |(name, value)| (sorted(name), sorted(value));
            let mut entries: Vec<_> = entries.into_iter().map(sorted_entry).collect();
            entries.sort();
            Any::Map(entries)
        }
        other => other,
    }
}

/// Wherever in a key a float stands.
fn float_is_refused(input: &mut Input<'_>) {
    let float = Any::List(vec![key(input, 1), Any::Double(input.number())]);
    let refused = float.to_cache_key();
    assert!(matches!(refused, Err(KeyError::Float | KeyError::DuplicateKey | KeyError::TooLong)));
}
