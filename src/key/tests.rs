//! What each form becomes. The rest: `any` value at all, `limits`, types that break serde's `rules`.

/// A key written by hand: whatever the closure does with the serializer.
macro_rules! by_hand {
    ($name:ident, |$serializer:ident| $body:expr) => {
        struct $name;
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                $body
            }
        }
    };
}

mod any;
mod limits;
mod rules;

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use any::Random;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::Key;
use crate::error::KeyError;

fn bytes<K: Serialize + ?Sized>(key: &K) -> Vec<u8> {
    key.to_cache_key().unwrap().as_bytes().to_vec()
}

fn refused<K: Serialize + ?Sized>(key: &K) -> KeyError {
    key.to_cache_key().unwrap_err()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_vector_has_its_bytes() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/v1.json")).unwrap();
    let rows = vectors["canonical_keys"].as_array().unwrap();
    assert!(rows.len() > 30);
    for row in rows {
        assert_eq!(hex(&bytes(&row["value"])), row["msgpack"].as_str().unwrap(), "{}", row["value"]);
    }
}

// ---- scalars

#[test]
fn an_integer_has_one_form_whatever_its_type() {
    for (number, form) in [
        (0_i128, "00"),
        (42, "2a"),
        (127, "7f"),
        (128, "cc80"),
        (255, "ccff"),
        (256, "cd0100"),
        (65_535, "cdffff"),
        (65_536, "ce00010000"),
        (u32::MAX.into(), "ceffffffff"),
        (i128::from(u32::MAX) + 1, "cf0000000100000000"),
        (i64::MAX.into(), "cf7fffffffffffffff"),
        (u64::MAX.into(), "cfffffffffffffffff"),
        (-1, "ff"),
        (-32, "e0"),
        (-33, "d0df"),
        (-128, "d080"),
        (-129, "d1ff7f"),
        (-32_768, "d18000"),
        (-32_769, "d2ffff7fff"),
        (i32::MIN.into(), "d280000000"),
        (i128::from(i32::MIN) - 1, "d3ffffffff7fffffff"),
        (i64::MIN.into(), "d38000000000000000"),
    ] {
        assert_eq!(hex(&bytes(&number)), form);
        macro_rules! as_types {
            ($($type:ty)*) => {$(
                if let Ok(number) = <$type>::try_from(number) {
                    assert_eq!(hex(&bytes(&number)), form, "{number} as {}", stringify!($type));
                }
            )*};
        }
        as_types!(i8 i16 i32 i64 u8 u16 u32 u64 u128 isize usize);
    }
}

#[test]
fn integers_beyond_64_bits_are_refused() {
    assert_eq!(refused(&(i128::from(u64::MAX) + 1)), KeyError::IntegerRange);
    assert_eq!(refused(&(i128::from(i64::MIN) - 1)), KeyError::IntegerRange);
    assert_eq!(refused(&i128::MIN), KeyError::IntegerRange);
    assert_eq!(refused(&(u128::from(u64::MAX) + 1)), KeyError::IntegerRange);
    assert_eq!(refused(&u128::MAX), KeyError::IntegerRange);
}

#[test]
fn floats_are_refused_everywhere() {
    assert_eq!(refused(&1.0_f64), KeyError::Float);
    assert_eq!(refused(&1.0_f32), KeyError::Float);
    assert_eq!(refused(&f64::NAN), KeyError::Float);
    assert_eq!(refused(&("user", Some(0.5))), KeyError::Float);
    assert_eq!(refused(&json!({"a": [{"b": 1.5}]})), KeyError::Float);
    assert_eq!(refused(&Shape::Circle(1.0)), KeyError::Float);
    assert_eq!(refused(&vec![(1.0_f32, 2)]), KeyError::Float);
}

#[test]
fn a_char_is_a_str_and_some_is_its_content() {
    assert_eq!(bytes(&'é'), bytes("é"));
    assert_eq!(bytes(&Some(Some('a'))), bytes("a"));
    assert_eq!(bytes(&String::from("a")), bytes("a"));
    assert_eq!(bytes(&Box::new("a")), bytes("a"));
}

