//! Places that keep bytes. There is no cryptography here: names arrive blinded and entries sealed.

#[cfg(feature = "cloudflare-kv")]
pub(crate) mod cloudflare_kv;
#[cfg(feature = "dynamodb")]
pub(crate) mod dynamodb;
#[cfg(feature = "file")]
pub(crate) mod file;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "memcached")]
pub(crate) mod memcached;
mod memory;
#[cfg(any(feature = "redis", feature = "memcached"))]
mod pause;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "redis", feature = "memcached"))]
mod socket;
#[cfg(any(
    feature = "dynamodb",
    feature = "redis",
    feature = "memcached",
    feature = "http",
    feature = "cloudflare-kv",
    feature = "upstash"
))]
mod tls;
#[cfg(feature = "upstash")]
pub(crate) mod upstash;
#[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
pub(crate) mod web;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    crypto::{Sealed, StoreKey},
    error::BackendError,
    metrics::BreakerState,
};

pub use memory::MemoryBackend;

/// One write of [`Backend::set_many`]: the name, the entry, and its time to live, if it has one.
pub type Write = (StoreKey, Sealed, Option<Duration>);

/// A store: four operations on sealed bytes, and their batches.
///
/// The contract, which the functions of `blindcache::conformance` (feature `conformance`) check:
///
/// - What was [`set`](Self::set) last is what [`get`](Self::get) gives, byte for byte, until it is deleted, expires
///   or is evicted. A store may drop an entry early; it need not keep one late.
/// - A ttl is a hint of at least one millisecond. A later `set` replaces it; `None` means no expiry.
/// - Calls are safe to make from many tasks at once, and every future may be dropped at any await.
/// - No call hangs: a backend that waits on a network or a disk limits the time and fails with
///   [`Timeout`](crate::BackendErrorKind::Timeout).
///
/// The bytes that come back are untrusted until they are opened; a backend does not look into them.
///
/// # Example
///
/// A backend of one's own is four plain `async fn`s:
///
/// ```
/// use std::{collections::HashMap, sync::Mutex, time::Duration};
/// use blindcache::{Backend, BackendError, Sealed, StoreKey};
/// use bytes::Bytes;
///
/// #[derive(Default)]
/// struct Shelf(Mutex<HashMap<StoreKey, Sealed>>);
///
/// impl Backend for Shelf {
///     async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
///         Ok(self.0.lock().unwrap().get(key).map(|entry| entry.clone().into_bytes()))
///     }
///     async fn set(&self, key: &StoreKey, entry: Sealed, _ttl: Option<Duration>) -> Result<(), BackendError> {
///         self.0.lock().unwrap().insert(key.clone(), entry);
///         Ok(())
///     }
///     async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
///         Ok(self.0.lock().unwrap().remove(key).is_some())
///     }
///     async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
///         Ok(self.0.lock().unwrap().contains_key(key))
///     }
/// }
/// ```
pub trait Backend: Send + Sync + 'static {
    /// What the store holds under this name.
    ///
    /// # Errors
    /// Whatever kept the store from answering.
    fn get(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Bytes>, BackendError>> + Send;

    /// Stores the entry, in place of any older one, for `ttl` or without expiry.
    ///
    /// # Errors
    /// Whatever kept the store from taking it; [`TooLarge`](crate::BackendErrorKind::TooLarge) where it never will.
    fn set(
        &self,
        key: &StoreKey,
        entry: Sealed,
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Removes the entry; tells whether there was one.
    ///
    /// # Errors
    /// Whatever kept the store from removing it.
    fn delete(&self, key: &StoreKey) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Whether the store holds an entry under this name.
    ///
    /// # Errors
    /// Whatever kept the store from answering.
    fn exists(&self, key: &StoreKey) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// [`get`](Self::get) for each name, in order. By default one after the other.
    ///
    /// # Errors
    /// Whatever kept the store from answering for any of them.
    fn get_many(
        &self,
        keys: &[StoreKey],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, BackendError>> + Send {
        async move {
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                found.push(self.get(key).await?);
            }
            Ok(found)
        }
    }

    /// [`set`](Self::set) for each write, in order; after an error some may have been done. By default one after
    /// the other.
    ///
    /// # Errors
    /// Whatever kept the store from taking any of them.
    fn set_many(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), BackendError>> + Send {
        async move {
            for (key, entry, ttl) in writes {
                self.set(&key, entry, ttl).await?;
            }
            Ok(())
        }
    }

    /// [`delete`](Self::delete) for each name, in order; after an error some may have been done. By default one
    /// after the other.
    ///
    /// # Errors
    /// Whatever kept the store from removing any of them.
    fn delete_many(&self, keys: &[StoreKey]) -> impl Future<Output = Result<Vec<bool>, BackendError>> + Send {
        async move {
            let mut deleted = Vec::with_capacity(keys.len());
            for key in keys {
                deleted.push(self.delete(key).await?);
            }
            Ok(deleted)
        }
    }

    /// A short name for errors and metrics, such as `"redis"`. By default `"custom"`.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// Whether the store answers at all. By default asks whether a name exists that no entry ever has.
    ///
    /// # Errors
    /// Whatever kept the store from answering.
    fn ping(&self) -> impl Future<Output = Result<(), BackendError>> + Send {
        async move { self.exists(&StoreKey::probe()).await.map(drop) }
    }

    /// What a circuit breaker in front of the store does, for [`Stats`](crate::Stats). A backend around another passes
    /// on what that one says. By default there is none.
    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

/// The twin of [`Backend`] that can be a trait object: the same methods with boxed futures.
trait Erased: Send + Sync {
    fn get<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, Option<Bytes>>;
    fn set<'a>(&'a self, key: &'a StoreKey, entry: Sealed, ttl: Option<Duration>) -> Boxed<'a, ()>;
    fn delete<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, bool>;
    fn exists<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, bool>;
    fn get_many<'a>(&'a self, keys: &'a [StoreKey]) -> Boxed<'a, Vec<Option<Bytes>>>;
    fn set_many(&self, writes: Vec<Write>) -> Boxed<'_, ()>;
    fn delete_many<'a>(&'a self, keys: &'a [StoreKey]) -> Boxed<'a, Vec<bool>>;
    fn name(&self) -> &'static str;
    fn ping(&self) -> Boxed<'_, ()>;
    fn breaker_state(&self) -> Option<BreakerState>;
}

impl<B: Backend> Erased for B {
    fn get<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, Option<Bytes>> {
        Box::pin(Backend::get(self, key))
    }
    fn set<'a>(&'a self, key: &'a StoreKey, entry: Sealed, ttl: Option<Duration>) -> Boxed<'a, ()> {
        Box::pin(Backend::set(self, key, entry, ttl))
    }
    fn delete<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, bool> {
        Box::pin(Backend::delete(self, key))
    }
    fn exists<'a>(&'a self, key: &'a StoreKey) -> Boxed<'a, bool> {
        Box::pin(Backend::exists(self, key))
    }
    fn get_many<'a>(&'a self, keys: &'a [StoreKey]) -> Boxed<'a, Vec<Option<Bytes>>> {
        Box::pin(Backend::get_many(self, keys))
    }
    fn set_many(&self, writes: Vec<Write>) -> Boxed<'_, ()> {
        Box::pin(Backend::set_many(self, writes))
    }
    fn delete_many<'a>(&'a self, keys: &'a [StoreKey]) -> Boxed<'a, Vec<bool>> {
        Box::pin(Backend::delete_many(self, keys))
    }
    fn name(&self) -> &'static str {
        Backend::name(self)
    }
    fn ping(&self) -> Boxed<'_, ()> {
        Box::pin(Backend::ping(self))
    }
    fn breaker_state(&self) -> Option<BreakerState> {
        Backend::breaker_state(self)
    }
}

