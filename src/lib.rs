//! Cache through stores you do not trust.
//!
//! Values are MessagePack-serialized and AES-256-GCM-encrypted under keys derived for each tenant, keys are blinded with
//! HMAC-SHA256, and only then does anything reach a [`Backend`]. A store sees random-looking names, random-looking bytes
//! of padded length, and times of access; it can neither read, nor change, nor swap, nor serve late what it holds.
//!
//! ```
//! use std::time::Duration;
//! use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), blindcache::Error> {
//! let keys = Keyring::new(MasterKey::generate()?)?; // or Keyring::from_env()?
//! let acme = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme")?);
//!
//! acme.set(("user", 42), "Ada", Duration::from_secs(600)).await?;
//! let user: Option<String> = acme.get(("user", 42)).await?;
//! assert_eq!(user.as_deref(), Some("Ada"));
//! # Ok(())
//! # }
//! ```
//!
//! What stands where: [`EncryptedBackend`] is the boundary; [`Keyring`] holds the master keys and gives [`TenantKeys`];
//! [`MemoryBackend`] is a store that is always there, and `RedisBackend`, `HttpBackend`, `DynamoDbBackend`,
//! `CloudflareKvBackend`, `UpstashBackend`, `MemcachedBackend` and `FileBackend` are others, each a feature;
//! [`Backend`] is what a store of yours implements, and `conformance` (feature `conformance`) tests it. [`Cache`] is
//! the policy above: [`Cache::from_env`] takes it from the environment, and [`Stats`] says what it has done. The format
//! of entries is in the repository's `docs/FORMAT.md`, what is promised and what is not in its `SECURITY.md`.
//!
//! A feature adds, and changes no behaviour: `redis`, `l1` (the in-memory tier of `Cache`), `macros` and `aws-lc-rs`
//! (speed) are on by default; `redis-cluster`, `http`, `dynamodb`, `cloudflare-kv`, `upstash`, `memcached` and `file`
//! are further stores; `metrics` tells others what [`Stats`] says, and `tracing` of each call; `conformance` and
//! `testing` are for tests.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "macros")]
mod attribute;
mod backend;
mod cache;
mod clock;
mod codec;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crypto;
mod encrypted;
mod error;
mod key;
mod layer;
mod metrics;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "macros")]
pub use attribute::FunctionKey;
#[cfg(feature = "cloudflare-kv")]
pub use backend::cloudflare_kv::{CloudflareKvBackend, CloudflareKvBuilder};
#[cfg(feature = "dynamodb")]
pub use backend::dynamodb::{DynamoDbBackend, DynamoDbBuilder};
#[cfg(feature = "file")]
pub use backend::file::{FileBackend, FileBuilder, Swept};
#[cfg(feature = "http")]
pub use backend::http::{HttpBackend, HttpBuilder};
#[cfg(feature = "memcached")]
pub use backend::memcached::{MemcachedBackend, MemcachedBuilder};
#[cfg(feature = "redis")]
pub use backend::redis::{RedisBackend, RedisBuilder};
#[cfg(feature = "upstash")]
pub use backend::upstash::{UpstashBackend, UpstashBuilder};
pub use backend::{AnyBackend, Backend, MemoryBackend, Write};
#[cfg(feature = "macros")]
pub use blindcache_macros::cached;
#[cfg(feature = "l1")]
pub use cache::L1;
pub use cache::{Builder, Cache, Entry, Strict, Value};
#[doc(hidden)] // for `#[cached]`
pub use config::__default;
pub use config::set_default;
pub use crypto::{KeyId, Keyring, MasterKey, NotAStoreKey, NotSealed, Padding, Sealed, StoreKey, TenantKeys};
pub use encrypted::EncryptedBackend;
pub use error::{
    BackendError, BackendErrorKind, ComputeError, Error, KeyError, KeyringError, MasterKeyError,
    SettingError, Unreadable, ValueError,
};
pub use key::{CacheKey, Key};
pub use layer::{BackendExt, Breaker, Limit, Resilient, Retry, Timeout};
pub use metrics::{BreakerState, Requests, Stats};

/// What the expansion of `#[cached]` names.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __macros {
    pub use crate::{
        attribute::{AnyPresence, AnyShape, FullKey, Returns, keep, key, part, run, run_strict, scope},
        config::__default as default_cache,
    };
}

/// The examples of README.md.
#[cfg(all(doctest, feature = "redis", feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of docs/guide.md.
#[cfg(all(doctest, feature = "redis"))]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
