//! Bytes in, bytes out: FORMAT.md and nothing else. No I/O, no async, no serde.

mod aead;
mod derive;
mod entry;
mod keyring;
mod master;
mod name;
mod padding;
mod seal;
mod tenant;
#[cfg(test)]
mod vectors;
mod wipe;
#[cfg(test)]
mod wycheproof;

#[cfg(all(feature = "testing", feature = "aws-lc-rs"))]
pub(crate) use aead::AwsLc;
#[cfg(feature = "testing")]
pub(crate) use aead::{Aead, RustCrypto};
pub(crate) use entry::{Codec, Draft, Meta, NEVER, max_entry};
pub use keyring::Keyring;
pub use master::{KeyId, MasterKey};
pub(crate) use name::{Kind, Locator, is_prefix};
pub use name::{NotAStoreKey, StoreKey};
pub use padding::Padding;
pub(crate) use seal::{Ask, MAX_SKEW_MS, Opened, Refusal, open, seal};
pub use seal::{NotSealed, Sealed};
pub use tenant::TenantKeys;
#[cfg(feature = "testing")]
pub(crate) use {
    entry::rewritten,
    seal::{equal, open_with, seal_by, seal_inner},
};
