//! For tests, yours and this library's (feature `testing`). Nothing here belongs into a program that is deployed.

#[doc(hidden)]
pub mod bench;
mod fault;
#[doc(hidden)]
pub mod fuzz;
mod hostile;

use std::time::Duration;

use bytes::Bytes;

pub use self::{
    fault::{Fault, FaultBackend},
    hostile::{HostileBackend, Lie},
};
use crate::{
    clock,
    crypto::{Ask, Codec, Kind, Locator, Meta, Refusal, StoreKey, TenantKeys, open},
};

/// A clock that stands still until a test moves it. Clones share it.
///
/// ```
/// use std::time::Duration;
/// use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend, testing::Clock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blindcache::Error> {
/// let clock = Clock::at(1_790_000_000_000);
/// let keys = Keyring::new(MasterKey::generate()?)?.tenant("acme")?;
/// let acme = EncryptedBackend::new(MemoryBackend::new(), keys).clock(&clock);
/// acme.set("greeting", "hello", Duration::from_secs(60)).await?;
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(acme.get::<String>("greeting").await?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Clock(pub(crate) clock::Clock);

impl Clock {
    /// A clock that stands at this many milliseconds after 1970.
    pub fn at(unix_ms: u64) -> Self {
        Self(clock::Clock::at(unix_ms))
    }

    /// Moves the clock to this many milliseconds after 1970, forward or back.
    pub fn set(&self, unix_ms: u64) {
        self.0.set(unix_ms);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.0.now()
    }
}

/// A place in a store, as the vectors of the format name it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose keys.
    pub keys: &'a TenantKeys,
    /// Whether a tag's marker stands there, or an entry.
    pub marker: bool,
    /// The epoch.
    pub epoch: u64,
    /// The namespace, at most 255 bytes.
    pub namespace: &'a str,
    /// The canonical bytes of the logical key, or the tag.
    pub name: &'a [u8],
}

/// All that stands inside an entry.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// 1 MessagePack, 2 raw bytes.
    pub codec: u8,
    /// The application's number.
    pub schema: u32,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub stale_at: u64,
    /// Unix milliseconds.
    pub expires_at: u64,
    /// The tag list as it stands there.
    pub tags: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Place<'_> {
    fn kind(&self) -> Kind {
        if self.marker { Kind::Tag } else { Kind::Entry }
    }

    fn locator(&self) -> Locator {
        Locator::derive(self.keys, self.kind(), self.epoch, self.namespace, self.name)
    }

    /// Under which name a store keeps it; the prefix is one that `EncryptedBackend::prefix` accepts.
    pub fn store_key(&self, prefix: &str) -> StoreKey {
        StoreKey::new(prefix, &self.locator())
    }

    /// Opens an entry of either codec as of a given time.
    ///
    /// # Errors
    /// The reason's name in FORMAT.md, "Opening".
    pub fn open(&self, entry: impl Into<Bytes>, now: u64, schema: u32) -> Result<Contents, &'static str> {
        let ask = Ask { kind: self.kind(), now, schema, codec: None, max_entry: u64::MAX };
        let opened =
            open(self.keys, &self.locator(), entry.into(), &ask).map_err(|refusal| match refusal {
                Refusal::Unreadable(reason) => reason.as_str(),
                Refusal::Expired => "expired",
                Refusal::Schema => "schema",
            })?;
        let Meta { codec, schema, created_at, stale_at, expires_at } = opened.meta();
        let codec = match codec {
            Codec::MessagePack => 1,
            Codec::Raw => 2,
        };
        let (tags, payload) = (opened.tag_list().to_vec(), opened.payload().to_vec());
        Ok(Contents { codec, schema, created_at, stale_at, expires_at, tags, payload })
    }
}
