//! The values of labels.

use crate::error::{Error, Unreadable};

/// A set of labels: an enum with a text for each.
macro_rules! labels {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident $text:literal)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

labels! {
    /// A method of `Cache`.
    Operation:
    Get "get"
    Set "set"
    Delete "delete"
    Exists "exists"
    GetMany "get_many"
    SetMany "set_many"
    DeleteMany "delete_many"
    GetOrCompute "get_or_compute"
    GetOrComputeMany "get_or_compute_many"
    GetOrRefresh "get_or_refresh"
    Refresh "refresh"
    /// The task that `get_or_refresh` leaves behind.
    BackgroundRefresh "background_refresh"
    InvalidateTag "invalidate_tag"
    Clear "clear"
}

labels! {
    /// How a request for a key ended, the longer way after the shorter.
    Outcome:
    /// Found in memory, and the store not asked.
    L1Hit "l1_hit"
    /// Found in the store, or in memory once the store had been asked for markers.
    Hit "hit"
    /// Found, past its ttl, and used.
    Stale "stale"
    /// Got from another call that was at it.
    Waited "waited"
    /// Not found.
    Miss "miss"
    /// Written, or invalidated.
    Done "done"
    /// Computed by the caller's function.
    Computed "computed"
    /// The function failed and nothing stood in for it, or the cache did and the caller was told.
    Error "error"
    /// The future was dropped before its end.
    Dropped "dropped"
}

impl Operation {
    /// How a request can end.
    pub(super) fn outcomes(self) -> &'static [Outcome] {
        use Outcome::{Computed, Done, Dropped, Error, Hit, L1Hit, Miss, Stale, Waited};
        match self {
            Self::Get | Self::GetMany | Self::Exists => &[L1Hit, Hit, Miss, Error, Dropped],
            Self::Set | Self::SetMany | Self::InvalidateTag | Self::Clear => &[Done, Error, Dropped],
            Self::Delete | Self::DeleteMany => &[Hit, Miss, Error, Dropped],
            Self::GetOrCompute | Self::GetOrRefresh => &[L1Hit, Hit, Stale, Waited, Computed, Error, Dropped],
            Self::GetOrComputeMany => &[L1Hit, Hit, Stale, Waited, Miss, Computed, Error, Dropped],
            Self::Refresh | Self::BackgroundRefresh => &[Computed, Error, Dropped],
        }
    }

    /// Whether it asks for values.
    pub(super) fn reads(self) -> bool {
        match self {
            Self::Get | Self::GetMany | Self::GetOrCompute | Self::GetOrComputeMany | Self::GetOrRefresh => {
                true
            }
            Self::Set | Self::SetMany | Self::Delete | Self::DeleteMany | Self::Exists => false,
            Self::Refresh | Self::BackgroundRefresh | Self::InvalidateTag | Self::Clear => false,
        }
    }

    /// How those keys ended of which nothing was said when all went well.
    pub(super) fn rest(self) -> Outcome {
        if self.outcomes().contains(&Outcome::Done) { Outcome::Done } else { Outcome::Miss }
    }
}

/// What a circuit breaker does with calls: [`Breaker`](crate::Breaker).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// They pass.
    Closed,
    /// They are refused.
    Open,
    /// A few pass as probes, the others are refused.
    HalfOpen,
}

/// [`Unreadable::as_str`] of each reason.
pub(super) const UNREADABLE: &[&str] = &[
    "too_large",
    "not_sealed",
    "unknown_format",
    "unknown_key",
    "tampered",
    "malformed",
    "from_the_future",
    "undecodable",
];

/// What [`trouble`] gives.
pub(super) const TROUBLES: &[&str] = &[
    "transient",
    "timeout",
    "throttled",
    "refused",
    "denied",
    "rejected",
    "too_large",
    "misconfigured",
    "key",
    "value",
    "tag",
    "ttl",
    "random",
    "setting",
];

/// An entry that could not be read, and why; or other trouble, and what: the kind of a store's error, or what was refused.
pub(super) fn trouble(error: &Error) -> Result<&'static str, Unreadable> {
    Ok(match error {
        Error::Unreadable(reason) => return Err(*reason),
        Error::Backend(error) => error.kind().as_str(),
        Error::Key(_) => "key",
        Error::Value(_) => "value",
        Error::Tag => "tag",
        Error::Ttl => "ttl",
        Error::Random => "random",
        Error::MasterKey(_) | Error::Keyring(_) | Error::Setting(_) => "setting",
    })
}
