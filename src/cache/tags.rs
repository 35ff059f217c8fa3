//! What this process knows of tag markers: FORMAT.md, "Tag markers".

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

/// How many markers are remembered: the least recently used is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// A tag of one tenant, namespace and epoch; the empty tag stands for the namespace.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Tag {
    pub(super) scope: [u8; 16],
    pub(super) tag: Box<[u8]>,
}

/// The markers that were seen or written here. One that was seen is never taken back by an older one or by none.
pub(super) struct Markers {
    known: Mutex<Memory>,
    /// How long in milliseconds until the store is asked again.
    lifetime: u64,
}

struct Memory {
    markers: LruCache<Tag, Known>,
    /// The latest invalidation that was forgotten.
    forgotten_until: Option<u64>,
    /// The latest creation time that was given, which can be later than the clock.
    latest: u64,
}

#[derive(Clone, Copy)]
struct Known {
    /// What is not younger than this, in Unix milliseconds, is invalid.
    invalid_until: Option<u64>,
    /// When the store was asked last, in Unix milliseconds.
    asked_at: u64,
    /// When the store answered last, or this process invalidated, which no answer until then could be newer than.
    answered_at: Option<u64>,
}

/// Which knowledge of a marker is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any, for there is no store that could be asked: what may have been invalidated is invalid.
    Alone,
    /// That from when the store was asked last, whether it answered or not.
    Asked,
    /// That from when the store answered last.
    Answered,
}

/// What the store answered for a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Absent,
    /// The moment of the invalidation.
    Marked(u64),
    /// Something that does not open: whatever carries the tag is invalid.
    Broken,
}

/// Whether an entry survives its tags.
#[derive(PartialEq, Eq)]
pub(super) enum Verdict {
    Valid,
    Invalid,
    /// These markers have to be asked for first.
    Ask(Vec<Tag>),
}

impl Markers {
    pub(super) fn new(lifetime: u64) -> Self {
        let memory = Memory { markers: LruCache::new(REMEMBERED), forgotten_until: None, latest: 0 };
        Self { known: Mutex::new(memory), lifetime }
    }

    /// Judges an entry created at `created_at` by its tags and the empty one.
    pub(super) fn judge<'a>(
        &self,
        scope: [u8; 16],
        tags: impl IntoIterator<Item = &'a [u8]>,
        created_at: u64,
        now: u64,
        trust: Trust,
    ) -> Verdict {
        let mut ask = Vec::new();
        let mut memory = self.memory();
        let forgotten = memory.forgotten_until.is_some_and(|until| created_at <= until);
        for tag in tags.into_iter().chain([&b""[..]]) {
            let tag = Tag { scope, tag: tag.into() };
            match memory.markers.get(&tag) {
                Some(marker) if marker.invalid_until.is_some_and(|until| created_at <= until) => {
                    return Verdict::Invalid;
                }
                Some(marker) if self.is_enough(marker, now, trust) => {}
                None if trust == Trust::Alone && forgotten => return Verdict::Invalid,
                None if trust == Trust::Alone => {}
                Some(_) | None => ask.push(tag),
            }
        }
        if ask.is_empty() { Verdict::Valid } else { Verdict::Ask(ask) }
    }

    fn is_enough(&self, marker: &Known, now: u64, trust: Trust) -> bool {
        let since = match trust {
            Trust::Alone => return true,
            Trust::Asked => Some(marker.asked_at),
            Trust::Answered => marker.answered_at,
        };
        // A clock that was set back does not make knowledge last longer.
        since.is_some_and(|since| now.abs_diff(since) < self.lifetime)
    }

    /// Claims the asking for markers of which something is known, so that others go on by that meanwhile.
    pub(super) fn claim<'a>(&'a self, tags: &[Tag], now: u64) -> Claim<'a> {
        let mut memory = self.memory();
        let known = tags.iter().filter_map(|tag| {
            let marker = memory.markers.get_mut(tag)?;
            Some((tag.clone(), std::mem::replace(&mut marker.asked_at, now)))
        });
        Claim { claimed: known.collect(), markers: self }
    }

    /// Takes in what the store answered to a question of this moment.
    pub(super) fn learn(&self, tag: Tag, answer: Answer, now: u64) {
        let mut memory = self.memory();
        let until = memory.markers.get(&tag).and_then(|known| known.invalid_until);
        let invalid_until = match answer {
            Answer::Absent => until,
            Answer::Marked(at) => until.max(Some(at)),
            // No later: an invalidation ahead of the clock would put what is stored next ahead of it too, where the
            // next invalidation of another process does not reach it.
            Answer::Broken => until.max(Some(now.max(memory.latest))),
        };
        memory.put(tag, Known { invalid_until, asked_at: now, answered_at: Some(now) });
    }

    /// The store did not answer. What is known stands, for those whom that is enough.
    pub(super) fn not_told(&self, tags: impl Iterator<Item = Tag>, now: u64) {
        let mut memory = self.memory();
        for tag in tags {
            let nothing = Known { invalid_until: None, asked_at: now, answered_at: None };
            let known = memory.markers.get(&tag).copied().unwrap_or(nothing);
            memory.put(tag, Known { asked_at: now, ..known });
        }
    }

    /// The moment of the newest invalidation that is known for a tag.
    pub(super) fn invalid_until(&self, tag: &Tag) -> Option<u64> {
        self.memory().markers.get(tag)?.invalid_until
    }

    /// Remembers an invalidation of this process, which is later than any that is known and no earlier than whatever
    /// this process has stored, and gives its moment.
    pub(super) fn invalidate(&self, tag: Tag, now: u64) -> u64 {
        let mut memory = self.memory();
        let before = memory.markers.get(&tag).and_then(|marker| marker.invalid_until);
        // Another process may have stored something right after the one before.
        let at = before.map_or(now, |before| now.max(before.saturating_add(1))).max(memory.latest);
        memory.put(tag, Known { invalid_until: Some(at), asked_at: now, answered_at: Some(now) });
        at
    }

    /// The creation time of what begins to be computed now: after every invalidation that is known for its tags.
    pub(super) fn creation_time<'a>(
        &self,
        scope: [u8; 16],
        tags: impl IntoIterator<Item = &'a [u8]>,
        now: u64,
    ) -> u64 {
        let mut memory = self.memory();
        let all = tags.into_iter().chain([&b""[..]]);
        let until =
            all.filter_map(|tag| memory.markers.get(&Tag { scope, tag: tag.into() })?.invalid_until).max();
        let created_at = until.map_or(now, |until| now.max(until.saturating_add(1)));
        memory.latest = memory.latest.max(created_at);
        created_at
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asking for markers. Dropped without an answer, it leaves the asking to the next.
pub(super) struct Claim<'a> {
    /// With when each was asked for before.
    claimed: Vec<(Tag, u64)>,
    markers: &'a Markers,
}

impl Claim<'_> {
    pub(super) fn end(mut self) {
        self.claimed.clear();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut memory = self.markers.memory();
        for (tag, asked_at) in self.claimed.drain(..) {
            if let Some(marker) = memory.markers.get_mut(&tag) {
                marker.asked_at = asked_at;
            }
        }
    }
}

impl Memory {
    fn put(&mut self, tag: Tag, known: Known) {
        if let Some((other, forgotten)) = self.markers.push(tag.clone(), known)
            && other != tag
        {
            self.forgotten_until = self.forgotten_until.max(forgotten.invalid_until);
        }
    }
}
