//! Single entries and markers: what [`EncryptedBackend`] and the cache above it share.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::EncryptedBackend;
use crate::{
    backend::{Backend, Write},
    codec::{self, EncodeError},
    crypto::{
        Ask, Codec, Draft, KeyId, Kind, Locator, Meta, NEVER, Opened, Refusal, StoreKey, TenantKeys,
        max_entry, open, seal,
    },
    error::{BackendError, BackendErrorKind, Error, Unreadable, ValueError},
    key::Key,
};

/// Where one entry or marker stands: as the cryptography knows it, and as the store does.
pub(crate) struct Place {
    pub(crate) locator: Locator,
    pub(crate) name: StoreKey,
}

/// When an entry begins, grows stale and ends, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) created_at: u64,
    pub(crate) stale_at: u64,
    pub(crate) expires_at: u64,
}

impl Times {
    /// From now on for `ttl`, or without end; refuses a ttl of zero, and what would end at or beyond "never".
    pub(crate) fn starting(created_at: u64, ttl: Option<Duration>) -> Result<Self, Error> {
        let expires_at = match ttl {
            Some(ttl) => later(created_at, ttl)?,
            None => NEVER,
        };
        Ok(Self { created_at, stale_at: expires_at, expires_at })
    }

    /// What the store is told: the whole time that the entry may be used.
    fn hint(self) -> Option<Duration> {
        (self.expires_at < NEVER).then(|| Duration::from_millis(self.expires_at - self.created_at))
    }
}

/// `ttl`, rounded up to milliseconds, after `start`.
pub(crate) fn later(start: u64, ttl: Duration) -> Result<u64, Error> {
    let begun = u64::from(ttl.subsec_nanos().div_ceil(1_000_000));
    let millis = ttl.as_secs().checked_mul(1000).and_then(|millis| millis.checked_add(begun));
    let end = millis.filter(|millis| *millis > 0).and_then(|millis| start.checked_add(millis));
    end.filter(|at| *at < NEVER).ok_or(Error::Ttl)
}

impl<B: Backend> EncryptedBackend<B> {
    pub(super) fn place_of(&self, key: &impl Key) -> Result<Place, Error> {
        Ok(self.place(Kind::Entry, key.to_cache_key()?.as_bytes()))
    }

