//! Whether bytes are exactly one MessagePack value, found out before anything decodes them.

use std::str;

use crate::error::{Unreadable, ValueError};

/// Containers inside each other.
pub(super) const MAX_DEPTH: usize = 64;

/// What [`check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// More than 64 containers inside each other.
    TooDeep,
    /// Not exactly one well-formed MessagePack value.
    NotOneValue,
}

impl From<Flaw> for Unreadable {
    fn from(_: Flaw) -> Self {
        Self::Undecodable
    }
}

impl From<Flaw> for ValueError {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::TooDeep => Self::TooDeep,
            Flaw::NotOneValue => Self::Serialize,
        }
    }
}

/// Holds `payload` to be exactly one MessagePack value, nested at most 64 deep, every declared size inside it, every
/// str UTF-8: FORMAT.md, "Opening". Extension types pass. One pass, no recursion, no allocation.
pub(crate) fn check(payload: &[u8]) -> Result<(), Flaw> {
    is_one_value::<true>(payload)
}

/// The same of what [`encode`](super::encode) has written: every str there was a `str` when serde was given it.
pub(crate) fn check_encoded(payload: &[u8]) -> Result<(), Flaw> {
    debug_assert_eq!(is_one_value::<false>(payload), check(payload));
    is_one_value::<false>(payload)
}

fn is_one_value<const UTF8: bool>(payload: &[u8]) -> Result<(), Flaw> {
    let mut rest = Rest::<UTF8>(payload);
    let mut outer = [0; MAX_DEPTH];
    let mut depth = 0_usize;
    let mut left = 1; // values still to come in the innermost open container
    loop {
        while left == 0 {
            let Some(container) = depth.checked_sub(1) else {
                return if rest.0.is_empty() { Ok(()) } else { Err(Flaw::NotOneValue) };
            };
            depth = container;
            left = outer[depth];
        }
        left -= 1;
        if let Some(values) = rest.value()? {
            if values > rest.0.len() {
                return Err(Flaw::NotOneValue); // each takes a byte at least
            }
            *outer.get_mut(depth).ok_or(Flaw::TooDeep)? = left;
            depth += 1;
            left = values;
        }
    }
}

/// What is still unread.
struct Rest<'a, const UTF8: bool>(&'a [u8]);

impl<'a, const UTF8: bool> Rest<'a, UTF8> {
    /// Reads one scalar, or a container's header: then it tells how many values follow inside.
    #[inline(always)]
    fn value(&mut self) -> Result<Option<usize>, Flaw> {
        match self.size::<1>()? {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Ok(None), // fixint, nil, false, true
            marker @ 0xa0..=0xbf => self.text(marker & 0x1f),
            marker @ 0x80..=0x8f => Ok(Some(2 * (marker & 0x0f))),
            marker @ 0x90..=0x9f => Ok(Some(marker & 0x0f)),
            0xcc | 0xd0 => self.skip(1), // integers and floats
            0xcd | 0xd1 => self.skip(2),
            0xca | 0xce | 0xd2 => self.skip(4),
            0xcb | 0xcf | 0xd3 => self.skip(8),
            0xd9 => self.size::<1>().and_then(|size| self.text(size)),
            0xda => self.size::<2>().and_then(|size| self.text(size)),
            0xdb => self.size::<4>().and_then(|size| self.text(size)),
            0xc4 => self.size::<1>().and_then(|size| self.skip(size)), // bin
            0xc5 => self.size::<2>().and_then(|size| self.skip(size)),
            0xc6 => self.size::<4>().and_then(|size| self.skip(size)),
            0xdc => self.size::<2>().map(Some),
            0xdd => self.size::<4>().map(Some),
            0xde => self.size::<2>().map(|size| Some(2 * size)),
            0xdf => self.size::<4>().map(|size| Some(size.saturating_mul(2))),
            marker @ 0xd4..=0xd8 => self.skip(1 + (1 << (marker - 0xd4))), // ext: its type, then 1 to 16 bytes
            0xc7 => self.size::<1>().and_then(|size| self.skip(size.saturating_add(1))),
            0xc8 => self.size::<2>().and_then(|size| self.skip(size.saturating_add(1))),
            0xc9 => self.size::<4>().and_then(|size| self.skip(size.saturating_add(1))),
            _ => Err(Flaw::NotOneValue), // 0xc1, never used
        }
    }

    /// A big-endian number of `N` bytes, at most 4.
    #[inline(always)]
    fn size<const N: usize>(&mut self) -> Result<usize, Flaw> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Flaw::NotOneValue)?;
        self.0 = rest;
        Ok(bytes.iter().fold(0, |size, &byte| (size << 8) + usize::from(byte)))
    }

    #[inline(always)]
    fn take(&mut self, size: usize) -> Result<&'a [u8], Flaw> {
        let (bytes, rest) = self.0.split_at_checked(size).ok_or(Flaw::NotOneValue)?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline(always)]
    fn skip(&mut self, size: usize) -> Result<Option<usize>, Flaw> {
        self.take(size).map(|_| None)
    }

    #[inline(always)]
    fn text(&mut self, size: usize) -> Result<Option<usize>, Flaw> {
        let text = self.take(size)?;
        // Most texts are ASCII, and that is seen in half the time.
        let is_utf8 = || text.is_ascii() || str::from_utf8(text).is_ok();
        if UTF8 && !is_utf8() { Err(Flaw::NotOneValue) } else { Ok(None) }
    }
}
