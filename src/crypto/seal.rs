//! Sealing and opening: FORMAT.md, "Entry" and "Opening".

#[cfg(test)]
mod tests;

use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{
    aead::{Aead, Fastest},
    derive::{ENTRY_COMMITMENT, ENTRY_KEY, SECRET, Secret},
    entry::{Codec, Draft, HEADER, Header, Inner, MAGIC, MIN_ENTRY, Meta, Nonce, TAG},
    master::KeyId,
    name::{Kind, Locator},
    tenant::{SealingKey, TenantKeys},
    wipe::{CALL, wipe, with_clean_stack},
};
use crate::error::{Error, Unreadable};

/// How far in the future by the reader's clock an entry may have been created: 5 minutes.
pub(crate) const MAX_SKEW_MS: u64 = 300_000;

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
        if entry.len() < MIN_ENTRY || !entry.starts_with(&MAGIC) {
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

/// The AES key and the commitment of one entry: `Expand(sealing key, label || 0x00 || S || locator, 32)`.
pub(super) fn entry_keys(key: &SealingKey, nonce: &Nonce, locator: &Locator) -> (Zeroizing<Secret>, Secret) {
    let mut aes_key = Zeroizing::new([0; SECRET]);
    let mut commitment = [0; SECRET];
    with_clean_stack::<CALL, _>(|| {
        key.expander.expand(&[ENTRY_KEY, nonce.salt(), &locator.0], aes_key.as_mut_slice());
        key.expander.expand(&[ENTRY_COMMITMENT, nonce.salt(), &locator.0], &mut commitment);
    });
    (aes_key, commitment)
}

/// Whether two commitments are equal, in constant time. A function by itself: `tests/timing` runs this very code.
#[inline(never)]
pub(crate) fn equal(one: &Secret, other: &Secret) -> Choice {
    words(one)[..].ct_eq(&words(other)[..])
}

/// Compared in an eighth of the steps.
fn words(commitment: &Secret) -> [u64; SECRET / 8] {
    let (words, _) = commitment.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_ne_bytes(words[at]))
}

/// The associated data of an entry: `entry[0..64] || locator`.
pub(super) fn associated(header: &[u8], locator: &Locator) -> [u8; HEADER + SECRET] {
    let mut data = [0; HEADER + SECRET];
    data[..HEADER].copy_from_slice(header);
    data[HEADER..].copy_from_slice(&locator.0);
    data
}

/// Seals the draft for one place, under the tenant's sealing key and 24 new random bytes.
pub(crate) fn seal(keys: &TenantKeys, locator: &Locator, draft: Draft, meta: &Meta) -> Result<Sealed, Error> {
    seal_by::<Fastest>(keys, locator, draft, meta)
}

pub(crate) fn seal_by<A: Aead>(
    keys: &TenantKeys,
    locator: &Locator,
    draft: Draft,
    meta: &Meta,
) -> Result<Sealed, Error> {
    let mut nonce = Nonce([0; 24]);
    getrandom::fill(&mut nonce.0).map_err(|_| Error::Random)?;
    Ok(seal_with::<A>(keys, locator, draft, meta, nonce))
}

pub(crate) fn seal_with<A: Aead>(
    keys: &TenantKeys,
    locator: &Locator,
    mut draft: Draft,
    meta: &Meta,
    nonce: Nonce,
) -> Sealed {
    let key = keys.sealing();
    let (aes_key, commitment) = entry_keys(key, &nonce, locator);
    let iv = nonce.iv();
    let bytes = Header { key_id: key.id, nonce, commitment }.to_bytes();
    let (header, body) = draft.finish(meta);
    header.copy_from_slice(&bytes);
    let (inner, tag) = body.split_at_mut(body.len() - TAG);
    tag.copy_from_slice(&A::seal(&aes_key, &iv, &associated(header, locator), inner));
    Sealed(draft.into_sealed().into_boxed_slice().into())
}

/// Seals an inner part of any bytes, which no writer of the format writes.
#[cfg(feature = "testing")]
pub(crate) fn seal_inner(keys: &TenantKeys, locator: &Locator, nonce: [u8; 24], inner: &[u8]) -> Vec<u8> {
    let (key, nonce) = (keys.sealing(), Nonce(nonce));
    let (aes_key, commitment) = entry_keys(key, &nonce, locator);
    let iv = nonce.iv();
    let header = Header { key_id: key.id, nonce, commitment }.to_bytes();
    let mut body = inner.to_vec();
    let tag = Fastest::seal(&aes_key, &iv, &associated(&header, locator), &mut body);
    [&header, &body[..], &tag].concat()
}

