//! Every key derivation of FORMAT.md: one function, and all of its labels.

use hkdf::Hkdf;
use sha2::Sha256;

/// Length in bytes of a secret: a master key, a tenant root, a sealing key, a naming key, the AES key of an entry.
pub(crate) const SECRET: usize = 32;
/// A secret in place.
pub(crate) type Secret = [u8; SECRET];

/// FORMAT.md, "Keys": what stands before each of these labels.
const VERSION: &[u8] = b"blindcache/v1/";
pub(crate) const KEY_ID: &[u8] = b"key-id\0";
pub(crate) const TENANT: &[u8] = b"tenant\0";
pub(crate) const SEAL: &[u8] = b"seal\0";
pub(crate) const NAME: &[u8] = b"name\0";
/// FORMAT.md, "Entry": short, so that each HMAC input fits one SHA-256 block.
pub(crate) const ENTRY_KEY: &[u8] = b"entry-key\0";
pub(crate) const ENTRY_COMMITMENT: &[u8] = b"entry-com\0";

/// A secret as a prepared HKDF-Expand-SHA256 state: RFC 5869, section 2.3.
pub(crate) struct Expander(Hkdf<Sha256>);

impl Expander {
    pub(crate) fn new(secret: &Secret) -> Self {
        #[allow(clippy::expect_used)]
        Self(Hkdf::from_prk(secret).expect("32 bytes are enough for SHA-256"))
    }

    /// `Expand(secret, info, out.len())`, the info given in parts.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) {
        debug_assert!(out.len() <= SECRET);
        #[allow(clippy::expect_used)]
        self.0.expand_multi_info(info, out).expect("at most 32 bytes, and 8,160 are the limit");
    }
}

/// `Expand(secret, "blindcache/v1/" || label || 0x00 || context, out.len())`; the labels here end in the 0x00.
pub(crate) fn expand(secret: &Secret, label: &[u8], context: &[u8], out: &mut [u8]) {
    Expander::new(secret).expand(&[VERSION, label, context], out);
}
