//! [`RedisBackend`]: Redis, Valkey, and what speaks their protocol.

mod access;
mod answer;
mod builder;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod command;
mod connect;
mod doubt;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod link;
mod meter;
mod request;
#[cfg(feature = "redis-cluster")]
mod sentinel;
mod shared;
mod target;

use std::{fmt, iter, time::Duration};

use bytes::Bytes;
use redis::Value;

pub use self::builder::RedisBuilder;
#[cfg(feature = "redis-cluster")]
use self::cluster::Cluster;
use self::{
    command::Command,
    error::Failure,
    link::{Limits, Link},
    request::Request,
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
/// All calls share one connection, which the first one makes; clones share it too. With the feature `redis-cluster` there
/// are also `RedisBackend::cluster` and `RedisBackend::sentinel`. Without it a node of a cluster is
/// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) as soon as it wants another one to be asked.
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
/// An entry is at most 128 MiB, [up to](RedisBuilder::max_entry) the 512 MiB that Redis takes. A larger one is
/// [`TooLarge`](crate::BackendErrorKind::TooLarge), and is not sent; what was stored under its name is deleted, and of a
/// batch nothing else is written. Set `max_entry` to no more than the server's `proto-max-bulk-len`, if that is below
/// the 512 MiB of its default: the server ends the connection of a larger entry, which is then
/// [`Rejected`](crate::BackendErrorKind::Rejected) or [`Transient`](crate::BackendErrorKind::Transient), and what was
/// stored stays.
///
/// A server that lies cannot fill the memory: as soon as it has sent more than the calls in flight can be answered
/// with, and 16 KiB in all, the connection is ended and those calls are
/// [`Rejected`](crate::BackendErrorKind::Rejected), or it is replaced where they have their answers. A call can be
/// answered with the largest entry for each name whose entry it asks for, or with 4 KiB for each command. So what is not
/// bounded is their sum: a batch of 512 names may be answered with 512 times the largest entry, and many calls at once
/// with that many. Nor is it bounded what the client makes of these bytes: a long list of numbers takes many times their
/// size. Nobody knows what the answers to dropped calls were, so a connection is replaced on which these had 256 MiB. The
/// connection of a client of [yours](Self::from_client) is not metered at all.
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
    servers: Servers,
}

#[derive(Clone)]
enum Servers {
    One(Link),
    #[cfg(feature = "redis-cluster")]
    Cluster(Cluster),
}

impl RedisBackend {
    /// The largest entry that Redis takes, in bytes: 512 MiB.
    pub const LARGEST_ENTRY: usize = 512 * 1024 * 1024;
    /// The longest time to live that is asked for; a longer one is cut to it. 146 million years.
    pub const LONGEST_TTL: Duration = Duration::from_millis(command::LONGEST_TTL);

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

    fn limits(&self) -> Limits {
        match &self.servers {
            Servers::One(link) => link.limits(),
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => cluster.limits(),
        }
    }

    /// The answer to a command about this name.
    async fn call(
        &self,
        #[cfg_attr(not(feature = "redis-cluster"), expect(unused_variables))] key: &StoreKey,
        command: Command,
    ) -> Result<Value, Failure> {
        match &self.servers {
            Servers::One(link) => link.call(&Request::one(command)).await,
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => cluster.call(key, command).await,
        }
    }

    /// The answers to commands, each about its name.
    async fn call_each(
        &self,
        keys: impl ExactSizeIterator<Item = &StoreKey>,
        commands: impl Iterator<Item = Command>,
    ) -> Result<Vec<Value>, Failure> {
        match &self.servers {
            Servers::One(link) => answer::each(link.call(&Request::many(commands)).await?, keys.len()),
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => cluster.run(keys.zip(commands)).await,
        }
    }

    /// What is stored under each of so many names as fit one request.
    async fn entries(&self, keys: &[StoreKey]) -> Result<Vec<Value>, Failure> {
        match &self.servers {
            Servers::One(link) => {
                answer::each(link.call(&Request::one(Command::get_many(keys))).await?, keys.len())
            }
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => {
                // No two names are in the same slot but by chance, so each has a command.
                let commands = keys.iter().map(|key| (key, Command::get_many(std::slice::from_ref(key))));
                let answers = cluster.run(commands).await?.into_iter();
                let single = |answer| answer::each(answer, 1)?.pop().ok_or_else(Failure::unexpected);
                answers.map(single).collect()
            }
        }
    }

    /// Refuses entries that would not be read back. What is stored under their names is deleted rather than left behind.
    async fn fit<'a>(
        &self,
        writes: impl Iterator<Item = (&'a StoreKey, &'a Sealed)>,
    ) -> Result<(), BackendError> {
        let max_entry = self.limits().max_entry;
        let too_large = writes.filter(|(_, entry)| entry.len() > max_entry).map(|(key, _)| key.clone());
        let too_large: Vec<StoreKey> = too_large.collect();
        if too_large.is_empty() {
            return Ok(());
        }
        self.delete_many(&too_large).await?;
        Err(Failure::too_large().into())
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for RedisBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(answer::entry(self.call(key, Command::get(key)).await?)?)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.fit(iter::once((key, &entry))).await?;
        Ok(answer::done(self.call(key, Command::set(key, &entry, ttl)).await?)?)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(answer::flag(self.call(key, Command::delete(key)).await?)?)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(answer::flag(self.call(key, Command::exists(key)).await?)?)
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::with_capacity(keys.len());
        for part in keys.chunks(command::MAX_COUNT) {
            for answer in self.entries(part).await? {
                found.push(answer::entry(answer)?);
            }
        }
        Ok(found)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        self.fit(writes.iter().map(|(key, entry, _)| (key, entry))).await?;
        let mut writes = writes.into_iter();
        while let Some(part) = command::next_part(&mut writes) {
            let keys = part.iter().map(|(key, ..)| key);
            let commands = part.iter().map(|(key, entry, ttl)| Command::set(key, entry, *ttl));
            for answer in self.call_each(keys, commands).await? {
                answer::done(answer)?;
            }
        }
        Ok(())
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for part in keys.chunks(command::MAX_COUNT) {
            for answer in self.call_each(part.iter(), part.iter().map(Command::delete)).await? {
                deleted.push(answer::flag(answer)?);
            }
        }
        Ok(deleted)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        let answered = match &self.servers {
            Servers::One(link) => answer::pong(&link.call(&Request::one(Command::ping())).await?),
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => cluster.ping().await,
        };
        Ok(answered?)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for RedisBackend {
    /// Shows the addresses and the limits, and nothing of the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { connect, response, max_entry } = self.limits();
        let mut shown = f.debug_struct("RedisBackend");
        match &self.servers {
            Servers::One(link) => shown.field("server", link.target()),
            #[cfg(feature = "redis-cluster")]
            Servers::Cluster(cluster) => shown.field("cluster", cluster),
        };
        shown
            .field("connect_timeout", &connect)
            .field("response_timeout", &response)
            .field("max_entry", &max_entry)
            .finish_non_exhaustive()
    }
}
