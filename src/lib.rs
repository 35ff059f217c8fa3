//! blindcache
#![forbid(unsafe_code)]

mod backend;
mod crypto;
mod error;

#[cfg(feature = "redis")]
pub use backend::redis::{RedisBackend, RedisBuilder};
pub use backend::{AnyBackend, Backend, Write};
pub use crypto::{NotAStoreKey, NotSealed, Sealed, StoreKey};
pub use error::{
    BackendError, BackendErrorKind, Error, KeyError, KeyringError, MasterKeyError, SettingError, Unreadable,
    ValueError,
};
