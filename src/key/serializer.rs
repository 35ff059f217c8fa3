//! serde's side of [`Canonical`]: what each of serde's forms becomes.

use std::{
    fmt::{self, Display, Write as _},
    io,
};

use rmp::encode;
use serde::{Serialize, Serializer, ser};

use super::canonical::{Canonical, Header, Open, Refused};
use crate::error::KeyError;

impl<'a, 'b> Serializer for &'a mut Canonical<'b> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Open<'a, 'b>;
    type SerializeTuple = Open<'a, 'b>;
    type SerializeTupleStruct = Open<'a, 'b>;
    type SerializeTupleVariant = Open<'a, 'b>;
    type SerializeMap = Open<'a, 'b>;
    type SerializeStruct = Open<'a, 'b>;
    type SerializeStructVariant = Open<'a, 'b>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, v: bool) -> Result<(), Refused> {
        Ok(encode::write_bool(self, v)?)
    }

    #[inline]
    fn serialize_i8(self, v: i8) -> Result<(), Refused> {
        self.serialize_i64(v.into())
    }

    #[inline]
    fn serialize_i16(self, v: i16) -> Result<(), Refused> {
        self.serialize_i64(v.into())
    }

    #[inline]
    fn serialize_i32(self, v: i32) -> Result<(), Refused> {
        self.serialize_i64(v.into())
    }

    #[inline]
    fn serialize_i64(self, v: i64) -> Result<(), Refused> {
        if let Ok(v) = u64::try_from(v) {
            return self.serialize_u64(v);
        }
        encode::write_sint(self, v)?;
        Ok(())
    }

    fn serialize_i128(self, v: i128) -> Result<(), Refused> {
        match (u64::try_from(v), i64::try_from(v)) {
            (Ok(v), _) => self.serialize_u64(v),
            (_, Ok(v)) => self.serialize_i64(v),
            _ => Err(self.refuse(KeyError::IntegerRange)),
        }
    }

    #[inline]
    fn serialize_u8(self, v: u8) -> Result<(), Refused> {
        self.serialize_u64(v.into())
    }

    #[inline]
    fn serialize_u16(self, v: u16) -> Result<(), Refused> {
        self.serialize_u64(v.into())
    }

    #[inline]
    fn serialize_u32(self, v: u32) -> Result<(), Refused> {
        self.serialize_u64(v.into())
    }

    #[inline]
    fn serialize_u64(self, v: u64) -> Result<(), Refused> {
        // By hand: keys are numbers as often as they are texts, and rmp's writing of them is not inlined.
        let [a, b, c, d, e, f, g, h] = v.to_be_bytes();
        match v {
            0..0x80 => self.short([h]),
            0x80..0x100 => self.short([0xcc, h]),
            0x100..0x1_0000 => self.short([0xcd, g, h]),
            0x1_0000..0x1_0000_0000 => self.short([0xce, e, f, g, h]),
            _ => self.short([0xcf, a, b, c, d, e, f, g, h]),
        }
    }

    fn serialize_u128(self, v: u128) -> Result<(), Refused> {
        match u64::try_from(v) {
            Ok(v) => self.serialize_u64(v),
            Err(_) => Err(self.refuse(KeyError::IntegerRange)),
        }
    }

    fn serialize_f32(self, _: f32) -> Result<(), Refused> {
        Err(self.refuse(KeyError::Float))
    }

    fn serialize_f64(self, _: f64) -> Result<(), Refused> {
        Err(self.refuse(KeyError::Float))
    }

    fn serialize_char(self, v: char) -> Result<(), Refused> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, v: &str) -> Result<(), Refused> {
        self.text(v)
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), Refused> {
        self.reserve(v.len())?;
        Ok(encode::write_bin(self, v)?)
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.wrapped(value)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(encode::write_nil(self)?)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            return Err(self.refuse(KeyError::Serialize));
        }
        self.wrapped(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.variant(variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Open<'a, 'b>, Refused> {
        self.open(Header::Array, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Open<'a, 'b>, Refused> {
        self.open(Header::Array, len)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Open<'a, 'b>, Refused> {
        self.open(Header::Array, len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Open<'a, 'b>, Refused> {
        self.open_variant(variant, Header::Array, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Open<'a, 'b>, Refused> {
        self.open(Header::Map, len.unwrap_or(0))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Open<'a, 'b>, Refused> {
        self.open(Header::Map, len)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Open<'a, 'b>, Refused> {
        self.open_variant(variant, Header::Map, len)
    }

    /// Written piece by piece: a `Display` without end meets the limit, not the end of the memory.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        let start = self.bytes.len();
        self.header(Header::Str, 0)?;
        let body = self.bytes.len();
        write!(Text(self), "{value}").map_err(|fmt::Error| self.refuse(KeyError::Serialize))?;
        self.retitle(Header::Str, start, body, (self.bytes.len() - body) as u32)
    }
}

struct Text<'a, 'b>(&'a mut Canonical<'b>);

impl fmt::Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        io::Write::write_all(self.0, text.as_bytes()).map_err(|_| fmt::Error)
    }
}

macro_rules! arrays {
    ($($of:ident::$push:ident),*) => {$(
        impl ser::$of for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.element(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close()
            }
        }
    )*};
}

arrays!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

impl ser::SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.value(value)
    }

    fn end(self) -> Result<(), Refused> {
        self.close()
    }
}

macro_rules! structs {
    ($($of:ident),*) => {$(
        impl ser::$of for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.key(name)?;
                self.value(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close()
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);
