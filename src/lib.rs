//! blindcache
#![forbid(unsafe_code)]

mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod crypto;
mod error;

pub use backend::{AnyBackend, Backend, MemoryBackend, Write};
pub use crypto::{NotAStoreKey, NotSealed, Sealed, StoreKey};
pub use error::{
    BackendError, BackendErrorKind, Error, KeyError, KeyringError, MasterKeyError, SettingError, Unreadable,
    ValueError,
};
