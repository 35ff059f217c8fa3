//! Sealing and opening: FORMAT.md, "Entry" and "Opening".

use std::fmt;

use bytes::Bytes;

/// Length in bytes of the shortest entry: 64 of header, 36 of inner part, 16 of tag.
const MIN_ENTRY: usize = 116;

/// An encrypted entry: all that a store learns of a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Bytes);

/// The bytes have not the shape of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealed entry: expected at least 116 bytes that begin with C1 62 63 01")]
pub struct NotSealed;

impl Sealed {
    /// Takes bytes that came back from a store or arrived at a server of yours.
    ///
    /// Tells plaintext from entries by their shape alone: whether an entry is authentic shows only when it is opened.
    ///
    /// # Errors
    /// [`NotSealed`] if there are fewer than 116 bytes or they do not begin with `C1 62 63 01`.
    pub fn parse(entry: impl Into<Bytes>) -> Result<Self, NotSealed> {
        let entry = entry.into();
        if entry.len() < MIN_ENTRY || !entry.starts_with(b"\xC1bc\x01") {
            return Err(NotSealed);
        }
        Ok(Self(entry))
    }

    /// The entry's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The entry's bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The entry's length in bytes, at least 116.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
