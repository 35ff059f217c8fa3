//! What can go wrong. No error holds a logical key, a tenant, a value, key material or a password of a URL.

use std::{error::Error as StdError, fmt, time::Duration};

/// Why a call on an [`EncryptedBackend`](crate::EncryptedBackend) failed, or a key or setting was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not do it: its [`kind`](BackendError::kind) tells whether to try again.
    #[error("the store failed")]
    Backend(#[from] BackendError),
    /// The store holds something under this name that is not an entry this tenant can read.
    /// Treat it as a miss; the next write replaces it.
    #[error("the stored entry cannot be read")]
    Unreadable(#[from] Unreadable),
    /// The logical key has no canonical form.
    #[error("the key was refused")]
    Key(#[from] KeyError),
    /// The value cannot be stored.
    #[error("the value was refused")]
    Value(#[from] ValueError),
    /// A tag is empty or longer than 255 bytes, or the tags of an entry take more than 65,535 bytes.
    #[error("a tag is 1 to 255 bytes long, and the tags of an entry take at most 65,535 bytes")]
    Tag,
    /// The time to live is zero, or ends beyond 2^64 - 2 milliseconds after 1970; or, in a [`Cache`](crate::Cache), ttl
    /// and stale time together are longer than [`Builder::longest`](crate::Builder::longest).
    #[error(
        "a ttl is more than zero (None is no expiry) and ends before the year 584,000,000; in a cache, ttl and stale \
         time together are at most Builder::longest"
    )]
    Ttl,
    /// A master key was refused.
    #[error("the master key was refused")]
    MasterKey(#[from] MasterKeyError),
    /// The master keys do not make a keyring.
    #[error("the keyring was refused")]
    Keyring(#[from] KeyringError),
    /// A setting is missing or outside its limits.
    #[error("a setting was refused")]
    Setting(#[from] SettingError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Why a strict computation gave no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComputeError<E> {
    /// The function's own error.
    #[error("the computation failed")]
    Compute(E),
    /// Trouble with the cache.
    #[error("the cache failed")]
    Cache(#[source] Error),
    /// The function took longer than the hard time-out.
    #[error("the computation took too long")]
    TimedOut,
}

/// Why a stored entry cannot be read: FORMAT.md, "Opening".
///
/// Expired entries and those of another schema are not here: they are ordinary misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Longer than the largest entry that the size cap allows; nothing of it was looked at.
    #[error("larger than the size cap allows")]
    TooLarge,
    /// Not an entry at all: plaintext, or what another program wrote.
    #[error("not a sealed entry")]
    NotSealed,
    /// An entry of another version of the format.
    #[error("an entry of an unknown format version")]
    UnknownFormat,
    /// Sealed by a master key that is not among the accepted ones.
    #[error("sealed by a key that is not accepted")]
    UnknownKey,
    /// Changed, moved from another place, or sealed for two keys.
    #[error("not authentic for this place")]
    Tampered,
    /// Authentic, and not what a writer of this format writes.
    #[error("authentic, but malformed")]
    Malformed,
    /// Created more than 5 minutes from now by this process's clock.
    #[error("created in the future")]
    FromTheFuture,
    /// Authentic, but its payload is not one MessagePack value of the type asked for, within the limits.
    #[error("authentic, but not a value of this type")]
    Undecodable,
}

impl Unreadable {
    /// The reason's name in FORMAT.md, such as `"tampered"`: fit for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotSealed => "not_sealed",
            Self::UnknownFormat => "unknown_format",
            Self::UnknownKey => "unknown_key",
            Self::Tampered => "tampered",
            Self::Malformed => "malformed",
            Self::FromTheFuture => "from_the_future",
            Self::Undecodable => "undecodable",
        }
    }
}

/// Why a logical key has no canonical form: FORMAT.md, "Names".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A floating-point number: it has no single form.
    #[error("a floating-point number has no canonical form")]
    Float,
    /// An integer outside -2^63 to 2^64 - 1.
    #[error("an integer outside -2^63 to 2^64 - 1")]
    IntegerRange,
    /// A map with two equal keys.
    #[error("a map holds the same key twice")]
    DuplicateKey,
    /// More than 64 containers inside each other, or more than 256 `Some` and newtype structs.
    #[error("more than 64 containers, or 256 `Some` and newtype structs, inside each other")]
    TooDeep,
    /// Longer than 64 KiB once encoded.
    #[error("longer than 64 KiB")]
    TooLong,
    /// The type's own `Serialize` failed, or broke serde's rules.
    #[error("the key's own serialization failed")]
    Serialize,
}

/// Why a value cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Longer, once encoded, than the cap on values.
    #[error("the encoded value is longer than {limit} bytes")]
    TooLarge {
        /// The cap in bytes.
        limit: u32,
    },
    /// More than 64 containers inside each other, which could not be read back; or more than 256 `Some` and newtype
    /// structs.
    #[error("more than 64 containers, or 256 `Some` and newtype structs, inside each other")]
    TooDeep,
    /// The type's own `Serialize` failed, or what it wrote is not one MessagePack value.
    #[error("the value's own serialization failed")]
    Serialize,
}