/// What a reader asks of an entry.
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    pub(crate) now: u64,
    pub(crate) schema: u32,
    /// `None`: either.
    pub(crate) codec: Option<Codec>,
    /// The longest entry, in bytes, that is looked at.
    pub(crate) max_entry: u64,
}

/// Why an entry was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unreadable(Unreadable),
    /// An ordinary miss.
    Expired,
    /// Of another schema or codec than asked for: an ordinary miss.
    Schema,
}

impl From<Unreadable> for Refusal {
    fn from(reason: Unreadable) -> Self {
        Self::Unreadable(reason)
    }
}

/// Bytes that are, or may be, plaintext: wiped when dropped.
struct Plaintext(BytesMut);

impl Drop for Plaintext {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// An entry in plaintext, wiped when dropped.
pub(crate) struct Opened {
    key_id: KeyId,
    entry: Plaintext,
    meta: Meta,
    tags: Range<usize>,
    payload: Range<usize>,
}

/// Opens what a store returned, in the order of FORMAT.md, "Opening", up to the step of schema and codec.
///
/// In place where `entry` is the only reference to its bytes, else in a copy.
pub(crate) fn open(keys: &TenantKeys, locator: &Locator, entry: Bytes, ask: &Ask) -> Result<Opened, Refusal> {
    open_with::<Fastest>(keys, locator, entry, ask)
}

pub(crate) fn open_with<A: Aead>(
    keys: &TenantKeys,
    locator: &Locator,
    entry: Bytes,
    ask: &Ask,
) -> Result<Opened, Refusal> {
    if entry.len() as u64 > ask.max_entry {
        return Err(Unreadable::TooLarge.into());
    }
    let Header { key_id, nonce, commitment } = Header::parse(&entry)?;
    let key = keys.accepted(key_id).ok_or(Unreadable::UnknownKey)?;
    let (aes_key, expected) = entry_keys(key, &nonce, locator);
    // Before any decryption: AES-GCM alone lets one ciphertext open under two keys.
    if !bool::from(equal(&commitment, &expected)) {
        return Err(Unreadable::Tampered.into());
    }
    let mut entry = Plaintext(entry.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])));
    let (header, body) = entry.0.split_at_mut(HEADER);
    A::open(&aes_key, &nonce.iv(), &associated(header, locator), body).map_err(|_| Unreadable::Tampered)?;
    let opened = Opened::parse(key_id, entry)?;
    opened.meets(ask).map(|()| opened)
}

impl Opened {
    fn parse(key_id: KeyId, entry: Plaintext) -> Result<Self, Unreadable> {
        let end = entry.0.len() - TAG;
        let Inner { meta, tags, payload } = Inner::parse(&entry.0[HEADER..end])?;
        let within = |range: Range<usize>| HEADER + range.start..HEADER + range.end;
        Ok(Self { key_id, entry, meta, tags: within(tags), payload: within(payload) })
    }

    fn meets(&self, ask: &Ask) -> Result<(), Refusal> {
        let Meta { codec, schema, created_at, stale_at: _, expires_at } = self.meta;
        if ask.kind == Kind::Tag && !self.is_marker() {
            return Err(Unreadable::Malformed.into());
        }
        if ask.now >= expires_at {
            return Err(Refusal::Expired);
        }
        if created_at > ask.now.saturating_add(MAX_SKEW_MS) {
            return Err(Unreadable::FromTheFuture.into());
        }
        if schema != ask.schema || ask.codec.is_some_and(|asked| asked != codec) {
            return Err(Refusal::Schema);
        }
        Ok(())
    }

    /// FORMAT.md, "Tag markers".
    fn is_marker(&self) -> bool {
        let Meta { codec, schema, created_at: _, stale_at, expires_at } = self.meta;
        let bare = self.tags.is_empty() && self.payload.is_empty();
        bare && codec == Codec::Raw && schema == 0 && stale_at == expires_at
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.entry.0[self.payload.clone()]
    }

    /// The payload, which from here on belongs to the caller and is not wiped.
    pub(crate) fn into_payload(mut self) -> Bytes {
        std::mem::take(&mut self.entry.0).freeze().slice(self.payload.clone())
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(crate) fn meta(&self) -> Meta {
        self.meta
    }

    #[cfg(test)]
    pub(super) fn payload_at(&self) -> usize {
        self.payload.start
    }

    /// The tag list as it stands there.
    #[cfg(feature = "testing")]
    pub(crate) fn tag_list(&self) -> &[u8] {
        &self.entry.0[self.tags.clone()]
    }

    /// The tags, which a writer of this library gave as text.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        let mut list = &self.entry.0[self.tags.clone()];
        std::iter::from_fn(move || {
            let (length, rest) = list.split_first()?;
            let (tag, rest) = rest.split_at_checked(usize::from(*length))?;
            list = rest;
            Some(tag)
        })
    }
}
