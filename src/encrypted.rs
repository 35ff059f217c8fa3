//! The boundary: values and logical keys on one side, [`Sealed`] and [`StoreKey`] on the other.

use std::{fmt, future::Future, io::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    backend::{AnyBackend, Backend, Write},
    clock::Clock,
    codec::{self, EncodeError},
    crypto::{
        Ask, Codec, Draft, Kind, Locator, Meta, NEVER, Opened, Padding, Refusal, StoreKey, TenantKeys,
        is_prefix, max_entry, open, seal,
    },
    error::{Error, SettingError, Unreadable, ValueError},
    key::Key,
};

/// The cap on an encoded value unless [`max_value`](EncryptedBackend::max_value) says otherwise: 64 MiB.
const MAX_VALUE: u32 = 64 * 1024 * 1024;
/// The largest namespace in bytes.
const MAX_NAMESPACE: usize = 255;

/// Typed, encrypted access for one tenant to a [`Backend`]. Nothing but blinded names and sealed entries reaches it.
///
/// A value is serialized as MessagePack and sealed by AES-256-GCM for its tenant, namespace, epoch and key: moved
/// anywhere else, changed in a bit or past its expiry, it is not returned. A clone shares the backend and the keys.
///
/// A key is anything that serializes to a string, an integer, a bool, or a tuple, slice, struct or enum of such: see
/// [`Key`]. A `Vec<u8>` is to serde an array of integers, some 50 times slower to store than bytes: wrap it in
/// [`serde_bytes`](https://docs.rs/serde_bytes), or use [`set_bytes`](Self::set_bytes).
///
/// In a struct field it is `EncryptedBackend`, without a parameter, over [`AnyBackend::new(store)`](AnyBackend::new).
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Keyring::new(MasterKey::generate()?)?;
/// let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme")?).namespace("users")?;
///
/// acme.set(("user", 42), &("Ada", 36), Duration::from_secs(600)).await?;
/// let ada: Option<(String, u8)> = acme.get(("user", 42)).await?;
/// assert_eq!(ada, Some(("Ada".to_owned(), 36)));
///
/// let globex = acme.for_tenant(keys.tenant("globex")?);
/// assert_eq!(globex.get::<(String, u8)>(("user", 42)).await?, None);
/// # Ok(())
/// # }
/// ```
pub struct EncryptedBackend<B = AnyBackend> {
    backend: Arc<B>,
    keys: Arc<TenantKeys>,
    namespace: Arc<str>,
    epoch: u64,
    prefix: Arc<str>,
    padding: Padding,
    schema: u32,
    max_value: u32,
    clock: Clock,
}

/// Where one entry stands: as the cryptography knows it, and as the store does.
struct Place {
    locator: Locator,
    name: StoreKey,
}

impl<B: Backend> EncryptedBackend<B> {
    /// The tenant with these keys, on this backend. Makes no call to the backend.
    pub fn new(backend: B, keys: TenantKeys) -> Self {
        Self {
            backend: Arc::new(backend),
            keys: Arc::new(keys),
            namespace: "".into(),
            epoch: 0,
            prefix: "".into(),
            padding: Padding::default(),
            schema: 0,
            max_value: MAX_VALUE,
            clock: Clock::default(),
        }
    }

    /// The same backend and settings for another tenant.
    pub fn for_tenant(&self, keys: TenantKeys) -> Self {
        Self { keys: Arc::new(keys), ..self.clone() }
    }

    /// Keeps the entries apart from those of other namespaces. Empty by default.
    ///
    /// # Errors
    /// [`SettingError::Namespace`] above 255 bytes.
    pub fn namespace(self, namespace: &str) -> Result<Self, Error> {
        if namespace.len() > MAX_NAMESPACE {
            return Err(SettingError::Namespace.into());
        }
        Ok(Self { namespace: namespace.into(), ..self })
    }

    /// Hides every entry of the namespace that was written under another epoch, and no store can undo that. 0 by
    /// default. Keep it in the application's configuration, never in the store.
    #[must_use]
    pub fn epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// What stands in front of every name, in plaintext: for access rules of the store. Empty by default. It keeps
    /// nothing apart.
    ///
    /// # Errors
    /// [`SettingError::Prefix`] unless it is `[A-Za-z0-9._:-]{0,64}`.
    pub fn prefix(self, prefix: &str) -> Result<Self, Error> {
        if !is_prefix(prefix) {
            return Err(SettingError::Prefix.into());
        }
        Ok(Self { prefix: prefix.into(), ..self })
    }

    /// How much of a value's length the store may learn. [`Padding::Padme`] by default.
    ///
    /// # Errors
    /// [`SettingError::Padding`] for a bucket outside 1 byte to 16 MiB.
    pub fn padding(self, padding: Padding) -> Result<Self, Error> {
        Ok(Self { padding: padding.checked()?, ..self })
    }

