//! [`RedisBackend`]: Redis, Valkey, and what speaks their protocol.

mod builder;
mod connect;
mod doubt;
mod error;
mod link;
mod meter;
mod request;
mod target;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::Value;

pub use self::builder::RedisBuilder;
use self::{
    error::Failure,
    link::{Limits, Link},
    request::Request,
    target::Target,
};
use super::{Backend, Write};
use crate::{
    crypto::{Sealed, StoreKey},
    error::BackendError,
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "redis";

/// Entries in Redis 4 or later, Valkey, or another server that speaks their protocol.
///
/// All calls share one connection, which the first one makes; clones share it too. Of one server, that is: a cluster
/// answers [`Misconfigured`](crate::BackendErrorKind::Misconfigured) when it wants another node to be asked.
///
/// # Time limits and healing
///
/// No call takes longer than the connect limit and the response limit together, 1 s each unless they are
/// [set](Self::builder). The response limit grows by 1 s for each 4 MiB sent. A batch is sent as requests of up to 512
/// names, and of entries up to 4 MiB and the last one; the limits hold for each of these.
///
/// - A call that met a dead connection is made once more on a new one, within the same limits. So a `delete` whose
///   answer was lost may say `false`.
/// - After a time-out the connection is replaced: a half-open one is never kept, not even where every caller gives up
///   earlier than that. Other calls that still wait on the old one may finish there.
/// - There is one attempt to connect at a time, and all calls wait for it. After a failed one, calls fail at once with
///   the same error during a pause of 25 ms up to 1 s; the next call after the pause tries again. So the backend heals
///   by itself at most about 1 s after its server.
/// - It works on from another Tokio runtime when the one that it connected on is gone.
///
/// # Sizes
///
/// An entry is at most 128 MiB, [up to](RedisBuilder::max_entry) the 512 MiB that Redis takes; less where the server's
/// `proto-max-bulk-len` says so. A larger one is [`TooLarge`](crate::BackendErrorKind::TooLarge) before it is sent.
///
/// A server that lies cannot fill the memory: as soon as it has sent more than the calls in flight can be answered
/// with, and 16 KiB, the connection is ended and those calls are [`Rejected`](crate::BackendErrorKind::Rejected). A
/// call can be answered with the largest entry for each name whose entry it asks for, or with 4 KiB for each command.
/// So what is not bounded is their sum: a batch of 512 names may be answered with 512 times the largest entry, and
/// many calls at once with that many. Nor is it bounded what the client makes of these bytes: a long list of numbers
/// takes many times their size. The connection of a client of [yours](Self::from_client) is not metered at all.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, RedisBackend};
///
/// # async fn example() -> Result<(), blindcache::BackendError> {
/// let redis = RedisBackend::new("redis://127.0.0.1:6379")?;
/// redis.ping().await?; // the first call connects
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBackend {
    link: Arc<Link>,
}

impl RedisBackend {
    /// The server at a URL, with the limits of 1 s. Nothing is connected yet.
    ///
    /// Calls need a Tokio runtime with its I/O and time drivers, as `enable_all()` gives it: without a runtime they
    /// answer [`Misconfigured`](crate::BackendErrorKind::Misconfigured). A runtime without these drivers cannot be told
    /// from one with them, and Tokio panics in it.
    ///
    /// - `redis://[user][:password@]host[:port][/db][?protocol=resp3]`
    /// - `rediss://…`: the same over TLS, trusting the system's certificates
    /// - `unix:///path[?db=0][&user=…][&pass=…][&protocol=resp3]`
    ///
    /// `valkey://`, `valkeys://`, `redis+unix:` and `valkey+unix:` mean the same. TLS is never without verification:
    /// `#insecure` is refused.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL is none of these, or the system has no CA
    /// certificates. The URL is not echoed.
    pub fn new(url: &str) -> Result<Self, BackendError> {
        Self::builder(url).build()
    }

    /// The server at a URL, with settings.
    pub fn builder(url: &str) -> RedisBuilder {
        RedisBuilder::new(url)
    }

    /// The server of a client of yours: its address, TLS and login, with the limits of 1 s and `TCP_NODELAY`.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the client's settings cannot work.
    pub fn from_client(client: &redis::Client) -> Result<Self, BackendError> {
        Self::builder_from_client(client).build()
    }

    /// The server of a client of yours, with settings. Its certificates are the client's own.
    pub fn builder_from_client(client: &redis::Client) -> RedisBuilder {
        RedisBuilder::from_client(client)
    }

    fn connecting_to(target: Target, limits: Limits) -> Self {
        Self { link: Arc::new(Link::new(target, limits)) }
    }

    async fn call(&self, request: Request) -> Result<Value, Failure> {
        self.link.call(&request).await
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for RedisBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(request::entry(self.call(Request::get(key)).await?)?)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        request::fits(&entry, self.link.limits.max_entry)?;
        Ok(request::done(self.call(Request::set(key, &entry, ttl)).await?)?)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(request::flag(self.call(Request::delete(key)).await?)?)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(request::flag(self.call(Request::exists(key)).await?)?)
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::with_capacity(keys.len());
        for part in keys.chunks(request::MAX_COUNT) {
            let answers = request::each(self.call(Request::get_many(part)).await?, part.len())?;
            for answer in answers {
                found.push(request::entry(answer)?);
            }
        }
        Ok(found)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        for (_, entry, _) in &writes {
            request::fits(entry, self.link.limits.max_entry)?;
        }
        let mut writes = writes.into_iter();
        while let Some((request, count)) = Request::set_many(&mut writes) {
            for answer in request::each(self.call(request).await?, count)? {
                request::done(answer)?;
            }
        }
        Ok(())
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for part in keys.chunks(request::MAX_COUNT) {
            let answers = request::each(self.call(Request::delete_many(part)).await?, part.len())?;
            for answer in answers {
                deleted.push(request::flag(answer)?);
            }
        }
        Ok(deleted)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(request::pong(&self.call(Request::ping()).await?)?)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for RedisBackend {
    /// Shows the address and the limits, and nothing of the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { connect, response, max_entry } = self.link.limits;
        f.debug_struct("RedisBackend")
            .field("server", &self.link.target)
            .field("connect_timeout", &connect)
            .field("response_timeout", &response)
            .field("max_entry", &max_entry)
            .finish_non_exhaustive()
    }
}
