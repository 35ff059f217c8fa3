//! The layout of an entry: FORMAT.md, "Entry". The only file that knows an offset.

#[cfg(test)]
mod tests;

use std::{io, ops::Range};

use super::{master::KeyId, padding::Padding, wipe::wipe};
use crate::error::{Error, Unreadable};

/// What an entry begins with: a byte that never begins a MessagePack value, two letters, the version.
pub(super) const MAGIC: [u8; 4] = *b"\xC1bc\x01";
/// Length in bytes of the header: magic, key id, nonce, commitment.
pub(super) const HEADER: usize = 64;
/// Length in bytes of the fixed part of the inner part.
const INNER: usize = 36;
/// Length in bytes of the GCM tag.
pub(crate) const TAG: usize = 16;
/// Length in bytes of the shortest entry.
pub(super) const MIN_ENTRY: usize = HEADER + INNER + TAG;
/// The largest length in bytes of a tag list.
const MAX_TAGS: usize = u16::MAX as usize;
/// The expiry of an entry without one.
pub(crate) const NEVER: u64 = u64::MAX;

const KEY_ID: Range<usize> = 4..8;
const NONCE: Range<usize> = 8..32;
const COMMITMENT: Range<usize> = 32..64;

/// Room in bytes that a draft begins with.
const ROOM: usize = 512;

/// The largest entry in bytes that may hold a value of at most `max_value` bytes, however it is padded.
pub(crate) fn max_entry(max_value: u32) -> u64 {
    let inner = (INNER + MAX_TAGS) as u64 + u64::from(max_value);
    (HEADER + TAG) as u64 + Padding::LARGEST.padded(inner).max(Padding::Padme.padded(inner))
}

/// 24 random bytes: the first 12 salt the entry's keys, the last 12 are the IV.
pub(super) struct Nonce(pub(super) [u8; 24]);

impl Nonce {
    pub(super) fn salt(&self) -> &[u8] {
        &self.0[..12]
    }

    pub(super) fn iv(&self) -> [u8; 12] {
        let [_, _, _, _, _, _, _, _, _, _, _, _, iv @ ..] = self.0;
        iv
    }
}

/// The part of an entry in front of the ciphertext.
pub(super) struct Header {
    pub(super) key_id: KeyId,
    pub(super) nonce: Nonce,
    pub(super) commitment: [u8; 32],
}

impl Header {
    pub(super) fn parse(entry: &[u8]) -> Result<Self, Unreadable> {
        if entry.len() < MIN_ENTRY || !entry.starts_with(&MAGIC[..3]) {
            return Err(Unreadable::NotSealed);
        }
        if entry[3] != MAGIC[3] {
            return Err(Unreadable::UnknownFormat);
        }
        Ok(Self {
            key_id: KeyId(array(&entry[KEY_ID])),
            nonce: Nonce(array(&entry[NONCE])),
            commitment: array(&entry[COMMITMENT]),
        })
    }

    pub(super) fn to_bytes(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC);
        header[KEY_ID].copy_from_slice(&self.key_id.0);
        header[NONCE].copy_from_slice(&self.nonce.0);
        header[COMMITMENT].copy_from_slice(&self.commitment);
        header
    }
}

/// The header as it is written, of an entry whose header can be read.
#[cfg(feature = "testing")]
pub(crate) fn rewritten(entry: &[u8]) -> Result<[u8; HEADER], Unreadable> {
    Header::parse(entry).map(|header| header.to_bytes())
}

/// How a payload is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// MessagePack with named fields.
    MessagePack = 1,
    /// Raw bytes.
    Raw = 2,
}

/// What stands beside the payload. Times are in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) codec: Codec,
    pub(crate) schema: u32,
    pub(crate) created_at: u64,
    pub(crate) stale_at: u64,
    pub(crate) expires_at: u64,
}

/// The inner part, decrypted: its fields, and where in it the rest stands.
pub(super) struct Inner {
    pub(super) meta: Meta,
    pub(super) tags: Range<usize>,
    pub(super) payload: Range<usize>,
}

impl Inner {
    /// Reads what authentication has shown to be written by a holder of the key, who may still be mistaken.
    pub(super) fn parse(inner: &[u8]) -> Result<Self, Unreadable> {
        let (fields, rest) = inner.split_at_checked(INNER).ok_or(Unreadable::Malformed)?;
        let codec = match fields[1] {
            1 => Codec::MessagePack,
            2 => Codec::Raw,
            _ => return Err(Unreadable::Malformed),
        };
        let tags = usize::from(u16::from_be_bytes(array(&fields[2..4])));
        let payload = u32::from_be_bytes(array(&fields[32..36])) as usize;
        let meta = Meta {
            codec,
            schema: u32::from_be_bytes(array(&fields[4..8])),
            created_at: u64::from_be_bytes(array(&fields[8..16])),
            stale_at: u64::from_be_bytes(array(&fields[16..24])),
            expires_at: u64::from_be_bytes(array(&fields[24..32])),
        };
        let in_order = meta.created_at <= meta.stale_at && meta.stale_at <= meta.expires_at;
        let (body, padding) = tags
            .checked_add(payload)
            .and_then(|end| rest.split_at_checked(end))
            .ok_or(Unreadable::Malformed)?;
        if fields[0] != 0 || !in_order || !is_zero(padding) || !is_tag_list(&body[..tags]) {
            return Err(Unreadable::Malformed);
        }
        let payload_at = INNER + tags;
        Ok(Self { meta, tags: INNER..payload_at, payload: payload_at..payload_at + payload })
    }
}

