//! A cached value with its times and tags, as the rest of the cache hands it around.

use std::{sync::Arc, time::Duration};

use crate::{crypto::KeyId, encrypted::Times};

/// The tags of an entry, without the empty one that every entry carries. None take no memory, and share none.
#[derive(Clone, Default)]
pub(super) struct Tags(Option<Arc<[Box<[u8]>]>>);

impl Tags {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(|tags| tags.iter()).map(|tag| &**tag)
    }
}

impl From<Vec<Box<[u8]>>> for Tags {
    fn from(tags: Vec<Box<[u8]>>) -> Self {
        Self((!tags.is_empty()).then(|| tags.into()))
    }
}

/// What does not depend on the value's type.
#[derive(Clone)]
pub(super) struct Label {
    pub(super) times: Times,
    pub(super) tags: Tags,
    /// The master key that sealed the entry; `None` without a store.
    pub(super) sealed_by: Option<KeyId>,
}

/// A value of the application and its label.
pub(super) struct Stored<T> {
    pub(super) value: T,
    pub(super) label: Label,
}

impl<T: Clone> Stored<T> {
    /// The value; not copied where nobody else has it.
    pub(super) fn into_value(self: Arc<Self>) -> T {
        Arc::try_unwrap(self).map_or_else(|shared| shared.value.clone(), |own| own.value)
    }
}

impl Label {
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        now < self.times.stale_at
    }

    pub(super) fn is_alive(&self, now: u64) -> bool {
        now < self.times.expires_at
    }

    /// Whether it is of an earlier time than another of its key.
    pub(super) fn is_older(&self, other: &Self) -> bool {
        self.times.created_at < other.times.created_at
    }

    /// How long it may still be used.
    pub(super) fn left(&self, now: u64) -> Duration {
        Duration::from_millis(self.times.expires_at.saturating_sub(now))
    }

    /// Whether so much of its fresh time is over: `share` is from 0 to 1.
    pub(super) fn is_due(&self, now: u64, share: f64) -> bool {
        let Times { created_at, stale_at, .. } = self.times;
        now >= created_at.saturating_add(((stale_at - created_at) as f64 * share) as u64)
    }
}