/// Any [`Backend`] behind one type, for where a type parameter is in the way. Clones share it.
#[derive(Clone)]
pub struct AnyBackend(Arc<dyn Erased>);

impl AnyBackend {
    /// Puts the backend behind this type, at the price of one allocation for each call.
    pub fn new(backend: impl Backend) -> Self {
        Self::shared(Arc::new(backend))
    }

    pub(crate) fn shared(backend: Arc<impl Backend>) -> Self {
        Self(backend)
    }
}

impl fmt::Debug for AnyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyBackend").field(&self.0.name()).finish()
    }
}

/// Implements [`Backend`], every method of it, by the same method of what `$inner` gives.
macro_rules! forward {
    ($self:ident => $inner:expr) => {
        async fn get(&$self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
            $inner.get(key).await
        }
        async fn set(&$self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
            $inner.set(key, entry, ttl).await
        }
        async fn delete(&$self, key: &StoreKey) -> Result<bool, BackendError> {
            $inner.delete(key).await
        }
        async fn exists(&$self, key: &StoreKey) -> Result<bool, BackendError> {
            $inner.exists(key).await
        }
        async fn get_many(&$self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
            $inner.get_many(keys).await
        }
        async fn set_many(&$self, writes: Vec<Write>) -> Result<(), BackendError> {
            $inner.set_many(writes).await
        }
        async fn delete_many(&$self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
            $inner.delete_many(keys).await
        }
        fn name(&$self) -> &'static str {
            $inner.name()
        }
        async fn ping(&$self) -> Result<(), BackendError> {
            $inner.ping().await
        }
        fn breaker_state(&$self) -> Option<BreakerState> {
            $inner.breaker_state()
        }
    };
}

#[deny(clippy::missing_trait_methods)]
impl Backend for AnyBackend {
    forward!(self => self.0);
}

#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Arc<B> {
    forward!(self => (**self));
}
