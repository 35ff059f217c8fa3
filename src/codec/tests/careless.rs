//! Types that swallow the errors of their parts.

use std::iter;

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap, SerializeSeq, SerializeStruct},
};

use super::{
    LIMIT, encode,
    guard::{ENDLESS, Stream, refused, tree},
};
use crate::codec::EncodeError;

/// Its first part's error is dropped, then come the others.
enum Careless<T> {
    Seq(T),
    Map(T),
    Struct(T),
}

impl<T: Serialize> Serialize for Careless<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Seq(part) => {
                let mut seq = serializer.serialize_seq(None)?;
                let _ = seq.serialize_element(part);
                let _ = seq.serialize_element(&1);
                seq.end()
            }
            Self::Map(part) => {
                let mut map = serializer.serialize_map(None)?;
                let _ = map.serialize_entry("key", part);
                map.end()
            }
            Self::Struct(part) => {
                let mut fields = serializer.serialize_struct("Careless", 1)?;
                let _ = fields.serialize_field("first", part);
                let _ = fields.serialize_field("then", &1);
                fields.end()
            }
        }
    }
}

#[test]
fn the_first_refusal_stands_though_the_type_swallows_it() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("secret"))
        }
    }
    for careless in [Careless::Seq, Careless::Map, Careless::Struct] {
        assert_eq!(refused(&careless(tree(65))), Some(EncodeError::TooDeep));
        assert_eq!(refused(&Some([careless(tree(65))])), Some(EncodeError::TooDeep));
    }
    for careless in [Careless::Seq, Careless::Map, Careless::Struct] {
        assert_eq!(
            refused(&(careless(Stream(iter::repeat_n(1, ENDLESS))), tree(65))),
            Some(EncodeError::Full)
        );
    }
    for careless in [Careless::Seq, Careless::Map, Careless::Struct] {
        assert_eq!(refused(&careless(Failing)), Some(EncodeError::Refused));
    }
}

#[test]
fn nothing_is_written_after_a_refusal() {
    let mut out = Vec::new();
    let value = [Careless::Struct(tree(65))];
    assert_eq!(encode(&value, &mut out, LIMIT), Err(EncodeError::TooDeep));
    assert!(out.starts_with(b"\x91\x81\xa5first\x81\xa4Node") && out.ends_with(b"Node"));
}
