//! Every counter, its name and its labels; and the span of a call.
//!
//! | metric | kind | labels | |
//! |---|---|---|---|
//! | `blindcache_requests_total` | counter | `backend`, `operation`, `outcome` | keys asked for, by how that ended |
//! | `blindcache_call_duration_seconds` | histogram | the same | calls that went beyond memory |
//! | `blindcache_unreadable_total` | counter | `backend`, `reason` | entries and markers that could not be read |
//! | `blindcache_troubles_total` | counter | `backend`, `reason` | other trouble: calls on the store that failed, what was refused |
//! | `blindcache_opened_total` | counter | `backend`, `key_id` | entries and markers that were opened with this master key |
//! | `blindcache_waits_total` | counter | `backend` | calls that waited for another's computation |
//! | `blindcache_l1_entries`, `blindcache_l1_bytes` | gauge | `backend` | what is in memory |
//! | `blindcache_breaker_state` | gauge | `backend` | 0 closed, 1 half open, 2 open |
//!
//! No label is a logical key, a tenant or a value: each is from a set that the code fixes, but for the name that a
//! backend gives itself and the ids of keys, of which there are at most [`MAX_KEYS`].

mod call;
mod counters;
#[cfg(feature = "metrics")]
mod emit;
mod label;
#[cfg(not(feature = "metrics"))]
mod silent;
mod span;
mod stats;

#[cfg(not(feature = "metrics"))]
use self::silent as emit;
pub(crate) use self::{
    call::Call,
    counters::Counters,
    emit::breaker,
    label::{Operation, Outcome},
    span::{background_failed, no_default},
};
pub use self::{
    label::BreakerState,
    stats::{Requests, Stats},
};

/// The most key ids that are told apart: of a keyring there are 8, of tenants with roots of their own any number.
const MAX_KEYS: usize = 64;
