//! A cached value with its times and tags, as the rest of the cache hands it around.

use std::{iter, sync::Arc, time::Duration};

use crate::{crypto::KeyId, encrypted::Times};

/// The tags of an entry, without the empty one that every entry carries: each behind its length, in one piece of memory for
/// all. Where there are none there is none, and so none that all threads count the users of.
#[derive(Clone, Default)]
pub(super) struct Tags(Option<Arc<[u8]>>);

const LENGTH: usize = size_of::<usize>();

impl Tags {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_deref().unwrap_or_default();
        iter::from_fn(move || {
            let (length, tags) = rest.split_first_chunk::<LENGTH>()?;
            let (tag, tags) = tags.split_at_checked(usize::from_ne_bytes(*length))?;
            rest = tags;
            Some(tag)
        })
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut all = Vec::new();
        for tag in tags {
            let tag = tag.as_ref();
            all.extend_from_slice(&tag.len().to_ne_bytes());
            all.extend_from_slice(tag);
        }
        Self((!all.is_empty()).then(|| all.into()))
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

    /// Whether so much of its fresh time is over: `share` is from 0 to 1. One that is stale is due, even if it is of a
    /// moment that is still to come.
    pub(super) fn is_due(&self, now: u64, share: f64) -> bool {
        let Times { created_at, stale_at, .. } = self.times;
        let share_of_fresh = (stale_at.saturating_sub(created_at) as f64 * share) as u64;
        now >= created_at.saturating_add(share_of_fresh).min(stale_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_given_back_as_they_were() {
        for tags in [&[][..], &["a"], &["", "users", &"long ".repeat(100), "é"]] {
            let kept: Tags = tags.iter().collect();
            assert!(kept.iter().eq(tags.iter().map(|tag| tag.as_bytes())));
        }
    }
}