/// Why a master key was refused. The text is never echoed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// None of the text forms: `bcmk1-…`, 64 hex digits, or padded base64 of 32 bytes.
    #[error("not a master key: expected bcmk1-…, 64 hex digits, or base64 of 32 bytes")]
    Unrecognized,
    /// Not 32 bytes long.
    #[error("a master key is exactly 32 bytes")]
    Length,
    /// A `bcmk1-…` text whose checksum does not hold: mistyped or cut.
    #[error("the checksum does not hold: the key was mistyped or cut")]
    Checksum,
    /// At most 16 different byte values: not random.
    #[error("too few different bytes to be random")]
    Repetitive,
    /// All printable ASCII: a passphrase, not 32 random bytes.
    #[error("a passphrase is not a key: use 32 random bytes")]
    Passphrase,
}

/// Why master keys do not make a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// More than 7 accepted keys besides the sealing one.
    #[error("more than 7 accepted keys besides the sealing key")]
    TooManyKeys,
    /// One key stands twice among the sealing and accepted keys.
    #[error("a key stands twice among the sealing and accepted keys")]
    DuplicateKey,
    /// Two different keys have the same key id: replace one of them.
    #[error("two keys have the same key id")]
    DuplicateKeyId,
    /// A key whose id is all zeros, which the format reserves: replace it.
    #[error("a key has the reserved key id 00000000")]
    ReservedKeyId,
}

/// Which setting is missing or outside its limits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The tenant id is not 1 to 255 bytes of UTF-8.
    #[error("a tenant id is 1 to 255 bytes long")]
    Tenant,
    /// The namespace is longer than 255 bytes.
    #[error("a namespace is at most 255 bytes long")]
    Namespace,
    /// The prefix is not `[A-Za-z0-9._:-]{0,64}`.
    #[error("a prefix is up to 64 characters of A-Z, a-z, 0-9, '.', '_', ':' and '-'")]
    Prefix,
    /// The padding bucket is not 1 byte to 16 MiB.
    #[error("a padding bucket is 1 to 16,777,216 bytes")]
    Padding,
    /// A share is not from 0 to 1.
    #[error("a share is from 0 to 1")]
    Share,
    /// A cache with neither a store nor values in memory.
    #[error(
        "a cache without a store keeps values in memory: at least one entry and one byte, and not sealed"
    )]
    InMemory,
    /// A duration is not written as one.
    #[error("a duration is a whole number of seconds, or a number and ms, s, m, h or d, such as 10m")]
    Duration,
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// There is no backend, and without the feature `redis` the environment names none.
    #[error("without the feature `redis` a backend must be given: see Cache::from_env_on")]
    NoBackend,
    /// There is a default cache already.
    #[error("the default cache was set, or used, before")]
    Default,
    /// A setting of a layer, such as a time limit, is outside its limits.
    #[error("{rule}")]
    Layer {
        /// What the setting may be.
        rule: &'static str,
    },
    /// An environment variable that must be set is not.
    #[error("{variable} is not set: {hint}")]
    Missing {
        /// Its name.
        variable: &'static str,
        /// What to set it to.
        hint: &'static str,
    },
    /// An environment variable and its `…_FILE` twin are both set.
    #[error("{variable} and {variable}_FILE are both set: keep one")]
    Both {
        /// The name without `_FILE`.
        variable: &'static str,
    },
    /// The file that a `…_FILE` variable names cannot be read.
    #[error("the file named by {variable} cannot be read")]
    File {
        /// The name, with `_FILE`.
        variable: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An environment variable holds something that was refused.
    #[error("{variable} was refused")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Why.
        source: Box<Error>,
    },
}

/// Why a [`Backend`](crate::Backend) could not do what it was asked.
///
/// Authors of backends make one with [`BackendError::new`].
#[derive(Debug)]
pub struct BackendError {
    backend: &'static str,
    kind: BackendErrorKind,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a caller can do about a [`BackendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// Passing trouble, such as a broken connection or a server that is starting: try again.
    Transient,
    /// No answer within the time limit: try again.
    Timeout,
    /// The store asks for fewer calls, or is full: try again later, not before [`BackendError::retry_after`].
    Throttled,
    /// Not sent: a circuit breaker is open or a limit on calls is reached.
    Refused,
    /// The store does not accept the credentials, or they do not allow this.
    Denied,
    /// The store answered with an error, or with something that is no answer: trying again will not help.
    Rejected,
    /// The entry is larger than the store takes.
    TooLarge,
    /// The settings cannot work: a bad URL, an unknown host name, a missing table.
    Misconfigured,
}

impl BackendErrorKind {
    /// The kind in lower case, such as `"timeout"`: fit for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::TooLarge => "too_large",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl BackendError {
    /// An error of the backend with this [`name`](crate::Backend::name).
    pub fn new(backend: &'static str, kind: BackendErrorKind) -> Self {
        Self { backend, kind, retry_after: None, source: None }
    }

    /// Adds the cause. It will be logged: it must not hold a password, a token or a URL with either.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds how long the store asked to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The name of the backend that failed.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// How long to wait before trying again, if the store said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            BackendErrorKind::Transient => "is in passing trouble",
            BackendErrorKind::Timeout => "did not answer in time",
            BackendErrorKind::Throttled => "asks for fewer calls",
            BackendErrorKind::Refused => "was not asked: a breaker or a limit refused the call",
            BackendErrorKind::Denied => "denied access",
            BackendErrorKind::Rejected => "rejected the call or gave no valid answer",
            BackendErrorKind::TooLarge => "does not take entries this large",
            BackendErrorKind::Misconfigured => "is misconfigured",
        };
        write!(f, "{} {what}", self.backend)
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
