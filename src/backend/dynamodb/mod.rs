//! [`DynamoDbBackend`]: a table of Amazon DynamoDB.

mod batch;
mod bound;
mod builder;
mod call;
mod connector;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod item;
mod link;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use bytes::Bytes;

pub use self::builder::DynamoDbBuilder;
use self::link::{BATCH, Limits, Link};
use super::{Backend, Write};
use crate::{
    crypto::{Sealed, StoreKey},
    error::BackendError,
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "dynamodb";

/// Entries in a table of Amazon DynamoDB, or of what speaks its protocol.
///
/// The table has the string `pk` as its key; an item has the binary `v` beside it, the entry, and the number `exp`, where
/// it expires, in Unix seconds. [`create_table`](Self::create_table) makes it, with `exp` as its TTL attribute. A user
/// of the table needs `dynamodb:GetItem`, `PutItem`, `DeleteItem`, `BatchGetItem` and `BatchWriteItem` on it.
///
/// This feature needs a newer Rust than the rest of the library, that of the AWS SDK: 1.94.1. Its TLS is rustls, which
/// brings aws-lc-rs along.
///
/// # Time limits and healing
///
/// A call takes at most 2 s, or what is [set](DynamoDbBuilder::timeout), with all that belongs to it: finding
/// credentials, connecting, the answer. A batch has twice as long. The SDK's own retries and time limits are off, those of
/// a client of [yours](Self::from_client) too: what fails fails once, and the layers of
/// [`BackendExt`](crate::BackendExt) try again.
///
/// - The first call makes the client from the environment and the files of the AWS configuration, and looks for
///   credentials. Where none are found the call is [`Denied`](crate::BackendErrorKind::Denied), as it is with those that
///   the service refuses. After none, and after those that are old or wrong, a later call looks again, at most once a
///   second; not after those that may not do what was asked.
/// - Credentials have 0.8 times a call's limit, and a batch's have no more: where they take longer the call is a
///   [`Timeout`](crate::BackendErrorKind::Timeout), the search ends, and the next call begins it anew. Those that always
///   need longer are never found: set a longer limit.
/// - After a call that waited in vain for at least half its limit, later ones have new connections: a half-open one is
///   never kept, but by a client of [yours](Self::from_client). Connecting, TLS included, has half the limit. A call on
///   a connection that was closed meanwhile may be [`Transient`](crate::BackendErrorKind::Transient); the next has
///   another.
/// - It works on from another Tokio runtime when the one that it connected on is gone.
///
/// # Sizes
///
/// An item is at most 400 KB, 409,600 bytes with its names, its key and its expiry, so an entry is at most 409,468 to
/// 409,542 bytes. A larger one is [`TooLarge`](crate::BackendErrorKind::TooLarge) before it is sent, and what was stored
/// under its name is deleted: a reader finds nothing rather than an old value.
///
/// No more of an answer is read than the largest entry, as base64, for each name that was asked for, but at most 22.4 MB
/// of these, and 64 KiB; a longer one is [`Rejected`](crate::BackendErrorKind::Rejected) and its connection closed. What the
/// SDK makes of it takes a few times its size. A batch has up to 16 requests under way. What is not bounded here are the
/// answers of the services that credentials come from.
///
/// # Expiry
///
/// `exp` is the expiry in seconds, rounded up, and at most the year 9999. DynamoDB deletes expired items within days and
/// serves them until then; here an item past its `exp` by this process's clock is a miss, `exists` and `delete` are
/// `false` of it.
///
/// # Batches
///
/// - `get_many` asks for 100 names at a time, each once. `set_many` writes 25 at a time, of a name that stands in it
///   twice the last; what is too large is deleted, the rest is written, and the error comes after that. What the service
///   puts off is asked again, with growing pauses, until the time is over: then the batch is
///   [`Throttled`](crate::BackendErrorKind::Throttled).
/// - `delete_many` is one request for each name, up to 16 at a time, since `BatchWriteItem` does not say whether there
///   was anything.
///
/// # Costs
///
/// Reads are consistent unless [told otherwise](DynamoDbBuilder::consistent_reads), at one read unit for each 4 KB;
/// `exists` costs as much as `get`, for DynamoDB reads the whole item. A write is one unit for each 1 KB, a `delete` that of
/// what it deletes, and the old entry is sent back: that is how it knows.
///
/// # What is not done
///
/// Table ARNs are not taken. Proxies of the environment are not used: for these hand over a
/// [client](Self::from_client). At its levels `debug` and `trace` the SDK logs requests and answers, the table, the names,
/// sealed bytes and the access key's id among it, not the secret key nor a session token. This library logs none of it.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, DynamoDbBackend};
///
/// # async fn example() -> Result<(), blindcache::BackendError> {
/// let table = DynamoDbBackend::new("cache", "eu-central-1")?; // credentials by the default chain
/// table.create_table().await?; // once, if nothing else sets it up
/// table.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamoDbBackend {
    link: Arc<Link>,
}

