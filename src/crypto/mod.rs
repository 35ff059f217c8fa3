//! Bytes in, bytes out: FORMAT.md and nothing else. No I/O, no async, no serde.

pub(crate) mod name;
pub(crate) mod seal;

pub use name::{NotAStoreKey, StoreKey};
pub use seal::{NotSealed, Sealed};