    /// The version of the types stored here: an entry of another schema is a miss. 0 by default.
    #[must_use]
    pub fn schema(self, schema: u32) -> Self {
        Self { schema, ..self }
    }

    /// The largest encoded value in bytes, both to write and to read. 64 MiB by default.
    #[must_use]
    pub fn max_value(self, bytes: u32) -> Self {
        Self { max_value: bytes, ..self }
    }

    /// Takes the time from a clock that a test sets.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn clock(self, clock: &crate::testing::Clock) -> Self {
        Self { clock: clock.0.clone(), ..self }
    }

    /// The backend below, which sees only blinded names and sealed entries.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The value under this key, if there is one that has not expired and has this [`schema`](Self::schema).
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`]; [`Error::Unreadable`] if the store holds something else under this name:
    /// treat it as a miss, the next [`set`](Self::set) replaces it.
    pub fn get<T: DeserializeOwned>(
        &self,
        key: impl Key,
    ) -> impl Future<Output = Result<Option<T>, Error>> + Send {
        let place = self.place(&key);
        async move {
            let opened = self.fetch(&place?, Codec::MessagePack).await?;
            Ok(opened.map(|opened| codec::decode(opened.payload())).transpose()?)
        }
    }

    /// The bytes that [`set_bytes`](Self::set_bytes) stored under this key; a value that `set` stored is a miss.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_bytes(&self, key: impl Key) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send {
        let place = self.place(&key);
        async move {
            let opened = self.fetch(&place?, Codec::Raw).await?;
            Ok(opened.map(Opened::into_payload))
        }
    }

    /// [`get`](Self::get) for each key, in order, in one batch. What cannot be read is told for each key.
    ///
    /// # Errors
    /// [`Error::Key`] for the first key refused, before anything is sent; [`Error::Backend`].
    pub fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> impl Future<Output = Result<Vec<Result<Option<T>, Unreadable>>, Error>> + Send {
        let places = self.places(keys);
        async move {
            let (locators, names) = places?;
            let found = self.backend.get_many(&names).await?;
            let values = locators.iter().zip(found).map(|(locator, entry)| {
                let opened = entry.map(|entry| self.open(locator, entry, Codec::MessagePack)).transpose()?;
                opened.flatten().map(|opened| codec::decode(opened.payload())).transpose()
            });
            Ok(values.collect())
        }
    }

    /// Stores the value under this key for `ttl`, a [`Duration`] of at least 1 ms, rounded up to milliseconds; or
    /// without expiry for `None`.
    ///
    /// Serializes and encrypts at the call, the future only sends.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Value`], [`Error::Ttl`], [`Error::Random`], before anything is sent;
    /// [`Error::Backend`].
    pub fn set<T: Serialize + ?Sized>(
        &self,
        key: impl Key,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let write = self.lifetime(ttl.into()).and_then(|life| self.seal(&key, value, life));
        async move {
            let (name, entry, ttl) = write?;
            Ok(self.backend.set(&name, entry, ttl).await?)
        }
    }

    /// [`set`](Self::set) for bytes as they are, without serde; [`get_bytes`](Self::get_bytes) reads them.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_bytes(
        &self,
        key: impl Key,
        value: &[u8],
        ttl: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let write = self.lifetime(ttl.into()).and_then(|life| self.seal_bytes(&key, value, life));
        async move {
            let (name, entry, ttl) = write?;
            Ok(self.backend.set(&name, entry, ttl).await?)
        }
    }

    /// [`set`](Self::set) for each key and value, in one batch with one `ttl`. After an error some may have been
    /// stored.
    ///
    /// # Errors
    /// As [`set`](Self::set), for the first refused.
    pub fn set_many<K: Key, T: Serialize>(
        &self,
        items: impl IntoIterator<Item = (K, T)>,
        ttl: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let writes: Result<Vec<Write>, Error> = self.lifetime(ttl.into()).and_then(|life| {
            let items = items.into_iter();
            items.map(|(key, value)| self.seal(&key, &value, life)).collect()
        });
        async move { Ok(self.backend.set_many(writes?).await?) }
    }

    /// Removes what is stored under this key; tells whether the store says that there was something.
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn delete(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> + Send {
        let place = self.place(&key);
        async move { Ok(self.backend.delete(&place?.name).await?) }
    }

    /// [`delete`](Self::delete) for each key, in order, in one batch. After an error some may have been removed.
    ///
    /// # Errors
    /// [`Error::Key`] for the first key refused, before anything is sent; [`Error::Backend`].
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> impl Future<Output = Result<Vec<bool>, Error>> + Send {
        let places = self.places(keys);
        async move { Ok(self.backend.delete_many(&places?.1).await?) }
    }

    /// Whether the store says that it holds something under this key. It may lie, and it may mean an entry that has
    /// expired or cannot be read: only [`get`](Self::get) knows.
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn exists(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> + Send {
        let place = self.place(&key);
        async move { Ok(self.backend.exists(&place?.name).await?) }
    }

    fn place(&self, key: &impl Key) -> Result<Place, Error> {
        let key = key.to_cache_key()?;
        let locator = Locator::derive(&self.keys, Kind::Entry, self.epoch, &self.namespace, key.as_bytes());
        let name = StoreKey::new(&self.prefix, &locator);
        Ok(Place { locator, name })
    }

    fn places(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> Result<(Vec<Locator>, Vec<StoreKey>), Error> {
        let places = keys.into_iter().map(|key| self.place(&key).map(|place| (place.locator, place.name)));
        places.collect()
    }

    async fn fetch(&self, place: &Place, codec: Codec) -> Result<Option<Opened>, Error> {
        let entry = self.backend.get(&place.name).await?;
        Ok(entry.map(|entry| self.open(&place.locator, entry, codec)).transpose()?.flatten())
    }

    /// Opens an entry; expired ones and those of another schema or codec are misses.
    fn open(&self, locator: &Locator, entry: Bytes, codec: Codec) -> Result<Option<Opened>, Unreadable> {
        let ask = Ask {
            kind: Kind::Entry,
            now: self.clock.now(),
            schema: self.schema,
            codec: Some(codec),
            max_entry: max_entry(self.max_value),
        };
        match open(&self.keys, locator, entry, &ask) {
            Ok(opened) => Ok(Some(opened)),
            Err(Refusal::Expired | Refusal::Schema) => Ok(None),
            Err(Refusal::Unreadable(reason)) => Err(reason),
        }
    }

    fn seal<T: Serialize + ?Sized>(&self, key: &impl Key, value: &T, life: Lifetime) -> Result<Write, Error> {
        let mut draft = Draft::new(&[], self.max_value, self.padding, 0)?;
        codec::encode(value, &mut draft).map_err(|refused| match refused {
            EncodeError::Full => ValueError::TooLarge { limit: self.max_value },
            EncodeError::Refused => ValueError::Serialize,
        })?;
        // What could not be read back is not written.
        codec::check(draft.payload()).map_err(ValueError::from)?;
        self.finish(key, draft, Codec::MessagePack, life)
    }

    fn seal_bytes(&self, key: &impl Key, value: &[u8], life: Lifetime) -> Result<Write, Error> {
        let too_large = ValueError::TooLarge { limit: self.max_value };
        if value.len() > self.max_value as usize {
            return Err(too_large.into());
        }
        let mut draft = Draft::new(&[], self.max_value, self.padding, value.len())?;
        draft.write_all(value).map_err(|_| too_large)?;
        self.finish(key, draft, Codec::Raw, life)
    }

    fn finish(&self, key: &impl Key, draft: Draft, codec: Codec, life: Lifetime) -> Result<Write, Error> {
        let Place { locator, name } = self.place(key)?;
        let Lifetime { created_at, expires_at, ttl } = life;
        let meta = Meta { codec, schema: self.schema, created_at, stale_at: expires_at, expires_at };
        let entry = seal(&self.keys, &locator, draft, &meta)?;
        Ok((name, entry, ttl))
    }

    fn lifetime(&self, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        Lifetime::starting(self.clock.now(), ttl)
    }
}

/// When an entry begins and ends, in Unix milliseconds, and the hint that the store gets.
#[derive(Clone, Copy)]
struct Lifetime {
    created_at: u64,
    expires_at: u64,
    ttl: Option<Duration>,
}

impl Lifetime {
    /// Rounds the ttl up to a millisecond; refuses zero, and what would end at or beyond "never".
    fn starting(created_at: u64, ttl: Option<Duration>) -> Result<Self, Error> {
        let Some(ttl) = ttl else {
            return Ok(Self { created_at, expires_at: NEVER, ttl: None });
        };
        let millis = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).map_err(|_| Error::Ttl)?;
        let expires_at = created_at.checked_add(millis).filter(|at| *at < NEVER && millis > 0);
        let ttl = Some(Duration::from_millis(millis));
        Ok(Self { created_at, expires_at: expires_at.ok_or(Error::Ttl)?, ttl })
    }
}

impl<B> Clone for EncryptedBackend<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            keys: Arc::clone(&self.keys),
            namespace: Arc::clone(&self.namespace),
            epoch: self.epoch,
            prefix: Arc::clone(&self.prefix),
            padding: self.padding,
            schema: self.schema,
            max_value: self.max_value,
            clock: self.clock.clone(),
        }
    }
}

impl<B: Backend> fmt::Debug for EncryptedBackend<B> {
    /// Shows the backend's name and the key ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedBackend")
            .field("backend", &self.backend.name())
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
