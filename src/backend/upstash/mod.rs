//! [`UpstashBackend`]: Upstash Redis over its REST API, and Vercel KV, which is the same.

mod batch;
mod builder;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod refusal;
mod request;
mod resp2;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Method, Request};
use tokio::time::Instant;

pub use self::builder::UpstashBuilder;
pub(crate) use self::builder::{check_token, check_url};
use self::{batch::Item, resp2::Reply};
use super::{
    Backend, Write,
    web::{self, Web},
};
use crate::{
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind::TooLarge},
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "upstash";

/// Entries in [Upstash Redis](https://upstash.com/docs/redis/features/restapi) over HTTPS, or in Vercel KV, which is the
/// same.
///
/// Made for where no connection of Redis can be kept. Where one can, `RedisBackend` with the database's `rediss://` URL
/// saves the HTTP around each command. TLS is rustls with aws-lc-rs, which this feature brings along whatever the feature
/// `aws-lc-rs` says.
///
/// # Requests, time and costs
///
/// Upstash bills commands. Each call is one command and one request, which takes [2 s](UpstashBuilder::timeout) at most;
/// a `set` of too large an entry is up to two, which take 2 s in all. A batch is one command for each name, and its requests take as long each:
///
/// - `get_many` and `delete_many` send up to [100](Self::MAX_BATCH) commands in a request, one request after the other.
///   Entries come in base64, which is a third longer, and those of one request are altogether as long as one
///   [largest entry](UpstashBuilder::max_entry) at most: where they are longer, each is asked for again by itself, and
///   billed again.
/// - `set_many` sends each entry in a request of its own, up to 16 at the same time: JSON, which a pipeline is written
///   in, cannot carry the bytes of an entry. After an error some may have been stored.
///
/// A request that an old connection lost is sent once more on a new one, within the same time. So a `delete` whose
/// answer was lost may say `false`.
///
/// # Sizes and ttls
///
/// A request may have [10 MB](Self::MAX_REQUEST) in the plans "Free" and "Pay as you go", so an entry may have
/// [somewhat less](Self::ENTRY). A larger one is [`TooLarge`](crate::BackendErrorKind::TooLarge) and not sent, nor
/// is what was stored before under its name kept: it is deleted. The same holds where the server says that an entry is
/// too large; then the deletion has what is left of the call's time. If it fails, its error is given instead, and the
/// older entry may still be there. The other entries of a `set_many` are stored none the less.
///
/// What the server sends is read up to the largest entry, and not further. What is not bounded is a sum: a batch of 512
/// names may be answered with 512 times the largest entry, and many calls at once with that many.
///
/// A ttl goes to milliseconds, rounded up. One of more than [100 years](Self::LONGEST_TTL) is sent as that.
///
/// # Errors
///
/// | the server says | kind |
/// |---|---|
/// | 429, 507, `max requests limit exceeded` or another limit of the plan, `DB capacity quota exceeded` | [`Throttled`](crate::BackendErrorKind::Throttled), with `Retry-After` if it sent one |
/// | 401, 403, `WRONGPASS`, `NOPERM` (the read-only token) | [`Denied`](crate::BackendErrorKind::Denied) |
/// | 408, 504 | [`Timeout`](crate::BackendErrorKind::Timeout) |
/// | all other 5xx but 501 and 505, and what passes, such as `LOADING` | [`Transient`](crate::BackendErrorKind::Transient) |
/// | a redirect, 404: not the URL of a database | [`Misconfigured`](crate::BackendErrorKind::Misconfigured) |
/// | another error, or what is no answer | [`Rejected`](crate::BackendErrorKind::Rejected) |
///
/// The status counts where the words do not arrive: they are waited for a quarter of the time limit at most. If it only
/// blames the request, the error is `Transient` then.
///
/// A limit of a day or a month does not end soon: behind [`resilient`](crate::BackendExt::resilient) most calls are
/// refused at once until it does.
///
/// # Consistency
///
/// A database in one region gives what was set last. One with read regions copies writes there later: a read may give
/// an older entry, or one that was deleted, for a moment.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, UpstashBackend};
///
/// # async fn example(token: &str) -> Result<(), blindcache::BackendError> {
/// let upstash = UpstashBackend::new("https://us1-merry-cat-32748.upstash.io", token)?;
/// upstash.ping().await?; // the first call connects
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct UpstashBackend {
    web: Arc<Web>,
}

impl UpstashBackend {
    /// The largest request in bytes, "10 MB", in the plans "Free" and "Pay as you go".
    pub const MAX_REQUEST: usize = 10_000_000;
    /// The largest entry in bytes unless [another](UpstashBuilder::max_entry) is set: a request with room for the rest
    /// of it.
    pub const ENTRY: usize = Self::MAX_REQUEST - 1_024;
    /// The largest record in bytes, "100 MB", which no setting exceeds.
    pub const LARGEST_ENTRY: usize = 100_000_000;
    /// The longest ttl that is sent. Upstash documents none; this is one that no arithmetic overflows at.
    pub const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    /// Most commands of one request of a batch.
    pub const MAX_BATCH: usize = 100;

