use std::collections::HashMap;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};

use super::{
    super::{check, check::Flaw, decode},
    ada, encoded, unhex,
};
use crate::error::Unreadable;

#[test]
fn a_byte_too_few_or_too_many_is_undecodable() {
    let payload = encoded(&ada());
    for end in 0..payload.len() {
        assert_eq!(check(&payload[..end]), Err(Flaw::NotOneValue), "{end}");
        assert_eq!(decode::<IgnoredAny>(&payload[..end]).unwrap_err(), Unreadable::Undecodable);
    }
    for more in 0..=255 {
        assert_eq!(check(&[&payload[..], &[more]].concat()), Err(Flaw::NotOneValue), "{more:02x}");
    }
}

#[test]
fn every_marker_takes_its_size_and_not_a_byte_less() {
    for (marker, size) in [
        ("00", 0),
        ("7f", 0),
        ("e0", 0),
        ("ff", 0),
        ("c0", 0),
        ("c2", 0),
        ("c3", 0),
        ("ca", 4),
        ("cb", 8),
        ("cc", 1),
        ("cd", 2),
        ("ce", 4),
        ("cf", 8),
        ("d0", 1),
        ("d1", 2),
        ("d2", 4),
        ("d3", 8),
        ("d4", 2),
        ("d5", 3),
        ("d6", 5),
        ("d7", 9),
        ("d8", 17),
        ("c703", 4),
        ("c70000", 0),
        ("c80102", 259),
        ("c900010002", 65_539),
        ("a0", 0),
        ("bf", 31),
        ("d9ff", 255),
        ("da0102", 258),
        ("db00010002", 65_538),
        ("c4ff", 255),
        ("c50102", 258),
        ("c600010002", 65_538),
        ("90", 0),
        ("9f", 15),
        ("dc0102", 258),
        ("dd00010002", 65_538),
        ("80", 0),
        ("8f", 30),
        ("de0102", 516),
        ("df00010002", 131_076),
    ] {
        let mut payload = unhex(marker);
        payload.resize(payload.len() + size, 0);
        assert_eq!(check(&payload), Ok(()), "{marker}");
        assert!(decode::<IgnoredAny>(&payload).is_ok(), "{marker}");
        assert_eq!(check(&[&payload[..], &[0]].concat()), Err(Flaw::NotOneValue), "{marker}");
        payload.pop();
        assert_eq!(check(&payload), Err(Flaw::NotOneValue), "{marker}");
    }
    assert_eq!(check(&[0xc1]), Err(Flaw::NotOneValue));
    assert_eq!(check(&[0x91, 0xc1]), Err(Flaw::NotOneValue));
}

#[test]
fn strings_are_utf8_even_in_fields_that_nobody_reads() {
    let header = ["a2", "d902", "da0002", "db00000002"];
    for header in header.map(unhex) {
        for text in [b"\xff\xfe", b"\xc3\x28", b"a\x80", b"\xc0\x80"] {
            let payload = [b"\x81\xa1x", &header[..], text].concat();
            assert_eq!(check(&payload), Err(Flaw::NotOneValue));
            assert!(decode::<IgnoredAny>(&payload).is_err());
        }
        assert_eq!(check(&[&header[..], "é".as_bytes()].concat()), Ok(()));
    }
    assert_eq!(check(&[0xc4, 2, 0xff, 0xfe]), Ok(()), "bin is any bytes");
}

#[test]
fn huge_declared_sizes_are_refused_before_decoding() {
    /// Refuses to be asked: the check comes first.
    struct Untouched;
    impl<'de> Deserialize<'de> for Untouched {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("decoded before the check")
        }
    }
    for header in [
        "ddffffffff",
        "dfffffffff",
        "dbffffffff",
        "c6ffffffff",
        "c9ffffffff",
        "dcffff",
        "deffff",
        "df80000000",
    ] {
        let payload = [unhex(header), vec![0; 100]].concat();
        assert_eq!(check(&payload), Err(Flaw::NotOneValue), "{header}");
        assert!(decode::<Untouched>(&payload).is_err());
        assert!(decode::<Vec<u64>>(&payload).is_err());
        assert!(decode::<HashMap<u8, u8>>(&payload).is_err());
        assert!(decode::<String>(&payload).is_err());
        assert!(decode::<Vec<()>>(&payload).is_err());
    }
}

/// Deserializes without reading all of its value.
#[derive(Debug)]
struct Lazy;

impl<'de> Deserialize<'de> for Lazy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Peek;
        impl<'de> Visitor<'de> for Peek {
            type Value = Lazy;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }
            fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<Lazy, D::Error> {
                Ok(Lazy)
            }
            fn visit_none<E>(self) -> Result<Lazy, E> {
                Ok(Lazy)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Lazy, D::Error> {
                Ok(Lazy)
            }
        }
        deserializer.deserialize_option(Peek)
    }
}

#[test]
fn a_type_that_reads_only_a_part_is_undecodable() {
    assert!(decode::<Lazy>(&[0xc0]).is_ok());
    for payload in ["07", "91c0", "a161", "c401c1", "81c0c0", "d401c1", "cb7ff8000000000000"] {
        assert_eq!(decode::<Lazy>(&unhex(payload)).unwrap_err(), Unreadable::Undecodable, "{payload}");
        assert_eq!(decode::<Blind>(&unhex(payload)).unwrap_err(), Unreadable::Undecodable, "{payload}");
    }
    assert_eq!(decode::<Blind>(&[0xc0]).unwrap_err(), Unreadable::Undecodable);
}

/// Deserializes without reading anything.
#[derive(Debug)]
struct Blind;

impl<'de> Deserialize<'de> for Blind {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}
