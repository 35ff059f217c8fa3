//! The boundary: values and logical keys on one side, [`Sealed`] and [`StoreKey`] on the other.

mod entry;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::entry::{Loaded, Place, Times, is_nil, later, scope_of};
pub(crate) use crate::crypto::MAX_SKEW_MS;
use crate::{
    backend::{AnyBackend, Backend, Write},
    clock::Clock,
    codec,
    crypto::{Codec, Opened, Padding, TenantKeys, is_prefix},
    error::{Error, SettingError, Unreadable},
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
/// A value comes back as serde reads it from MessagePack: `Some(None)` and `Some(())` as `None`; and in what serde puts
/// together only after reading, by `#[serde(flatten)]`, `untagged` or an internal `tag`, 128-bit integers and unit structs may
/// be something else, or [`Unreadable::Undecodable`].
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

    /// Behind one type, for what has no type parameter.
    pub(crate) fn erase(self) -> EncryptedBackend<AnyBackend> {
        EncryptedBackend {
            backend: Arc::new(AnyBackend::shared(self.backend)),
            keys: self.keys,
            namespace: self.namespace,
            epoch: self.epoch,
            prefix: self.prefix,
            padding: self.padding,
            schema: self.schema,
            max_value: self.max_value,
            clock: self.clock,
        }
    }

    /// Where this handle takes the time from.
    pub(crate) fn time(&self) -> Clock {
        self.clock.clone()
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
        let place = self.place_of(&key);
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
        let place = self.place_of(&key);
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
        let places = self.places_of(keys);
        async move {
            let (locators, names) = places?;
            let found = self.one_each(self.backend.get_many(&names).await?, names.len())?;
            let now = self.clock.now();
            let values = locators.iter().zip(found).map(|(locator, entry)| {
                let open = |entry| self.open_at(locator, entry, Codec::MessagePack, now);
                let opened = entry.map(open).transpose()?;
                opened.flatten().map(|opened| codec::decode(opened.payload())).transpose()
            });
            Ok(values.collect())
        }
    }

    /// Stores the value under this key for `ttl`, a [`Duration`] above zero, rounded up to whole milliseconds; or
    /// without expiry for `None`.
    ///
    /// Serializes and encrypts at the call: the future only sends, and does not borrow the value.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Value`], [`Error::Ttl`], [`Error::Random`], before anything is sent;
    /// [`Error::Backend`].
    pub fn set<K: Key, T: Serialize + ?Sized, D: Into<Option<Duration>>>(
        &self,
        key: K,
        value: &T,
        ttl: D,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, B, K, T, D> {
        let times = Times::starting(self.clock.now(), ttl.into());
        self.send(times.and_then(|times| self.seal(self.place_of(&key)?, value, &[], times)))
    }

    /// [`set`](Self::set) for bytes as they are, without serde; [`get_bytes`](Self::get_bytes) reads them.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_bytes<K: Key, D: Into<Option<Duration>>>(
        &self,
        key: K,
        value: &[u8],
        ttl: D,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, B, K, D> {
        let times = Times::starting(self.clock.now(), ttl.into());
        self.send(times.and_then(|times| self.seal_bytes(self.place_of(&key)?, value, times)))
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
        let times = Times::starting(self.clock.now(), ttl.into());
        let writes: Result<Vec<Write>, Error> = times.and_then(|times| {
            let items = items.into_iter();
            items.map(|(key, value)| self.seal(self.place_of(&key)?, &value, &[], times)).collect()
        });
        async move { Ok(self.backend.set_many(writes?).await?) }
    }

    /// Removes what is stored under this key; tells whether the store says that there was something.
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn delete(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> + Send {
        let place = self.place_of(&key);
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
        let places = self.places_of(keys);
        async move {
            let (_, names) = places?;
            self.one_each(self.backend.delete_many(&names).await?, names.len())
        }
    }

    /// Whether the store says that it holds something under this key. It may lie, and it may mean an entry that has
    /// expired or cannot be read: only [`get`](Self::get) knows.
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn exists(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> + Send {
        let place = self.place_of(&key);
        async move { Ok(self.backend.exists(&place?.name).await?) }
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