    /// The database at its REST URL, with its token, within 2 s for a call. Nothing is connected yet.
    ///
    /// Both are in Upstash's console; a token for reading only makes writes [`Denied`](crate::BackendErrorKind::Denied).
    /// Over `http://` the token can be read on the way: use it on the same machine only.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if this is no `http://` or `https://` URL, it has a
    /// query or a fragment, the token is not 1 to 4,096 visible ASCII characters, or the system has no CA certificates.
    /// Neither is echoed.
    pub fn new(url: &str, token: &str) -> Result<Self, BackendError> {
        Self::builder(url, token).build()
    }

    /// The database at its REST URL, with settings.
    pub fn builder(url: &str, token: &str) -> UpstashBuilder {
        UpstashBuilder::new(url, token)
    }

    fn largest(&self) -> usize {
        self.web.limits.max_entry
    }

    /// What `read` makes of the reply to one command; what it makes nothing of is no answer.
    async fn call<T>(
        &self,
        deadline: Instant,
        request: Request,
        largest: usize,
        read: impl FnOnce(Reply) -> Option<T>,
    ) -> Result<T, BackendError> {
        let answer = self.web.send_by(deadline, request, largest + resp2::FRAME).await?;
        read(request::reply(&answer)?).ok_or_else(|| answer.unexpected())
    }

    /// A command on one name that is answered by 0 or 1.
    async fn flag(
        &self,
        deadline: Instant,
        method: Method,
        command: &str,
        key: &StoreKey,
    ) -> Result<bool, BackendError> {
        let request = self.web.request(method, &[command, key.as_str()]);
        self.call(deadline, request, resp2::MAX_LINE, |reply| match reply {
            Reply::Integer(number) => flag(number),
            _ => None,
        })
        .await
    }

    async fn try_set(
        &self,
        deadline: Instant,
        key: &StoreKey,
        entry: Sealed,
        ttl: Option<Duration>,
    ) -> Result<(), BackendError> {
        if entry.len() > self.largest() {
            return Err(self.web.too_large());
        }
        let request = request::set(&self.web, key, entry, ttl);
        self.call(deadline, request, resp2::MAX_LINE, |reply| (reply == Reply::OK).then_some(())).await
    }

    /// The entries of up to [`MAX_BATCH`](Self::MAX_BATCH) names. `None` where they are too long for one answer.
    async fn get_part(&self, keys: &[StoreKey]) -> Result<Option<Vec<Option<Bytes>>>, BackendError> {
        let request = request::pipeline(&self.web, "GET", keys);
        let largest = batch::longest(keys.len(), self.largest());
        let Some(answer) = self.web.send_if_short(request, largest).await? else { return Ok(None) };
        let entry = |item| match item {
            Item::Nil => Some(None),
            Item::Entry(entry) => (entry.len() <= self.largest()).then_some(Some(entry)),
            _ => None,
        };
        match request::items(&answer, keys.len(), entry) {
            Err(err) if err.kind() == TooLarge => Ok(None),
            found => found.map(Some),
        }
    }
}

/// The answer of a command on one name: whether there was something.
fn flag(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for UpstashBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let request = self.web.request(Method::GET, &["get", key.as_str()]);
        self.call(self.web.deadline(), request, self.largest(), |reply| match reply {
            Reply::Nil => Some(None),
            Reply::Bulk(entry) => (entry.len() <= self.largest()).then_some(Some(entry)),
            _ => None,
        })
        .await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let deadline = self.web.deadline();
        match self.try_set(deadline, key, entry, ttl).await {
            Err(err) if err.kind() == TooLarge => {
                self.flag(deadline, Method::POST, "del", key).await?; // what is there is stale from now on
                Err(err)
            }
            done => done,
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.flag(self.web.deadline(), Method::POST, "del", key).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.flag(self.web.deadline(), Method::GET, "exists", key).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::with_capacity(keys.len());
        for part in keys.chunks(Self::MAX_BATCH) {
            found.extend(match self.get_part(part).await? {
                Some(entries) => entries,
                None => {
                    let keys = part.iter().map(|key| (key.clone(), ())).collect();
                    web::each(keys, async |key, ()| self.get(&key).await).await?
                }
            });
        }
        Ok(found)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        web::set_each(writes, |key, entry, ttl| async move { self.set(&key, entry, ttl).await }).await
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for part in keys.chunks(Self::MAX_BATCH) {
            let request = request::pipeline(&self.web, "DEL", part);
            let answer = self.web.send(request, batch::longest(part.len(), 0)).await?;
            deleted.extend(request::items(&answer, part.len(), |item| match item {
                Item::Integer(number) => flag(number),
                _ => None,
            })?);
        }
        Ok(deleted)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        let request = self.web.request(Method::GET, &["ping"]);
        let deadline = self.web.deadline();
        self.call(deadline, request, resp2::MAX_LINE, |reply| matches!(reply, Reply::Line(_)).then_some(()))
            .await
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for UpstashBackend {
    /// Shows the server and the limits, and nothing of the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let web::Limits { timeout, max_entry } = self.web.limits;
        f.debug_struct("UpstashBackend")
            .field("server", &self.web.server())
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .finish_non_exhaustive()
    }
}