#[test]
fn none_and_units_are_nil() {
    #[derive(Serialize)]
    struct Nothing;
    for nil in [bytes(&None::<u8>), bytes(&()), bytes(&Nothing), bytes(&Some(None::<u8>))] {
        assert_eq!(nil, [0xc0]);
    }
    assert_eq!(bytes(&true), [0xc3]);
    assert_eq!(bytes(&false), [0xc2]);
}

#[test]
fn strings_take_the_shortest_header() {
    for (length, header) in
        [(0, "a0"), (31, "bf"), (32, "d920"), (255, "d9ff"), (256, "da0100"), (65_533, "dafffd")]
    {
        let (text, written) = ("x".repeat(length), bytes(&"x".repeat(length)));
        assert_eq!(hex(&written[..written.len() - length]), header);
        assert!(written.ends_with(text.as_bytes()));
        assert_eq!(bytes(&format_args!("{text}")), written, "by collect_str");
    }
}

#[test]
fn bytes_are_bin_and_a_sequence_of_u8_is_an_array() {
    for (length, header) in [(0, "c400"), (255, "c4ff"), (256, "c50100"), (65_533, "c5fffd")] {
        let written = bytes(&serde_bytes::Bytes::new(&vec![7; length]));
        assert_eq!(hex(&written[..written.len() - length]), header);
    }
    assert_eq!(bytes(&[1_u8, 200]), [0x92, 1, 0xcc, 200]);
    assert_eq!(bytes(&vec![1_u8, 200]), [0x92, 1, 0xcc, 200]);
}

#[test]
fn nothing_is_written_in_its_human_readable_form() {
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(bytes(&address), b"\x81\xa2V4\x94\x7f\x00\x00\x01");
}

// ---- structs, enums, maps

#[derive(Serialize)]
enum Shape {
    Point,
    Circle(f64),
    Wide(u8, u8),
    Named { b: u8, a: u8 },
    Of(Box<Shape>),
    Empty {},
}

#[test]
fn an_enum_is_its_name_or_its_name_and_content() {
    #[derive(Serialize)]
    enum Id {
        Number(u8),
    }
    assert_eq!(bytes(&Shape::Point), bytes("Point"));
    assert_eq!(bytes(&Id::Number(1)), b"\x81\xa6Number\x01");
    assert_eq!(bytes(&Shape::Wide(1, 2)), b"\x81\xa4Wide\x92\x01\x02");
    assert_eq!(bytes(&Shape::Named { b: 2, a: 1 }), b"\x81\xa5Named\x82\xa1a\x01\xa1b\x02");
    assert_eq!(bytes(&Shape::Of(Box::new(Shape::Point))), b"\x81\xa2Of\xa5Point");
    assert_eq!(bytes(&Shape::Empty {}), b"\x81\xa5Empty\x80");
    assert_eq!(bytes(&Shape::Wide(1, 2)), bytes(&json!({"Wide": [1, 2]})));
}