/// Whether all bytes are zero, without a branch for each.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}

fn is_tag_list(mut list: &[u8]) -> bool {
    while let Some((length, rest)) = list.split_first() {
        match rest.split_at_checked(usize::from(*length)) {
            Some((tag, rest)) if !tag.is_empty() => list = rest,
            _ => return false,
        }
    }
    true
}

/// The bytes as an array; the callers name slices of that length.
#[allow(clippy::expect_used)]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a slice of N bytes")
}

/// An entry being written, still in plaintext: room for the header, the inner part so far. Wiped unless it is sealed.
///
/// The payload is written through [`io::Write`], which fails once it would be longer than the limit.
pub(crate) struct Draft {
    bytes: Vec<u8>,
    payload_at: usize,
    limit: usize,
    padding: Padding,
}

impl Draft {
    /// Room for a payload of up to `limit` bytes behind these tags; `expected` bytes of it need no second allocation.
    ///
    /// # Errors
    /// [`Error::Tag`] unless each tag has 1 to 255 bytes and all of them, a byte more for each, at most 65,535.
    pub(crate) fn new(tags: &[&[u8]], limit: u32, padding: Padding, expected: usize) -> Result<Self, Error> {
        let list: usize = tags.iter().map(|tag| 1 + tag.len()).sum();
        if list > MAX_TAGS {
            return Err(Error::Tag);
        }
        let payload_at = HEADER + INNER + list;
        let expected = padding.padded((INNER + list + expected) as u64) as usize;
        let mut bytes = Vec::with_capacity((HEADER + expected + TAG).max(ROOM));
        bytes.resize(HEADER + INNER, 0);
        for tag in tags {
            let length = u8::try_from(tag.len()).ok().filter(|length| *length > 0).ok_or(Error::Tag)?;
            bytes.push(length);
            bytes.extend_from_slice(tag);
        }
        Ok(Self { bytes, payload_at, limit: limit as usize, padding })
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_at..]
    }

    /// Writes the fields and the padding, and leaves room for the tag: header, inner part, tag.
    pub(super) fn finish(&mut self, meta: &Meta) -> (&mut [u8], &mut [u8]) {
        let Meta { codec, schema, created_at, stale_at, expires_at } = *meta;
        let payload = (self.bytes.len() - self.payload_at) as u32; // at most `limit`, which was a u32
        let tags = (self.payload_at - HEADER - INNER) as u16; // at most MAX_TAGS
        let fields = &mut self.bytes[HEADER..HEADER + INNER];
        fields[..2].copy_from_slice(&[0, codec as u8]);
        fields[2..4].copy_from_slice(&tags.to_be_bytes());
        fields[4..8].copy_from_slice(&schema.to_be_bytes());
        fields[8..16].copy_from_slice(&created_at.to_be_bytes());
        fields[16..24].copy_from_slice(&stale_at.to_be_bytes());
        fields[24..32].copy_from_slice(&expires_at.to_be_bytes());
        fields[32..].copy_from_slice(&payload.to_be_bytes());
        let padded = self.padding.padded((self.bytes.len() - HEADER) as u64) as usize;
        let end = HEADER + padded + TAG;
        if end > self.bytes.capacity() {
            self.move_to(end);
        }
        self.bytes.resize(end, 0);
        self.bytes.split_at_mut(HEADER)
    }

    /// The finished entry, once its inner part is encrypted.
    pub(super) fn into_sealed(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Makes room for `more` bytes, their padding and the tag; for four times as much as there was, since each move costs
    /// a copy and a wipe, but never for what the limit leaves unused.
    #[cold]
    fn grow(&mut self, more: usize) {
        let entry = |inner: usize| HEADER + self.padding.padded(inner as u64) as usize + TAG;
        let needed = entry(self.bytes.len() - HEADER + more);
        let most = entry(self.payload_at - HEADER + self.limit);
        self.move_to(needed.max(self.bytes.capacity().saturating_mul(4).min(most)));
    }

    /// The plaintext does not stay in the old place.
    fn move_to(&mut self, capacity: usize) {
        let mut larger = Vec::with_capacity(capacity);
        larger.extend_from_slice(&self.bytes);
        wipe(&mut self.bytes);
        self.bytes = larger;
    }
}

impl io::Write for Draft {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.limit - (self.bytes.len() - self.payload_at) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.grow(bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}
