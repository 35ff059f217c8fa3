//! blindcache
#![forbid(unsafe_code)]

mod backend;
#[allow(dead_code)]
mod codec;
mod crypto;
mod error;
mod key;

pub use backend::{AnyBackend, Backend, Write};
pub use crypto::{NotAStoreKey, NotSealed, Sealed, StoreKey};
pub use error::{
    BackendError, BackendErrorKind, Error, KeyError, KeyringError, MasterKeyError, SettingError, Unreadable,
    ValueError,
};
pub use key::{CacheKey, Key};