#[test]
fn a_newtype_is_its_content_and_a_tuple_struct_an_array() {
    #[derive(Serialize)]
    struct Id(u32);
    #[derive(Serialize)]
    struct Pair(u8, &'static str);
    assert_eq!(bytes(&Id(7)), [7]);
    assert_eq!(bytes(&Pair(7, "a")), bytes(&(7, "a")));
    assert_eq!(bytes(&[7, 8]), bytes(&(7, 8)));
}

#[test]
fn a_struct_is_a_map_by_field_name_sorted() {
    #[derive(Serialize)]
    struct Query {
        user: u32,
        page: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u8>,
        #[serde(flatten)]
        more: BTreeMap<&'static str, u8>,
    }
    let query = |after| Query { user: 1, page: 2, after, more: BTreeMap::from([("b", 3), ("zz", 4)]) };
    assert_eq!(bytes(&query(None)), b"\x84\xa1b\x03\xa2zz\x04\xa4page\x02\xa4user\x01");
    assert_eq!(bytes(&query(Some(9))), bytes(&json!({"user": 1, "page": 2, "after": 9, "b": 3, "zz": 4})));

    let clash = Query { user: 1, page: 2, after: None, more: BTreeMap::from([("user", 3)]) };
    assert_eq!(refused(&clash), KeyError::DuplicateKey);
}

#[test]
fn maps_sort_by_the_encoded_key_as_unsigned_bytes() {
    struct Mixed(Vec<usize>);
    impl Serialize for Mixed {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for which in &self.0 {
                match which {
                    0 => map.serialize_entry(&127, &0)?,
                    1 => map.serialize_entry(&BTreeMap::from([("b", 1), ("a", 2)]), &1)?,
                    2 => map.serialize_entry(&[1], &2)?,
                    3 => map.serialize_entry("", &3)?,
                    4 => map.serialize_entry("b", &4)?,
                    5 => map.serialize_entry("aa", &5)?,
                    6 => map.serialize_entry(&(), &6)?,
                    7 => map.serialize_entry(&false, &7)?,
                    8 => map.serialize_entry(serde_bytes::Bytes::new(b"a"), &8)?,
                    9 => map.serialize_entry(&128, &9)?,
                    10 => map.serialize_entry(&-33, &10)?,
                    11 => map.serialize_entry("an entry key of 32 bytes, str 8!", &11)?,
                    _ => map.serialize_entry(&-1, &12)?,
                }
            }
            map.end()
        }
    }
    let sorted =
        b"\x8d\x7f\x00\x82\xa1a\x02\xa1b\x01\x01\x91\x01\x02\xa0\x03\xa1b\x04\xa2aa\x05\xc0\x06\xc2\x07\
        \xc4\x01a\x08\xcc\x80\x09\xd0\xdf\x0a\xd9\x20an entry key of 32 bytes, str 8!\x0b\xff\x0c";
    let mut random = Random(1);
    let mut order: Vec<usize> = (0..13).collect();
    for _ in 0..200 {
        assert_eq!(bytes(&Mixed(order.clone())), sorted);
        random.shuffle(&mut order);
    }
}

#[test]
fn equal_maps_in_any_order_are_one_key() {
    let mut random = Random(2);
    for size in [0_u32, 1, 2, 15, 16, 17, 300] {
        let mut entries: Vec<(u32, Vec<u32>)> =
            (0..size).map(|n| (n * 77, vec![n; n as usize % 5])).collect();
        let sorted: BTreeMap<_, _> = entries.iter().cloned().collect();
        random.shuffle(&mut entries);
        let hashed: HashMap<_, _> = entries.iter().cloned().collect();
        assert_eq!(bytes(&hashed), bytes(&sorted));
        assert_eq!(bytes(&[(0, &hashed)]), bytes(&[(0, &sorted)]));
    }
}

#[test]
fn a_map_with_the_same_key_twice_is_refused() {
    by_hand!(Twice, |serializer| {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(&1_u8, "a")?;
        map.serialize_entry("x", "b")?;
        map.serialize_entry(&1_i64, "c")?;
        map.end()
    });
    assert_eq!(refused(&Twice), KeyError::DuplicateKey);
    assert_eq!(refused(&[Twice]), KeyError::DuplicateKey);
    by_hand!(TwiceInARow, |serializer| {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("x", "a")?;
        map.serialize_entry(&Some('x'), "a")?;
        map.end()
    });
    assert_eq!(refused(&TwiceInARow), KeyError::DuplicateKey);
}

#[test]
fn extension_types_are_refused() {
    #[derive(Serialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, serde_bytes::ByteBuf));
    let extension = || Extension((5, serde_bytes::ByteBuf::from(vec![1])));
    assert_eq!(rmp_serde::to_vec(&extension()).unwrap(), [0xd4, 5, 1], "rmp-serde takes it as one");
    assert_eq!(refused(&extension()), KeyError::Serialize);
    assert_eq!(refused(&("a", extension())), KeyError::Serialize);
}
