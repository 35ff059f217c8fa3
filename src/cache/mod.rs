//! [`Cache`]: one call, `get_or_compute`, from memory, from the store or from the application's own function.

mod batch;
mod builder;
mod call;
mod compute_many;
mod engine;
mod flight;
mod judge;
#[cfg(feature = "l1")]
mod l1;
#[cfg(not(feature = "l1"))]
#[path = "l1_absent.rs"]
mod l1;
mod mode;
mod policy;
mod refresh;
mod store;
mod tags;
mod value;
mod write;

use std::{fmt, future::Future, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::task::TaskTracker;

#[cfg(feature = "l1")]
pub use self::l1::L1;
pub use self::{
    builder::Builder,
    call::{Entry, Strict},
};
use self::{flight::Slots, l1::Tier, policy::Policy, tags::Markers};
use crate::{
    backend::{AnyBackend, Backend},
    clock::Clock,
    crypto::TenantKeys,
    encrypted::{EncryptedBackend, scope_of},
    error::Error,
    key::Key,
    metrics::{Call, Counters, Operation, Stats},
};

/// What a [`Cache`] holds: anything that can be serialized, cloned and shared between threads.
///
/// Every such type is one, so there is nothing to implement. Put a large value behind an `Arc` (serde's feature `rc`),
/// and a hit in memory is a pointer copy.
pub trait Value: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Value for T {}

/// A cache client over a store that nobody has to trust: memory in front, one computation at a time, values that may
/// outlive their ttl where the source fails, tags, batches.
///
/// Clones share everything; so do the tenants of [`for_tenant`](Self::for_tenant), but for the keys. It has no type
/// parameter, so it fits a struct field or a web framework's state.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = Keyring::new(MasterKey::generate()?)?;
/// let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme")?);
/// let cache = Cache::builder(acme).ttl(Duration::from_secs(600)).build()?;
///
/// let id = 42;
/// let name: String = cache.get_or_compute(("user", id), || async { load(id).await }).await?;
/// assert_eq!(name, "Ada");
/// # Ok(())
/// # }
/// # async fn load(_: u64) -> Result<String, std::io::Error> { Ok("Ada".into()) }
/// ```
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    /// `None`: in memory only.
    store: Option<EncryptedBackend<AnyBackend>>,
    /// Which tenant, namespace and epoch this is in what is shared.
    scope: [u8; 16],
}

/// What clones and tenants share.
struct Shared {
    policy: Policy,
    tier: Option<Tier>,
    /// How long in milliseconds memory is believed without the store.
    l1_ttl: u64,
    slots: Arc<Slots>,
    markers: Markers,
    counters: Counters,
    tasks: TaskTracker,
    clock: Clock,
}

impl Cache {
    /// The settings of a cache over this tenant's store.
    pub fn builder<B: Backend>(store: EncryptedBackend<B>) -> Builder {
        Builder::new(Some(store.erase()))
    }

    /// The settings of a cache without a store: a plain in-process cache. Values are not serialized.
    #[cfg(feature = "l1")]
    pub fn in_memory() -> Builder {
        Builder::new(None)
    }

    /// The same cache for another tenant: it shares memory, connections and settings, and no entry.
    #[must_use]
    pub fn for_tenant(&self, keys: TenantKeys) -> Self {
        let (store, scope) = match &self.store {
            Some(store) => {
                let store = store.for_tenant(keys);
                let scope = store.scope();
                (Some(store), scope)
            }
            None => (None, scope_of(&keys)),
        };
        Self { shared: self.shared.clone(), store, scope }
    }

