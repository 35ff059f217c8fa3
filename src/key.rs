//! Logical keys and their one canonical form: FORMAT.md, "Names".

mod canonical;
mod serializer;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use tinyvec::TinyVec;

use crate::error::KeyError;

/// How many bytes of a key lie inline, so that looking it up allocates nothing: enough for nearly every key.
const INLINE: usize = 46;
/// On the heap only where they are more.
type Bytes = TinyVec<[u8; INLINE]>;

/// What an application calls a cached value: a `&str`, an integer, a tuple of plain values, a struct, an enum.
///
/// Every [`Serialize`] type is one, so there is nothing to implement. Two keys are the same key when their canonical
/// encodings are equal: `"a"`, `String::from("a")` and `Some('a')` are one key, `("a", 1)` and `("a", "1")` are two. A
/// struct is a map by field name, so renaming a field renames its entries. Floating-point numbers are refused. A `HashSet`
/// is a sequence in an order of its own each time, so equal sets are different keys: use a `BTreeSet`; maps are sorted. Bytes
/// that should be bytes, and not an array of integers, are `serde_bytes::Bytes`.
pub trait Key {
    /// The canonical bytes of this key.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Float`], [`KeyError::IntegerRange`], [`KeyError::DuplicateKey`]: a part has no canonical form;
    /// - [`KeyError::TooDeep`]: more than 64 containers inside each other, or more than 256 `Some` and newtype structs;
    /// - [`KeyError::TooLong`]: more than 65,536 bytes once encoded;
    /// - [`KeyError::Serialize`]: the type's own `Serialize` failed or broke serde's rules, or it is a MessagePack
    ///   extension type.
    fn to_cache_key(&self) -> Result<CacheKey, KeyError>;
}

impl<K: Serialize + ?Sized> Key for K {
    fn to_cache_key(&self) -> Result<CacheKey, KeyError> {
        let mut key = Ok(CacheKey(Bytes::new()));
        if let Ok(CacheKey(bytes)) = &mut key
            && let Err(why) = canonical::encode(self, bytes)
        {
            key = Err(why);
        }
        key
    }
}

/// The canonical MessagePack of a logical key, 1 to 65,536 bytes: what its name in a store is derived from.
///
/// Made by [`Key::to_cache_key`]. It never reaches a store, and its `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(Bytes);

impl CacheKey {
    /// The canonical MessagePack.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({} bytes)", self.as_bytes().len())
    }
}
