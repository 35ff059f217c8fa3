//! The steps of one entry, apart from any codec and any store: what `benches/crypto.rs` measures and `tests/timing` watches.

use std::io::Write as _;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "l1")]
pub use crate::cache::Hit;
#[cfg(feature = "aws-lc-rs")]
use crate::crypto::AwsLc;
use crate::{
    codec,
    crypto::{
        self, Ask, Codec, Draft, Keyring, Kind, Locator, MasterKey, Meta, NEVER, Padding, RustCrypto, Sealed,
        StoreKey, TenantKeys, open_with, seal_by,
    },
    error::Error,
};

/// The longest payload in bytes: 1 GiB.
const LIMIT: u32 = 1 << 30;

/// An implementation of AES-256-GCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// Of aws-lc-rs.
    #[cfg(feature = "aws-lc-rs")]
    AwsLc,
    /// RustCrypto's aes-gcm.
    RustCrypto,
}

/// One place of one tenant, under random keys.
pub struct Steps {
    keys: TenantKeys,
    namespace: &'static str,
    locator: Locator,
}

impl Steps {
    /// # Errors
    /// [`Error::Random`].
    pub fn new(namespace: &'static str) -> Result<Self, Error> {
        let keys = Keyring::new(MasterKey::generate()?)?.tenant("acme")?;
        let locator = Locator::derive(&keys, Kind::Entry, 0, namespace, b"\x01");
        Ok(Self { keys, namespace, locator })
    }

    /// From the canonical bytes of a logical key to the name in a store.
    pub fn blind(&self, key: &[u8]) -> StoreKey {
        StoreKey::new("", &Locator::derive(&self.keys, Kind::Entry, 0, self.namespace, key))
    }

    /// Writes a payload of up to 1 GiB into a draft that expects its length, and seals it.
    pub fn seal(&self, cipher: Cipher, payload: &[u8]) -> Option<Sealed> {
        self.seal_in_place(cipher, self.draft(payload)?)
    }

    /// Writes a payload of up to 1 GiB into a draft that expects its length.
    pub fn draft(&self, payload: &[u8]) -> Option<Encoded> {
        let mut draft = Draft::new(&[], LIMIT, Padding::Padme, payload.len()).ok()?;
        draft.write_all(payload).ok()?;
        Some(Encoded(draft))
    }

    /// Seals what is encoded, in the buffer that it stands in.
    pub fn seal_in_place(&self, cipher: Cipher, Encoded(draft): Encoded) -> Option<Sealed> {
        let meta = Meta { codec: Codec::Raw, schema: 0, created_at: 0, stale_at: NEVER, expires_at: NEVER };
        let sealed = match cipher {
            #[cfg(feature = "aws-lc-rs")]
            Cipher::AwsLc => seal_by::<AwsLc>(&self.keys, &self.locator, draft, &meta),
            Cipher::RustCrypto => seal_by::<RustCrypto>(&self.keys, &self.locator, draft, &meta),
        };
        sealed.ok()
    }

    /// Writes a value as MessagePack into a draft, and checks it, as a `set` does before it seals.
    pub fn encode<T: Serialize>(&self, value: &T) -> Option<Encoded> {
        let mut draft = Draft::new(&[], LIMIT, Padding::Padme, 0).ok()?;
        codec::encode(value, &mut draft, LIMIT).ok()?;
        codec::check_encoded(draft.payload()).ok()?;
        Some(Encoded(draft))
    }

    /// Reads what [`encode`](Self::encode) wrote, as a `get` does once the entry is open.
    pub fn decode<T: DeserializeOwned>(&self, payload: &[u8]) -> Option<T> {
        codec::decode(payload).ok()
    }

    /// Opens in place, or in a copy if something else holds the entry too.
    pub fn open(&self, cipher: Cipher, entry: Bytes) -> Option<Opened> {
        let ask = Ask { kind: Kind::Entry, now: 0, schema: 0, codec: Some(Codec::Raw), max_entry: u64::MAX };
        let opened = match cipher {
            #[cfg(feature = "aws-lc-rs")]
            Cipher::AwsLc => open_with::<AwsLc>(&self.keys, &self.locator, entry, &ask),
            Cipher::RustCrypto => open_with::<RustCrypto>(&self.keys, &self.locator, entry, &ask),
        };
        opened.ok().map(Opened)
    }
}

/// The comparison of commitments when an entry is opened, as it is compiled there: 1 if they are equal, else 0.
pub fn commitments_equal(one: &[u8; 32], other: &[u8; 32]) -> u8 {
    crypto::equal(one, other).unwrap_u8()
}

/// An entry in plaintext, wiped when dropped.
pub struct Opened(crypto::Opened);

impl Opened {
    /// What was sealed.
    pub fn payload(&self) -> &[u8] {
        self.0.payload()
    }
}

/// A value that is encoded and not yet sealed, wiped when dropped.
pub struct Encoded(Draft);

impl Encoded {
    /// The MessagePack.
    pub fn payload(&self) -> &[u8] {
        self.0.payload()
    }
}