    pub(super) fn places_of(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> Result<(Vec<Locator>, Vec<StoreKey>), Error> {
        let places = keys.into_iter().map(|key| self.place_of(&key).map(|place| (place.locator, place.name)));
        places.collect()
    }

    /// The place of an entry, by its canonical key, or of a marker, by its tag.
    fn place(&self, kind: Kind, name: &[u8]) -> Place {
        let locator = self.locator(kind, name);
        let name = StoreKey::new(&self.prefix, &locator);
        Place { locator, name }
    }

    fn locator(&self, kind: Kind, name: &[u8]) -> Locator {
        Locator::derive(&self.keys, kind, self.epoch, &self.namespace, name)
    }

    pub(super) async fn send(&self, write: Result<Write, Error>) -> Result<(), Error> {
        let (name, entry, ttl) = write?;
        Ok(self.backend.set(&name, entry, ttl).await?)
    }

    /// Refuses a batch's answers of another number than its questions.
    pub(crate) fn one_each<A>(&self, answers: Vec<A>, questions: usize) -> Result<Vec<A>, Error> {
        if answers.len() == questions {
            return Ok(answers);
        }
        Err(BackendError::new(self.backend.name(), BackendErrorKind::Rejected).into())
    }

    pub(super) async fn fetch(&self, place: &Place, codec: Codec) -> Result<Option<Opened>, Error> {
        let entry = self.backend.get(&place.name).await?;
        Ok(entry
            .map(|entry| self.open_at(&place.locator, entry, codec, self.clock.now()))
            .transpose()?
            .flatten())
    }

    pub(crate) fn entry_place(&self, key: &[u8]) -> Place {
        self.place(Kind::Entry, key)
    }

    /// The same without the store's name for it.
    pub(crate) fn entry_locator(&self, key: &[u8]) -> Locator {
        self.locator(Kind::Entry, key)
    }

    pub(crate) fn marker_place(&self, tag: &[u8]) -> Place {
        self.place(Kind::Tag, tag)
    }

    /// Opens an entry with a value; expired ones and those of another schema or codec are misses.
    pub(crate) fn load(
        &self,
        locator: &Locator,
        entry: Bytes,
        now: u64,
    ) -> Result<Option<Loaded>, Unreadable> {
        Ok(self.open_at(locator, entry, Codec::MessagePack, now)?.map(Loaded))
    }

    /// Opens an entry; expired ones and those of another schema or codec are misses.
    pub(super) fn open_at(
        &self,
        locator: &Locator,
        entry: Bytes,
        codec: Codec,
        now: u64,
    ) -> Result<Option<Opened>, Unreadable> {
        let (schema, max_entry) = (self.schema, max_entry(self.max_value));
        self.open_asking(
            locator,
            entry,
            &Ask { kind: Kind::Entry, now, schema, codec: Some(codec), max_entry },
        )
    }

    fn open_asking(&self, locator: &Locator, entry: Bytes, ask: &Ask) -> Result<Option<Opened>, Unreadable> {
        match open(&self.keys, locator, entry, ask) {
            Ok(opened) => Ok(Some(opened)),
            Err(Refusal::Expired | Refusal::Schema) => Ok(None),
            Err(Refusal::Unreadable(reason)) => Err(reason),
        }
    }

    pub(crate) fn seal<T: Serialize + ?Sized>(
        &self,
        place: Place,
        value: &T,
        tags: &[&[u8]],
        times: Times,
    ) -> Result<Write, Error> {
        let mut draft = Draft::new(tags, self.max_value, self.padding, 0)?;
        codec::encode(value, &mut draft, self.max_value).map_err(|refused| match refused {
            EncodeError::TooDeep => ValueError::TooDeep,
            EncodeError::Full => ValueError::TooLarge { limit: self.max_value },
            EncodeError::Refused => ValueError::Serialize,
        })?;
        // What could not be read back is not written.
        codec::check_encoded(draft.payload()).map_err(ValueError::from)?;
        self.finish(place, draft, Codec::MessagePack, times)
    }

    pub(super) fn seal_bytes(&self, place: Place, value: &[u8], times: Times) -> Result<Write, Error> {
        let too_large = ValueError::TooLarge { limit: self.max_value };
        if value.len() > self.max_value as usize {
            return Err(too_large.into());
        }
        let mut draft = Draft::new(&[], self.max_value, self.padding, value.len())?;
        draft.write_all(value).map_err(|_| too_large)?;
        self.finish(place, draft, Codec::Raw, times)
    }

    /// The marker of a tag, or of the empty tag: everything that carries it and is not younger is invalid.
    pub(crate) fn seal_marker(&self, tag: &[u8], created_at: u64, expires_at: u64) -> Result<Write, Error> {
        let place = self.place(Kind::Tag, tag);
        let draft = Draft::new(&[], 0, self.padding, 0)?;
        let meta = Meta { codec: Codec::Raw, schema: 0, created_at, stale_at: expires_at, expires_at };
        // It can be ahead of the clock; the store's time begins now.
        let begun = created_at.min(self.clock.now());
        let times = Times { created_at: begun, stale_at: expires_at, expires_at };
        let entry = seal(&self.keys, &place.locator, draft, &meta)?;
        Ok((place.name, entry, times.hint()))
    }

    /// When the invalidation was, and which key sealed it; `None` for a marker that has expired.
    pub(crate) fn open_marker(
        &self,
        place: &Place,
        entry: Bytes,
    ) -> Result<Option<(u64, KeyId)>, Unreadable> {
        let (now, codec, max_entry) = (self.clock.now(), Some(Codec::Raw), max_entry(self.max_value));
        let ask = Ask { kind: Kind::Tag, now, schema: 0, codec, max_entry };
        let opened = self.open_asking(&place.locator, entry, &ask)?;
        Ok(opened.map(|marker| (marker.meta().created_at, marker.key_id())))
    }

    /// The id of the master key that seals here.
    pub(crate) fn sealing_id(&self) -> KeyId {
        self.keys.sealing_id()
    }

    /// Whether what a master key with this id sealed is opened here.
    pub(crate) fn accepts(&self, id: KeyId) -> bool {
        self.keys.accepts(id)
    }

    /// Tells the memory of this tenant, namespace and epoch from that of others.
    pub(crate) fn scope(&self) -> [u8; 16] {
        half(&self.locator(Kind::Tag, b""))
    }

    fn finish(&self, place: Place, draft: Draft, codec: Codec, times: Times) -> Result<Write, Error> {
        let Times { created_at, stale_at, expires_at } = times;
        let meta = Meta { codec, schema: self.schema, created_at, stale_at, expires_at };
        let entry = seal(&self.keys, &place.locator, draft, &meta)?;
        Ok((place.name, entry, times.hint()))
    }
}

/// The [`scope`](EncryptedBackend::scope) of a tenant without a store.
pub(crate) fn scope_of(keys: &TenantKeys) -> [u8; 16] {
    half(&Locator::derive(keys, Kind::Tag, 0, "", b""))
}

/// Half of the empty tag's locator: it tells scopes apart as well.
fn half(locator: &Locator) -> [u8; 16] {
    let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = locator.0;
    half
}

/// An authentic entry of one of the accepted keys, not yet decoded.
pub(crate) struct Loaded(Opened);

impl Loaded {
    pub(crate) fn times(&self) -> Times {
        let Meta { codec: _, schema: _, created_at, stale_at, expires_at } = self.0.meta();
        Times { created_at, stale_at, expires_at }
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.0.tags()
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.0.key_id()
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        codec::decode(self.0.payload())
    }
}

/// Whether a value is encoded as nil: `None`, or `()`.
pub(crate) fn is_nil<T: Serialize + ?Sized>(value: &T) -> bool {
    let mut first = [0; 1];
    codec::encode(value, &mut first[..], 1).is_ok() && first == [0xC0]
}