impl DynamoDbBackend {
    /// Largest size in bytes of an item, which is the entry with its key, its expiry and the attributes' names.
    pub const LARGEST_ITEM: usize = item::MAX_ITEM;
    /// How long a call may take by default.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The last expiry that is written, in Unix seconds: the end of the year 9999.
    pub const LAST_EXPIRY: u64 = item::LAST_EXPIRY;
    /// How long [`create_table`](Self::create_table) may take.
    pub const CREATE_TIMEOUT: Duration = table::LIMIT;
    /// Length in bytes of the shortest entry there is.
    const MIN_ENTRY: usize = 116;

    /// The table of this name in a region such as `eu-central-1`, with credentials by the SDK's default chain: the
    /// environment, the files of the AWS configuration, web identity, and the metadata of ECS and EC2. Profiles that need
    /// SSO, a login or a process are not in it: see [`DynamoDbBuilder::credentials`].
    ///
    /// Nothing is connected yet. Calls need a Tokio runtime with its I/O and time drivers, as `enable_all()` gives it:
    /// without a runtime they answer [`Misconfigured`](crate::BackendErrorKind::Misconfigured).
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the table or the region cannot be one, or the system
    /// has no CA certificates.
    pub fn new(table: &str, region: &str) -> Result<Self, BackendError> {
        Self::builder(table, region).build()
    }

    /// The table of this name in a region, with settings.
    pub fn builder(table: &str, region: &str) -> DynamoDbBuilder {
        DynamoDbBuilder::new(table, region)
    }

    /// The table of this name, by a client of yours: its region, endpoint, credentials and connections. Its retries and
    /// time limits are not used; half-open connections are the client's own affair.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the table cannot be one.
    pub fn from_client(table: &str, client: &Client) -> Result<Self, BackendError> {
        Self::builder_from_client(table, client).build()
    }

    /// The table of this name, by a client of yours, with settings. An endpoint, credentials and certificates are the
    /// client's own, and [refused](DynamoDbBuilder::build) here. Half-open connections are its own affair too.
    pub fn builder_from_client(table: &str, client: &Client) -> DynamoDbBuilder {
        DynamoDbBuilder::of_client(table, client)
    }

    /// Makes sure that there is the table, billed by request, and that `exp` is its TTL attribute; waits until it is
    /// active. A table that is there already is left as it is, but for its TTL.
    ///
    /// It takes [some seconds](Self::CREATE_TIMEOUT), at most two minutes. It needs the permissions `CreateTable`,
    /// `DescribeTable`, `DescribeTimeToLive` and `UpdateTimeToLive`.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if there is a table of another key, or whose items expire
    /// by another attribute; else whatever kept the service from it.
    pub async fn create_table(&self) -> Result<(), BackendError> {
        Ok(self.link.create_table().await?)
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for DynamoDbBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(self.link.within(1, self.link.get(key)).await?)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        Ok(self.link.within(1, self.link.set(key, &entry, ttl)).await?)
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.link.within(1, self.link.delete(key)).await?)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.link.within(1, self.link.exists(key)).await?)
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let found = self.link.within(BATCH, self.link.get_many(keys)).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        Ok(self.link.within(BATCH, self.link.set_many(writes)).await?)
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        Ok(self.link.within(BATCH, self.link.delete_many(keys)).await?)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.exists(&StoreKey::probe()).await.map(drop)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for DynamoDbBackend {
    /// Shows the table, the region, the endpoint and the limits, and nothing of the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry, consistent } = self.link.limits;
        let mut shown = f.debug_struct("DynamoDbBackend");
        shown.field("table", &self.link.table);
        if let Some((region, endpoint)) = self.link.place() {
            shown.field("region", &region).field("endpoint", &endpoint);
        }
        shown
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .field("consistent_reads", &consistent)
            .finish_non_exhaustive()
    }
}
