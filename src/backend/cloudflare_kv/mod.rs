//! [`CloudflareKvBackend`]: Workers KV, through Cloudflare's REST API.

mod builder;
mod bulk;
mod envelope;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod throttle;
mod wire;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::builder::CloudflareKvBuilder;
use self::wire::Api;
use super::{
    Backend, Write,
    web::{Limits, each},
};
use crate::{
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "cloudflare-kv";

/// Entries in a namespace of Cloudflare Workers KV, through Cloudflare's REST API.
///
/// For scripts, for few requests, and for reading what Workers use. For real traffic put a Worker before the namespace
/// that serves the contract of `HttpBackend`: the repository's `examples/cloudflare-worker` is one.
///
/// # Costs and limits
///
/// The API takes 1,200 requests in 5 minutes for all that one user or token does, and after more of them none for 5
/// minutes. So when it answers "too many requests", this backend and its clones ask nothing more for as long as the
/// answer says, at most an hour, and for a second if it does not say: calls fail at once, with the kind
/// [`Throttled`](crate::BackendErrorKind::Throttled) and the [time that is left](BackendError::retry_after).
///
/// | call | requests |
/// |---|---|
/// | `get`, `set`, `exists`, `ping` | 1 |
/// | `delete` | 2: the API does not say whether there was something to delete, so its metadata are read first |
/// | `get_many` | 1 for each name, 16 at the same time: the API's bulk read gives text only |
/// | `set_many` | 1 for up to 10,000 writes, or 4 MiB of entries and the last one; more where a server between takes less at once (413): halves |
/// | `delete_many` | 1 for each name, 16 at the same time, and 1 for up to 10,000 names |
///
/// An entry is at most [25 MiB](Self::LARGEST_ENTRY). A larger one is [`TooLarge`](crate::BackendErrorKind::TooLarge), and
/// what was stored under its name is deleted; where that fails, the error is that of the delete, and the older entry may
/// still be there. A batch with such a one still writes the others. What is not bounded is a sum: a batch of 512 names may
/// be answered with 512 times the largest entry, and many calls at once with that many. A ttl is rounded up to whole seconds and to [60 s](Self::SHORTEST_TTL) at least, and cut to
/// [10 years](Self::LONGEST_TTL); the time within the seal decides.
///
/// # Consistency
///
/// Eventual: what is written or deleted may be seen elsewhere up to 60 seconds late, or more. Until then a read gives
/// what was there before, and that is a missing entry, too. So `delete` and `exists` may say what was true a minute ago,
/// and an entry that another place has deleted may still be read; what invalidates tags of a
/// [`Cache`](crate::Cache) may arrive as late. `delete` deletes whatever its read said.
///
/// # Time limits
///
/// 2 s for a call in all, its requests together, unless it is [set](CloudflareKvBuilder::timeout); for a batch it holds
/// for each request. So where the API finds an entry too large, the deletion of the older one has what the write left. Large entries
/// need more: 25 MiB in 2 s are 105 Mbit/s. TLS is rustls with its aws-lc-rs provider, whatever the feature `aws-lc-rs`
/// says.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, CloudflareKvBackend};
///
/// # async fn example(token: &str) -> Result<(), blindcache::BackendError> {
/// let (account, namespace) = ("023e105f4ecef8ad9ca31a8372d0c353", "0f2ac74b498b48028cb68387c421e279");
/// let kv = CloudflareKvBackend::new(account, namespace, token)?;
/// kv.ping().await?; // the first call connects
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CloudflareKvBackend {
    api: Arc<Api>,
}

impl CloudflareKvBackend {
    /// The largest entry in bytes: 25 MiB, the largest value that KV takes.
    pub const LARGEST_ENTRY: usize = 25 * 1024 * 1024;
    /// The shortest time to live that KV takes.
    pub const SHORTEST_TTL: Duration = Duration::from_secs(60);
    /// The longest time to live that is asked for: 3,650 days. KV names no limit.
    pub const LONGEST_TTL: Duration = Duration::from_secs(3_650 * 24 * 3_600);

    /// A namespace of an account, by their ids, with the limit of 2 s. Nothing is connected yet.
    ///
    /// The token needs the permission "Workers KV Storage: Edit" for the account. Calls need a Tokio runtime with its
    /// I/O and time drivers.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if an id or the token cannot be one, or the system has
    /// no CA certificates. None of them is echoed.
    pub fn new(account: &str, namespace: &str, token: &str) -> Result<Self, BackendError> {
        Self::builder(account, namespace, token).build()
    }

    /// The same, with settings.
    pub fn builder(account: &str, namespace: &str, token: &str) -> CloudflareKvBuilder {
        CloudflareKvBuilder::new(account, namespace, token)
    }

    fn with(api: Api) -> Self {
        Self { api: Arc::new(api) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for CloudflareKvBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.api.get(key).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.api.set(key, &entry, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.api.delete(key).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.api.exists(key).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let names = keys.iter().map(|key| (key.clone(), ())).collect();
        each(names, async |key, ()| self.api.get(&key).await).await
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let (fit, large): (Vec<_>, Vec<_>) =
            bulk::last_of_each(writes).into_iter().partition(|(_, entry, _)| self.api.fits(entry));
        let large: Vec<_> = large.into_iter().map(|(key, ..)| key).collect();
        for names in large.chunks(bulk::MAX_NAMES) {
            self.api.remove_all(names).await?;
        }
        let mut done = if large.is_empty() { Ok(()) } else { Err(self.api.web.too_large()) };
        for part in bulk::parts(fit) {
            match self.api.set_all(&part).await {
                Err(refusal) if refusal.kind() != BackendErrorKind::TooLarge => return Err(refusal),
                outcome => done = done.and(outcome),
            }
        }
        done
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let names = bulk::distinct(keys);
        let asked = names.iter().map(|key| (key.clone(), ())).collect();
        let found = each(asked, async |key, ()| self.api.exists(&key).await).await?;
        for part in names.chunks(bulk::MAX_NAMES) {
            self.api.remove_all(part).await?;
        }
        // Of a name that stands twice, the first takes it.
        let mut there: HashMap<_, _> = names.iter().zip(found).collect();
        Ok(keys.iter().map(|key| there.remove(key).unwrap_or(false)).collect())
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.api.exists(&StoreKey::probe()).await.map(drop)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for CloudflareKvBackend {
    /// Shows the server and the limits, and nothing of the ids and the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry } = self.api.web.limits;
        f.debug_struct("CloudflareKvBackend")
            .field("server", &self.api.web.server())
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .finish_non_exhaustive()
    }
}
