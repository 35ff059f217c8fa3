//! Writes the canonical MessagePack of FORMAT.md, "Names", within its limits.

use std::{
    fmt::{self, Display},
    io,
    ops::Range,
};

use rmp::encode::{self, ValueWriteError};
use serde::{Serialize, ser};

use super::Bytes;
use crate::error::KeyError;

/// The longest canonical key in bytes.
const MAX_LEN: usize = 65_536;
/// Containers inside each other, an enum's `{name: content}` included.
const MAX_DEPTH: u8 = 64;
/// `Some` and newtype structs inside each other: they leave no bytes, so only this bounds the stack they need.
const MAX_WRAPPERS: u16 = 256;
/// The longest header in bytes, of 2^16 elements or more: what it would announce is refused.
const MAX_HEADER: usize = 5;

/// Writes a key into an empty buffer, where it is to stay: a copy would wait for what has just been written.
pub(super) fn encode<K: Serialize + ?Sized>(key: &K, bytes: &mut Bytes) -> Result<(), KeyError> {
    let mut out = Canonical { bytes, entries: Vec::new(), depth: 0, wrappers: 0, refused: None };
    let done = key.serialize(&mut out);
    // The first refusal stands, even where the key's own `Serialize` renamed or swallowed it.
    match (out.refused, done) {
        (Some(why), _) | (None, Err(Refused(why))) => Err(why),
        (None, Ok(())) => Ok(()),
    }
}

pub(super) struct Canonical<'b> {
    pub(super) bytes: &'b mut Bytes,
    /// The finished entries of every map that is still open, those of the innermost one last.
    entries: Vec<Entry>,
    depth: u8,
    wrappers: u16,
    refused: Option<KeyError>,
}

/// One map entry: `start..value` of the bytes is its key, `value..end` its value.
struct Entry {
    start: usize,
    value: usize,
    end: usize,
}

/// Why serializing stopped. The text of a type's own error is dropped unread: it may hold the key.
#[derive(Debug)]
pub(super) struct Refused(KeyError);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(_: T) -> Self {
        Self(KeyError::Serialize)
    }
}

/// Writing into [`Canonical`] fails for one reason.
impl From<ValueWriteError> for Refused {
    fn from(_: ValueWriteError) -> Self {
        Self(KeyError::TooLong)
    }
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Self {
        Self(KeyError::TooLong)
    }
}

