//! Any value that serde knows.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
    ser::SerializeMap,
};

/// A value of any shape. Floats are equal by their bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Any {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(u32),
    Double(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Map(Vec<(Any, Any)>),
    /// An extension type: its number and its bytes.
    Extension(i8, Vec<u8>),
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Nil)
    }

    fn visit_none<E>(self) -> Result<Any, E> {
        Ok(Any::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        Any::deserialize(deserializer)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Any, E> {
        Ok(Any::Bool(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Any, E> {
        Ok(Any::Unsigned(it))
    }

    /// One number has one form.
    fn visit_i64<E>(self, it: i64) -> Result<Any, E> {
        Ok(u64::try_from(it).map_or(Any::Signed(it), Any::Unsigned))
    }

    fn visit_f32<E>(self, it: f32) -> Result<Any, E> {
        Ok(Any::Float(it.to_bits()))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Any, E> {
        Ok(Any::Double(it.to_bits()))
    }

    fn visit_str<E>(self, it: &str) -> Result<Any, E> {
        Ok(Any::Text(it.to_owned()))
    }

    fn visit_bytes<E>(self, it: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(it.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Any::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Any::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Any, A::Error> {
        let (name, variant) = data.variant::<Any>()?;
        Ok(Any::Map(vec![(name, variant.newtype_variant()?)]))
    }

    /// rmp-serde gives an extension type as a newtype of its number and its bytes.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        let (number, bytes) = <(i8, ExtensionBytes)>::deserialize(deserializer)?;
        Ok(Any::Extension(number, bytes.0))
    }
}

/// Bytes that serde would otherwise take for a sequence.
struct ExtensionBytes(Vec<u8>);

impl<'de> Deserialize<'de> for ExtensionBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, it: &[u8]) -> Result<Vec<u8>, E> {
                Ok(it.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes).map(Self)
    }
}

/// Bytes as serde's bytes.
struct BytesOf<'a>(&'a [u8]);

impl Serialize for BytesOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(it) => serializer.serialize_bool(*it),
            Self::Unsigned(it) => serializer.serialize_u64(*it),
            Self::Signed(it) => serializer.serialize_i64(*it),
            Self::Float(bits) => serializer.serialize_f32(f32::from_bits(*bits)),
            Self::Double(bits) => serializer.serialize_f64(f64::from_bits(*bits)),
            Self::Text(it) => serializer.serialize_str(it),
            Self::Bytes(it) => serializer.serialize_bytes(it),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Extension(number, bytes) => serializer
                .serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(number, BytesOf(bytes))),
        }
    }
}