    /// A call with settings of its own: `cache.entry(key).ttl(…).tags([…]).get_or_compute(…)`.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// let call = cache.entry(("user", 42)).ttl(Duration::from_secs(60)).tags(["users"]);
    /// let name = call.get_or_compute(|| async { Ok::<_, Infallible>("Ada".to_owned()) }).await?;
    /// # assert_eq!(name, "Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn entry(&self, key: impl Key) -> Entry<'_> {
        Entry::new(self, key)
    }

    /// The value under this key, if there is a fresh one.
    ///
    /// What cannot be read is counted and is a miss; [`entry(key).strict()`](Entry::strict) makes it an error.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", "hello".to_owned()).await?;
    /// assert_eq!(cache.get::<String>("greeting").await?.as_deref(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn get<T: Value>(&self, key: impl Key) -> impl Future<Output = Result<Option<T>, Error>> {
        self.entry(key).get()
    }

    /// Stores a value with the cache's ttl, in memory and in the store; it is newer than whatever is being computed.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set(("user", 42), "Ada".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Value`], [`Error::Ttl`], [`Error::Tag`], [`Error::Random`], before anything is changed;
    /// [`Error::Backend`], after which memory holds nothing under this key.
    pub fn set<T: Value>(&self, key: impl Key, value: T) -> impl Future<Output = Result<(), Error>> {
        self.entry(key).set(value)
    }

    /// Removes the value from memory and from the store; tells whether there was one in either. What is being computed
    /// for this key is returned to its callers, and not kept.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", 1).await?;
    /// assert!(cache.delete("greeting").await?);
    /// assert!(!cache.delete("greeting").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn delete(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> {
        let key = key.to_cache_key();
        async move {
            let call = self.call(Operation::Delete);
            call.end(call.around(self.remove(&call, key)).await)
        }
    }

    /// Whether memory holds a value under this key, or the store says that it does: see
    /// [`EncryptedBackend::exists`].
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// assert!(!cache.exists("greeting").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn exists(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> {
        let key = key.to_cache_key();
        async move {
            let call = self.call(Operation::Exists);
            call.end(call.around(self.holds(&call, key)).await)
        }
    }

    /// The value under this key: from memory, from the store, or from `f`, whose value is then kept.
    ///
    /// For one key `f` runs once at a time in a process, however many ask; the others wait and get its value. Where `f`
    /// fails, or exceeds the [`soft_timeout`](Builder::soft_timeout), a value within its [`stale`](Builder::stale) time
    /// stands in; else its error is returned as it is, nothing is kept, and the next who waits runs its own `f`.
    ///
    /// Trouble with the store, an unreadable entry, a refused key or ttl is counted, and the value computed all the
    /// same: [`entry(key).strict()`](Entry::strict) makes it an error.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # struct Db;
    /// # impl Db { async fn user(&self, _: u64) -> Result<String, std::io::Error> { Ok("Ada".into()) } }
    /// # let (db, id) = (Db, 42);
    /// let user = cache.get_or_compute(("user", id), || db.user(id)).await?;
    /// # assert_eq!(user, "Ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is.
    pub fn get_or_compute<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.entry(key).get_or_compute(f)
    }

    /// The value under this key at once, even a stale one, which `f` then refreshes in the background; only where there
    /// is none, `f` runs in this call. With [`refresh_ahead`](Builder::refresh_ahead) the refresh begins before the ttl
    /// is over.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # async fn rates() -> Result<u64, std::io::Error> { Ok(7) }
    /// let rates = cache.get_or_refresh("rates", || rates()).await?;
    /// # assert_eq!(rates, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is, where it ran in this call.
    pub fn get_or_refresh<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.entry(key).get_or_refresh(f)
    }

    /// Computes the value now, whatever there is, and keeps it.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # async fn rates() -> Result<u64, std::io::Error> { Ok(7) }
    /// let rates = cache.refresh("rates", || rates()).await?;
    /// # assert_eq!(rates, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is.
    pub fn refresh<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.entry(key).refresh(f)
    }

    /// Makes every value that was stored with this tag, in this namespace, a miss: in this process at once, in others
    /// within their [`marker_ttl`](Builder::marker_ttl).
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.entry(("user", 42)).tags(["users"]).set(1).await?;
    /// cache.invalidate_tag("users").await?;
    /// assert_eq!(cache.get::<i32>(("user", 42)).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Tag`] unless the tag has 1 to 255 bytes; [`Error::Backend`] if other processes will not see it: call again.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<(), Error> {
        let call = self.call(Operation::InvalidateTag);
        let tag = (1..=255).contains(&tag.len()).then_some(tag.as_bytes()).ok_or(Error::Tag);
        call.end(call.around(async { self.invalidate(&call, tag?).await }).await)
    }

    /// Makes every value of this tenant, namespace and epoch a miss, as [`invalidate_tag`](Self::invalidate_tag) does.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", 1).await?;
    /// cache.clear().await?;
    /// assert_eq!(cache.get::<i32>("greeting").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`] if other processes will not see it: call again.
    pub async fn clear(&self) -> Result<(), Error> {
        let call = self.call(Operation::Clear);
        call.end(call.around(self.invalidate(&call, b"")).await)
    }

    /// What this cache, with its clones and tenants, has done so far.
    pub fn stats(&self) -> Stats {
        let breaker = self.store.as_ref().and_then(|store| store.backend().breaker_state());
        self.shared.counters.stats(self.shared.memory(), self.shared.slots.len() as u64, breaker)
    }

    /// Starts no more background work, and waits for what is under way.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn call(&self, operation: Operation) -> Call<'_> {
        self.shared.counters.call(operation)
    }

    fn now(&self) -> u64 {
        self.shared.clock.now()
    }
}

impl fmt::Debug for Cache {
    /// Shows the backend's name and the key ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("store", &self.store).finish_non_exhaustive()
    }
}
