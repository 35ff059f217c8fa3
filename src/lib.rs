//! blindcache
#![forbid(unsafe_code)]

mod backend;
mod clock;
mod codec;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crypto;
mod encrypted;
mod error;
mod key;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "redis")]
pub use backend::redis::{RedisBackend, RedisBuilder};
pub use backend::{AnyBackend, Backend, MemoryBackend, Write};
pub use crypto::{KeyId, Keyring, MasterKey, NotAStoreKey, NotSealed, Padding, Sealed, StoreKey, TenantKeys};
pub use encrypted::EncryptedBackend;
pub use error::{
    BackendError, BackendErrorKind, Error, KeyError, KeyringError, MasterKeyError, SettingError, Unreadable,
    ValueError,
};
pub use key::{CacheKey, Key};
