//! What stands between a value and rmp-serde, which bounds neither the depth of a value nor what it collects itself.
//!
//! Everything is forwarded as it comes, so the bytes are rmp-serde's.

mod serializer;

use std::cell::Cell;

use serde::{Serialize, Serializer, ser};

use super::{EncodeError, check::MAX_DEPTH};

/// `Some` and newtype structs inside each other: they leave no bytes, so only this bounds the stack they need.
const MAX_WRAPPERS: u16 = 256;

/// What all parts of one value share.
pub(super) struct State {
    /// Bytes that containers of unknown length, which rmp-serde collects in memory of its own, may still take.
    left: Cell<usize>,
    refused: Cell<Option<EncodeError>>,
}

impl State {
    pub(super) fn new(limit: u32) -> Self {
        Self { left: Cell::new(limit as usize), refused: Cell::new(None) }
    }

    /// The first refusal, even where a type's own `Serialize` swallowed it: then a part is missing.
    pub(super) fn refused(&self) -> Option<EncodeError> {
        self.refused.get()
    }

    #[cold]
    fn refuse<E: ser::Error>(&self, why: EncodeError) -> E {
        self.mark(why);
        E::custom("")
    }

    #[cold]
    fn mark(&self, why: EncodeError) {
        self.refused.set(self.refused.get().or(Some(why)));
    }
}

/// Where a part of the value stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    state: &'a State,
    /// Containers that may still stand inside each other here.
    levels: u8,
    /// The same for wrappers.
    wrappers: u16,
    /// Inside a container of unknown length.
    loose: bool,
}

impl Place<'_> {
    /// Counts what will be written, or a little less, where rmp-serde collects it.
    #[inline(always)]
    fn charge<E: ser::Error>(self, size: usize) -> Result<(), E> {
        if self.loose {
            let left = self.state.left.get().checked_sub(size);
            self.state.left.set(left.ok_or_else(|| self.state.refuse(EncodeError::Full))?);
        }
        Ok(())
    }

    /// The place inside so many containers, of which one is in the other.
    #[inline(always)]
    fn inside<E: ser::Error>(self, containers: u8) -> Result<Self, E> {
        self.charge(containers.into())?;
        let levels = self.levels.checked_sub(containers);
        Ok(Self { levels: levels.ok_or_else(|| self.state.refuse(EncodeError::TooDeep))?, ..self })
    }

    /// The place inside a sequence or map.
    #[inline(always)]
    fn counted<E: ser::Error>(self, len: Option<usize>) -> Result<Self, E> {
        Ok(Self { loose: self.loose || len.is_none(), ..self.inside(1)? })
    }

    /// The place inside `{variant: content}`, with the content if that is a container too.
    #[inline(always)]
    fn variant<E: ser::Error>(self, variant: &str, containers: u8) -> Result<Self, E> {
        self.charge(1 + variant.len())?;
        self.inside(containers)
    }

    #[inline(always)]
    fn wrapped<E: ser::Error>(self) -> Result<Self, E> {
        let wrappers = self.wrappers.checked_sub(1);
        Ok(Self { wrappers: wrappers.ok_or_else(|| self.state.refuse(EncodeError::TooDeep))?, ..self })
    }
}

/// A serializer that is given no more than is allowed at its place.
pub(super) struct Guard<'a, S> {
    inner: S,
    at: Place<'a>,
}

impl<'a, S> Guard<'a, S> {
    pub(super) fn new(inner: S, state: &'a State) -> Self {
        let (levels, wrappers) = (MAX_DEPTH as u8, MAX_WRAPPERS);
        Self { inner, at: Place { state, levels, wrappers, loose: false } }
    }
}

/// A part of the value, at its place.
struct Guarded<'a, T> {
    value: T,
    at: Place<'a>,
}

impl<T: Serialize> Serialize for Guarded<'_, T> {
    #[inline(always)]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Guard { inner, at: self.at })
    }
}

/// A container being written.
pub(super) struct Open<'a, C> {
    inner: C,
    at: Place<'a>,
}

impl<C> Open<'_, C> {
    /// Writes nothing after a refusal, and remembers if a part failed: nothing must be made of what there is of it.
    #[inline(always)]
    fn part<T: Serialize + ?Sized, E: ser::Error>(
        &mut self,
        value: &T,
        write: impl FnOnce(&mut C, &Guarded<'_, &T>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { inner, at } = self;
        if let Some(why) = at.state.refused.get() {
            return Err(at.state.refuse(why));
        }
        let done = write(inner, &Guarded { value, at: *at });
        if done.is_err() {
            at.state.mark(EncodeError::Refused);
        }
        done
    }
}

macro_rules! arrays {
    ($($of:ident::$push:ident),*) => {$(
        impl<C: ser::$of> ser::$of for Open<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline(always)]
            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.part(value, |inner, value| inner.$push(value))
            }

            #[inline(always)]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
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

impl<C: ser::SerializeMap> ser::SerializeMap for Open<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline(always)]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.part(key, |inner, key| inner.serialize_key(key))
    }

    #[inline(always)]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.part(value, |inner, value| inner.serialize_value(value))
    }

    #[inline(always)]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

macro_rules! structs {
    ($($of:ident),*) => {$(
        impl<C: ser::$of> ser::$of for Open<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), C::Error> {
                self.at.charge(1 + name.len())?;
                self.part(value, |inner, value| inner.serialize_field(name, value))
            }

            #[inline(always)]
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            #[inline(always)]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);