/// The only way in for bytes, so that no key outgrows the limit even for a moment.
impl io::Write for Canonical<'_> {
    #[inline]
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_all(data).map(|()| data.len())
    }

    #[inline]
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.reserve(data.len()).map_err(|_| io::ErrorKind::WriteZero)?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'b> Canonical<'b> {
    pub(super) fn refuse(&mut self, why: KeyError) -> Refused {
        Refused(*self.refused.get_or_insert(why))
    }

    /// Refuses `more` bytes beyond the limit.
    #[inline]
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Refused> {
        if more > MAX_LEN - self.bytes.len() {
            return Err(self.refuse(KeyError::TooLong));
        }
        Ok(())
    }

    /// Writes a header in its shortest form. What fits into one byte, as nearly all does, makes no detour over rmp.
    #[inline]
    pub(super) fn header(&mut self, header: Header, count: u32) -> Result<(), Refused> {
        let (first, fits) = match header {
            Header::Str => (0xa0, 32),
            Header::Array => (0x90, 16),
            Header::Map => (0x80, 16),
        };
        if count < fits { self.short([first | count as u8]) } else { self.long_header(header, count) }
    }

    #[cold]
    fn long_header(&mut self, header: Header, count: u32) -> Result<(), Refused> {
        Ok(header.write(self, count)?)
    }

    #[inline]
    pub(super) fn short<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Refused> {
        self.reserve(N)?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Result<(), Refused> {
        self.header(Header::Str, text.len().min(MAX_LEN) as u32)?;
        self.reserve(text.len())?;
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Serializes a part, and remembers if that failed: what was written of it must never become a key.
    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut *self).map_err(|Refused(why)| self.refuse(why))
    }

    pub(super) fn wrapped<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if self.wrappers == MAX_WRAPPERS {
            return Err(self.refuse(KeyError::TooDeep));
        }
        self.wrappers += 1;
        value.serialize(&mut *self)?;
        self.wrappers -= 1;
        Ok(())
    }

    #[inline]
    fn enter(&mut self) -> Result<(), Refused> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(KeyError::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    /// Writes `{name: value}`.
    pub(super) fn variant<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        self.begin_variant(name)?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    /// Begins `{name: container}`.
    pub(super) fn open_variant(
        &mut self,
        name: &str,
        content: Header,
        declared: usize,
    ) -> Result<Open<'_, 'b>, Refused> {
        self.begin_variant(name)?;
        Ok(Open { levels: 2, ..self.open(content, declared)? })
    }

    fn begin_variant(&mut self, name: &str) -> Result<(), Refused> {
        self.enter()?;
        self.header(Header::Map, 1)?;
        self.text(name)
    }

    /// Begins a container. The declared length is a guess: [`retitle`](Self::retitle) puts the true one.
    #[inline]
    pub(super) fn open(&mut self, header: Header, declared: usize) -> Result<Open<'_, 'b>, Refused> {
        self.enter()?;
        let start = self.bytes.len();
        let written = declared.min(MAX_LEN) as u32;
        self.header(header, written)?;
        let (body, first) = (self.bytes.len(), self.entries.len());
        Ok(Open { header, levels: 1, start, body, written, count: 0, first, key: None, out: self })
    }

    /// Writes a header for `count` in place of the one in `start..body`.
    pub(super) fn retitle(
        &mut self,
        header: Header,
        start: usize,
        body: usize,
        count: u32,
    ) -> Result<(), Refused> {
        let mut new = [0; MAX_HEADER];
        let mut rest = &mut new[..];
        header.write(&mut rest, count)?;
        let length = MAX_HEADER - rest.len();
        self.reserve(length.saturating_sub(body - start))?;
        let rest = self.bytes[body..].to_vec();
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(&new[..length]);
        self.bytes.extend_from_slice(&rest);
        Ok(())
    }

    /// Sorts the finished entries from `first` on, which are all of the bytes from `body` on.
    fn sort(&mut self, first: usize, body: usize) -> Result<(), Refused> {
        let Self { bytes, entries, .. } = self;
        let entries = &mut entries[first..];
        let key = |entry: &Entry| &bytes[entry.start..entry.value];
        let ascending = |a: &Entry, b: &Entry| key(a) < key(b);
        if entries.is_sorted_by(ascending) {
            return Ok(());
        }
        entries.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        if !entries.is_sorted_by(ascending) {
            return Err(self.refuse(KeyError::DuplicateKey));
        }
        let sorted: Vec<&[u8]> = entries.iter().map(|entry| &bytes[entry.start..entry.end]).collect();
        let sorted = sorted.concat();
        bytes.truncate(body);
        bytes.extend_from_slice(&sorted);
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(super) enum Header {
    Str,
    Array,
    Map,
}

impl Header {
    /// rmp writes each in its shortest form.
    fn write<W: io::Write>(self, out: &mut W, count: u32) -> Result<(), ValueWriteError> {
        match self {
            Self::Str => encode::write_str_len(out, count),
            Self::Array => encode::write_array_len(out, count),
            Self::Map => encode::write_map_len(out, count),
        }
        .map(drop)
    }
}

/// An array or a map being written: its header is in `start..body`, and says `written` elements.
pub(super) struct Open<'a, 'b> {
    header: Header,
    /// How many containers its end closes: two where it is the content of an enum's variant.
    levels: u8,
    start: usize,
    body: usize,
    written: u32,
    count: u32,
    /// Of a map: where its entries begin in `out.entries`.
    first: usize,
    /// Of a map: the bytes of a key that waits for its value.
    key: Option<Range<usize>>,
    out: &'a mut Canonical<'b>,
}

impl Open<'_, '_> {
    #[inline]
    pub(super) fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.out.part(value)?;
        self.count += 1;
        Ok(())
    }

    pub(super) fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        if self.key.is_some() {
            return Err(self.out.refuse(KeyError::Serialize));
        }
        let start = self.out.bytes.len();
        self.out.part(key)?;
        self.key = Some(start..self.out.bytes.len());
        Ok(())
    }

    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let Some(key) = self.key.take() else {
            return Err(self.out.refuse(KeyError::Serialize));
        };
        self.out.part(value)?;
        self.out.entries.push(Entry { start: key.start, value: key.end, end: self.out.bytes.len() });
        self.count += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn close(self) -> Result<(), Refused> {
        let Self { header, levels, start, body, written, count, first, key, out } = self;
        if key.is_some() {
            return Err(out.refuse(KeyError::Serialize));
        }
        if let Some(why) = out.refused {
            return Err(Refused(why)); // its bytes are not what the entries say
        }
        if let Header::Map = header {
            out.sort(first, body)?;
            out.entries.truncate(first);
        }
        if count != written {
            out.retitle(header, start, body, count)?;
        }
        out.depth -= levels;
        Ok(())
    }
}
