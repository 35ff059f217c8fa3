//! serde's side of [`Guard`]: each of its forms, and what it takes.

use std::fmt::{self, Display, Write as _};

use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::{Serialize, Serializer, ser::Error as _};

use super::{super::EncodeError, Guard, Guarded, Open, State};

macro_rules! scalars {
    ($($method:ident($of:ty): $size:expr;)*) => {$(
        #[inline(always)]
        fn $method(self, v: $of) -> Result<S::Ok, S::Error> {
            self.at.charge($size(v))?;
            self.inner.$method(v)
        }
    )*};
}

macro_rules! containers {
    ($($method:ident($at:ident; $($name:ident: $of:ty),*) -> $open:ident: $inside:expr;)*) => {$(
        #[inline(always)]
        fn $method(self, $($name: $of),*) -> Result<Self::$open, S::Error> {
            let $at = self.at;
            let at = $inside?;
            Ok(Open { inner: self.inner.$method($($name),*)?, at })
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Guard<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Open<'a, S::SerializeSeq>;
    type SerializeTuple = Open<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Open<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Open<'a, S::SerializeTupleVariant>;
    type SerializeMap = Open<'a, S::SerializeMap>;
    type SerializeStruct = Open<'a, S::SerializeStruct>;
    type SerializeStructVariant = Open<'a, S::SerializeStructVariant>;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    scalars! {
        serialize_bool(bool): |_| 1;
        serialize_i8(i8): signed;
        serialize_i16(i16): signed;
        serialize_i32(i32): signed;
        serialize_i64(i64): signed;
        serialize_i128(i128): |_| 16;
        serialize_u8(u8): unsigned;
        serialize_u16(u16): unsigned;
        serialize_u32(u32): unsigned;
        serialize_u64(u64): unsigned;
        serialize_u128(u128): |_| 16;
        serialize_f32(f32): |_| 5;
        serialize_f64(f64): |_| 9;
        serialize_char(char): |v: char| 1 + v.len_utf8();
        serialize_str(&str): text;
        serialize_bytes(&[u8]): |v: &[u8]| v.len().max(1);
    }

    #[inline(always)]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.at.charge(1)?;
        self.inner.serialize_none()
    }

    #[inline(always)]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.at.charge(1)?;
        self.inner.serialize_unit()
    }

    /// rmp-serde writes an empty array.
    #[inline(always)]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.at.inside(1)?;
        self.inner.serialize_unit_struct(name)
    }

    #[inline(always)]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.at.charge(text(variant))?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Guarded { value, at: self.at.wrapped()? })
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let mut at = self.at.wrapped()?;
        if name == MSGPACK_EXT_STRUCT_NAME {
            at.levels += 1; // the pair of its tag and its bytes is not written as a container
        }
        self.inner.serialize_newtype_struct(name, &Guarded { value, at })
    }

    #[inline(always)]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let at = self.at.variant(variant, 1)?;
        self.inner.serialize_newtype_variant(name, index, variant, &Guarded { value, at })
    }

    containers! {
        serialize_seq(at; len: Option<usize>) -> SerializeSeq: at.counted(len);
        serialize_tuple(at; len: usize) -> SerializeTuple: at.inside(1);
        serialize_tuple_struct(at; name: &'static str, len: usize) -> SerializeTupleStruct: at.inside(1);
        serialize_tuple_variant(at; name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant: at.variant(variant, 2);
        serialize_map(at; len: Option<usize>) -> SerializeMap: at.counted(len);
        serialize_struct(at; name: &'static str, len: usize) -> SerializeStruct: at.inside(1);
        serialize_struct_variant(at; name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant: at.variant(variant, 2);
    }

    /// No part fails unnoticed here, and rmp-serde's own loop is the fastest.
    #[inline(always)]
    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, items: I) -> Result<S::Ok, S::Error> {
        let items = items.into_iter();
        let at = self.at.counted(known(&items))?;
        self.inner.collect_seq(items.map(|value| Guarded { value, at }))
    }

    #[inline(always)]
    fn collect_map<K: Serialize, V: Serialize, I: IntoIterator<Item = (K, V)>>(
        self,
        entries: I,
    ) -> Result<S::Ok, S::Error> {
        let entries = entries.into_iter();
        let at = self.at.counted(known(&entries))?;
        self.inner
            .collect_map(entries.map(|(key, value)| (Guarded { value: key, at }, Guarded { value, at })))
    }

    /// Written piece by piece: a `Display` without end meets the limit, not the end of the memory.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let mut text = Text { text: String::new(), state: self.at.state };
        write!(text, "{value}").map_err(S::Error::custom)?;
        self.serialize_str(&text.text)
    }
}

/// The length, where rmp-serde will know it too.
fn known(items: &impl Iterator) -> Option<usize> {
    let (least, most) = items.size_hint();
    most.filter(|most| *most == least && u32::try_from(least).is_ok())
}

struct Text<'a> {
    text: String,
    state: &'a State,
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if more.len() > self.state.left.get().saturating_sub(self.text.len()) {
            return Err(self.state.refuse(EncodeError::Full));
        }
        self.text.push_str(more);
        Ok(())
    }
}

// At most what rmp-serde writes, and more than half of it.

#[inline(always)]
fn text(v: &str) -> usize {
    1 + v.len()
}

#[inline(always)]
fn unsigned(v: impl Into<u64>) -> usize {
    1 + (u64::BITS - v.into().leading_zeros()) as usize / 8
}

#[inline(always)]
fn signed(v: impl Into<i64>) -> usize {
    let v = v.into();
    unsigned((v ^ v >> 63) as u64) // a negative one by its complement
}
