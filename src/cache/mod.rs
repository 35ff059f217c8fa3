//! [`Cache`]: one call, `get_or_compute`, from memory, from the store or from the application's own function.

mod batch;
mod builder;
mod call;
mod calls;
mod compute_many;
mod engine;
mod finish;
mod flight;
mod handed;
mod judge;
#[cfg(feature = "l1")]
mod l1;
#[cfg(not(feature = "l1"))]
#[path = "l1_absent.rs"]
mod l1;
mod load;
mod members;
mod memory;
mod mode;
#[cfg(all(feature = "l1", feature = "testing"))]
mod parts;
mod policy;
mod refresh;
#[cfg(feature = "l1")]
#[cfg(test)]
mod schedules;
mod search;
mod source;
mod stand_in;
mod tags;
mod tell;
mod unbroken;
mod value;
mod verdict;
#[cfg(test)]
#[path = "verdict/schedules.rs"]
mod verdict_schedules;
mod write;

// In `verdict`'s test the same file runs on shuttle's.
use std::sync::atomic::AtomicU64;
use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::task::TaskTracker;

#[cfg(feature = "l1")]
pub use self::l1::L1;
#[cfg(all(feature = "l1", feature = "testing"))]
pub use self::parts::Hit;
pub use self::{
    builder::Builder,
    call::{Entry, Strict},
};
use self::{flight::Slots, l1::Tier, policy::Policy, tags::Markers, verdict::Judged};
use crate::{
    backend::{AnyBackend, Backend},
    clock::Clock,
    crypto::TenantKeys,
    encrypted::{EncryptedBackend, scope_of},
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
/// What goes on in the background, such as a refresh or a write whose caller has given up, needs a Tokio runtime with its
/// timer, `enable_time`. In one without, its task panics and the work is lost; outside any there is no background.
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
    /// That the marker of the namespace need not be asked for.
    namespace: Arc<Judged>,
}

/// What clones and tenants share.
struct Shared {
    policy: Policy,
    tier: Option<Tier>,
    /// How long in milliseconds memory is believed without the store.
    l1_ttl: u64,
    slots: Arc<Slots>,
    markers: Markers,
    /// One write at a time for the marker of a tag.
    telling: Arc<Slots>,
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
    ///
    /// ```
    /// # use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let keys = Keyring::new(MasterKey::generate()?)?;
    /// # let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme")?);
    /// # let cache = Cache::builder(acme).build()?;
    /// cache.set("greeting", 1).await?;
    /// let globex = cache.for_tenant(keys.tenant("globex")?);
    /// assert_eq!(globex.get::<i32>("greeting").await?, None);
    /// # Ok(())
    /// # }
    /// ```
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
        Self { shared: self.shared.clone(), store, scope, namespace: Arc::default() }
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

    /// What this cache, with its clones and tenants, has done so far.
    pub fn stats(&self) -> Stats {
        let breaker = self.store.as_ref().and_then(|store| store.backend().breaker_state());
        self.shared.counters.stats(self.shared.memory(), self.shared.slots.len() as u64, breaker)
    }

    /// Starts no more background work, and waits for what is under way: refreshes, and writes that are left to the
    /// background or whose callers have given up.
    ///
    /// A write waits for the store 30 s at most, and a refresh for its function until the stale value ends, which can be
    /// long: put a time-out of your own around it where that matters. Dropped, `close` still lets nothing more begin.
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
