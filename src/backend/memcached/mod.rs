//! [`MemcachedBackend`]: memcached, by its meta protocol.

mod address;
mod builder;
mod cluster;
mod connection;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod request;
mod ring;
mod server;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::builder::MemcachedBuilder;
use self::{cluster::Cluster, connection::Reply, error::Failure, request::Command, server::Limits};
use super::{Backend, Write};
use crate::{
    crypto::{Sealed, StoreKey},
    error::BackendError,
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "memcached";

/// Entries in memcached, on one server or spread over several.
///
/// It needs servers that know the meta commands (`mg`, `ms`, `md`, `mn`); it is tested with memcached 1.6.18. Clones share
/// the connections. Memcached drops entries when its memory is full, when it restarts, and when its ttl says so: all of
/// these are misses.
///
/// # Logins
///
/// None: neither SASL nor memcached's own `-Y`. A server that wants one answers
/// [`Denied`](crate::BackendErrorKind::Denied), or, where it speaks the binary protocol alone, not at all. Keep memcached
/// off networks that others are on, or have it ask for a client's certificate.
///
/// # Several servers
///
/// Each name is kept by one server, found by consistent hashing: 160 points for each server on a ring, at hashes of
/// `host:port#0` and so on as they stand in the URL. The order of the list does not matter. One more server, or one less,
/// moves about its share of the names, 1/n; those are misses once, and what is left on their old servers can come back,
/// not yet expired, when the change is undone. The mapping is this library's own, not that of ketama or another client,
/// and does not change with its versions. All processes must list the same servers by the same names.
///
/// While a server is down the calls on its names fail, and nobody else takes them over: an entry that was written
/// elsewhere meanwhile would be an older one later. A batch with a name of such a server fails as a whole, after the
/// other servers have done their part. [`ping`](Backend::ping) asks every server. A [`Breaker`](crate::Breaker) above
/// counts the failures of all servers together.
///
/// # Time limits and healing
///
/// No call takes longer than 2 s, unless that is [set](MemcachedBuilder::timeout), and 1 s more for each 4 MiB sent. A
/// batch is sent to a server as requests of up to 512 names and 4 MiB, one after the other; over TLS, of up to 16 KiB, since
/// memcached stands still in the middle of longer ones. The limit holds for each of these. The servers of a batch are
/// asked at the same time.
///
/// - Each server has up to [16](MemcachedBuilder::max_connections) connections, made when they are needed; a call has one
///   for itself. What failed, ran into its limit or was dropped takes its connection along, so no answer reaches another
///   call; besides, an answer must carry the token of its command, but for the misses of older servers, which have none.
///   Where there was no answer, those go too that were idle all the while. Callers who give up often pay with connecting.
/// - A call that met a dead connection is made once more on a new one, within the same limit. So a `delete` whose answer
///   was lost may say `false`.
/// - After a failed attempt to connect, calls on that server fail at once with the same error during a pause of 25 ms up
///   to 1 s; then one call tries again. So it heals by itself about 1 s after its server, or at the end of an attempt
///   that is under way then.
/// - It works on from another Tokio runtime when the one that it connected on is gone.
///
/// # Sizes
///
/// An item of memcached is a name, an entry and 59 bytes more, 1 MiB by default. So an entry is at most
/// [`ENTRY`](Self::ENTRY), or [what is set](MemcachedBuilder::max_entry). A larger one is
/// [`TooLarge`](crate::BackendErrorKind::TooLarge) and not sent, and what was stored under its name is deleted, since it
/// is out of date; the server itself does both with what is too large for it. In a batch the other writes are done. If
/// deleting fails, that is the error.
///
/// Full memory where the server may not evict, or has nothing to evict, is
/// [`Throttled`](crate::BackendErrorKind::Throttled). What was stored under the name is then gone, or, where the refused
/// entry has more than half the largest item, still there.
///
/// A server that lies cannot fill the memory: an entry is read only if its size, which comes first, is no more than
/// the largest, and any other line of an answer has at most 2 KiB. The rest is
/// [`Rejected`](crate::BackendErrorKind::Rejected). What is not bounded is the sum: a batch can be answered with the
/// largest entry for each of its names.
///
/// # Expiry
///
/// Memcached counts whole seconds, and looks at its clock once in a second: an entry that is not evicted stays for its
/// ttl, and about 4 s more at most. A ttl under [1 s](Self::SHORTEST_TTL) becomes that. The latest time that memcached knows is
/// in [January 2038](Self::LAST_EXPIRY): longer ttls are cut, near that time and after it to 30 days. A ttl of more than
/// 30 days is sent as a time by this machine's clock. The expiry within the seal decides in any case.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, MemcachedBackend};
///
/// # async fn example() -> Result<(), blindcache::BackendError> {
/// let memcached = MemcachedBackend::new("memcache://10.0.0.1,10.0.0.2:11212")?;
/// memcached.ping().await?; // the first call connects
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemcachedBackend {
    cluster: Arc<Cluster>,
}

impl MemcachedBackend {
    /// Bytes of an item that are not the entry, at most: 178, of which 119 are the longest name.
    pub const OVERHEAD: usize = 59 + 119;
    /// The largest entry in bytes unless it is set, 1,048,398: under whatever name, it fits into the item of 1 MiB that a
    /// server takes at most unless told otherwise.
    pub const ENTRY: usize = 1024 * 1024 - Self::OVERHEAD;
    /// The shortest ttl that the server tells from a longer one, 1 s: shorter ones become this.
    pub const SHORTEST_TTL: Duration = Duration::from_secs(1);
    /// The latest expiry that the server knows, in seconds since 1970: in January 2038. Later ones become this, or 30 days
    /// from now where that is later. The server reads 32 bits, and would let an entry beyond them expire at once.
    pub const LAST_EXPIRY: u64 = i32::MAX as u64;

    /// The server or servers at a URL, with a limit of 2 s. Nothing is connected yet.
    ///
    /// Calls need a Tokio runtime with its I/O and time drivers, as `enable_all()` gives it: without a runtime they
    /// answer [`Misconfigured`](crate::BackendErrorKind::Misconfigured). A runtime without these drivers cannot be told
    /// from one with them, and Tokio panics in it.
    ///
    /// - `memcache://host[:port][,host[:port]…]`, with port 11211 where there is none, and IPv6 addresses in brackets
    /// - `memcache+tls://…`: the same over TLS, trusting the system's certificates
    /// - `memcache+unix:///path[,/path…]`
    ///
    /// `memcached` in place of `memcache` means the same. TLS is never without verification; it is rustls, which brings
    /// aws-lc-rs along.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL is none of these, holds a login or one server
    /// twice, or the system has no CA certificates. The URL is not echoed.
    pub fn new(url: &str) -> Result<Self, BackendError> {
        Self::builder(url).build()
    }

    /// The server or servers at a URL, with settings.
    pub fn builder(url: &str) -> MemcachedBuilder {
        MemcachedBuilder::new(url)
    }

    fn of(cluster: Cluster) -> Self {
        Self { cluster: Arc::new(cluster) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for MemcachedBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(entry(self.cluster.one(Command::Get(key)).await?)?)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let command = Command::write(key, &entry, ttl, self.cluster.limits.max_entry);
        Ok(flag(self.cluster.one(command).await?).map(drop)?)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(flag(self.cluster.one(Command::Delete(key)).await?)?)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(flag(self.cluster.one(Command::Exists(key)).await?)?)
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let replies = self.cluster.many(keys.iter().map(Command::Get).collect()).await?;
        Ok(replies.into_iter().map(entry).collect::<Result<_, _>>()?)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let max_entry = self.cluster.limits.max_entry;
        let commands = writes.iter().map(|(key, entry, ttl)| Command::write(key, entry, *ttl, max_entry));
        let replies = self.cluster.many(commands.collect()).await?;
        Ok(replies.into_iter().try_for_each(|reply| flag(reply).map(drop))?)
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let replies = self.cluster.many(keys.iter().map(Command::Delete).collect()).await?;
        Ok(replies.into_iter().map(flag).collect::<Result<_, _>>()?)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(self.cluster.ping().await?)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

/// The answer to a get.
fn entry(reply: Reply) -> Result<Option<Bytes>, Failure> {
    match reply {
        Reply::Entry(entry) => Ok(Some(entry)),
        Reply::Missing => Ok(None),
        Reply::Done => Err(Failure::unexpected()),
        Reply::Refused(failure) => Err(failure),
    }
}

/// The answer to every other command: whether there was something.
fn flag(reply: Reply) -> Result<bool, Failure> {
    match reply {
        Reply::Done => Ok(true),
        Reply::Missing => Ok(false),
        Reply::Entry(_) => Err(Failure::unexpected()),
        Reply::Refused(failure) => Err(failure),
    }
}

impl fmt::Debug for MemcachedBackend {
    /// Shows the servers and the limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry, max_connections } = self.cluster.limits;
        let servers: Vec<_> = self.cluster.servers.iter().map(|server| &server.address).collect();
        f.debug_struct("MemcachedBackend")
            .field("servers", &servers)
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .field("max_connections", &max_connections)
            .finish_non_exhaustive()
    }
}
