//! What this process knows of tag markers: FORMAT.md, "Tag markers".

mod tag;

use std::{num::NonZeroUsize, sync::PoisonError};

use lru::LruCache;

pub(super) use self::tag::Tag;
use self::tag::{Name, Named};
use super::verdict::{Judged, Rounds};
use crate::{
    clock::About,
    encrypted::MAX_SKEW_MS,
    sync::{Mutex, MutexGuard},
};

/// How many tags are remembered, and beside them how many invalidations of others: the least recently used is forgotten
/// first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// The markers that were seen or written here. One that was seen is never taken back by an older one or by none.
pub(super) struct Markers {
    known: Mutex<Memory>,
    rounds: Rounds,
    /// How long in milliseconds until the store is asked again.
    lifetime: u64,
    /// How far in milliseconds an invalidation can be ahead of the clock.
    ahead: u64,
}

struct Memory {
    markers: LruCache<Tag, Known>,
    /// The invalidations of tags that `markers` has no place for, so that tags without any do not push them out.
    seen: LruCache<Tag, u64>,
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
    /// A marker that is further ahead of the clock than any may be: the same, but others can know better.
    FromTheFuture,
}

/// When a value begins, in Unix milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Beginning {
    /// What its life counts from.
    pub(super) now: u64,
    /// What its tags are compared with: after every invalidation that is known for them, so it can be later.
    pub(super) created_at: u64,
}

/// Whether an entry survives its tags.
#[derive(PartialEq, Eq)]
pub(super) enum Verdict {
    Valid,
    Invalid,
    /// These markers have to be asked for first.
    Ask(Vec<Tag>),
}

impl Verdict {
    /// The markers to ask for.
    pub(super) fn asks(self) -> Vec<Tag> {
        if let Self::Ask(tags) = self { tags } else { Vec::new() }
    }
}

impl Markers {
    /// Beside other processes over a store an invalidation counts only as far ahead of the clock as an entry may be: one
    /// that is further ahead was made by a clock that has been set back since.
    pub(super) fn new(lifetime: u64, has_store: bool) -> Self {
        let (markers, seen) = (LruCache::new(REMEMBERED), LruCache::new(REMEMBERED));
        let memory = Memory { markers, seen, forgotten_until: None, latest: 0 };
        // Without a store there is nobody to ask, so what is known lasts.
        let (lifetime, ahead) = if has_store { (lifetime, MAX_SKEW_MS) } else { (u64::MAX, u64::MAX) };
        Self { known: Mutex::new(memory), rounds: Rounds::new(), lifetime, ahead }
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
        self.judge_by(&mut self.memory(), scope, tags, created_at, now, trust).0
    }

    /// Whether an entry in memory is valid. That one is, is remembered with it: until it has to be asked again, or
    /// anything at all is invalidated.
    pub(super) fn is_valid<'a>(
        &self,
        judged: &Judged,
        scope: [u8; 16],
        tags: impl IntoIterator<Item = &'a [u8]>,
        created_at: u64,
        now: u64,
        trust: Trust,
    ) -> bool {
        if self.is_remembered(judged, About::exactly(now), trust) {
            return true;
        }
        let memory = &mut self.memory();
        let (verdict, until) = self.judge_by(memory, scope, tags, created_at, now, trust);
        if trust != Trust::Answered && verdict == Verdict::Valid {
            self.rounds.remember(judged, until);
        }
        verdict == Verdict::Valid
    }

    /// Whether an entry is remembered to be valid, at any moment that may be now.
    #[inline]
    pub(super) fn is_remembered(&self, judged: &Judged, now: About, trust: Trust) -> bool {
        // As in `is_enough`: no longer by a clock that was set back.
        let lasts = |until| now.is_surely(|now| now < until && until - now <= self.lifetime);
        trust != Trust::Answered && self.rounds.valid_until(judged).is_some_and(lasts)
    }

    /// The verdict; and of a valid entry, until when the store has not to be asked, if it was asked at all.
    fn judge_by<'a>(
        &self,
        memory: &mut Memory,
        scope: [u8; 16],
        tags: impl IntoIterator<Item = &'a [u8]>,
        created_at: u64,
        now: u64,
        trust: Trust,
    ) -> (Verdict, u64) {
        let (mut ask, mut valid_until) = (Vec::new(), u64::MAX);
        let forgotten = memory.forgotten_until.is_some_and(|until| created_at <= until);
        for tag in tags.into_iter().chain([&b""[..]]) {
            let tag = Name { scope, tag };
            match memory.markers.get(&tag as &dyn Named) {
                Some(marker) if marker.invalid_until.is_some_and(|until| created_at <= until) => {
                    return (Verdict::Invalid, 0);
                }
                Some(marker) if self.is_enough(marker, now, trust) => {
                    valid_until = valid_until.min(marker.asked_at.saturating_add(self.lifetime));
                }
                None if memory.seen.get(&tag as &dyn Named).is_some_and(|until| created_at <= *until) => {
                    return (Verdict::Invalid, 0);
                }
                None if trust == Trust::Alone && forgotten => return (Verdict::Invalid, 0),
                None if trust == Trust::Alone => {}
                Some(_) | None => ask.push(tag.to_tag()),
            }
        }
        if ask.is_empty() { (Verdict::Valid, valid_until) } else { (Verdict::Ask(ask), 0) }
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
        if tags.is_empty() {
            return Claim { claimed: Vec::new(), markers: self };
        }
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
        let until = memory.until(&tag);
        let latest = memory.latest(now, self.ahead);
        let invalid_until = match answer {
            Answer::Absent => until,
            Answer::Marked(at) => until.max(Some(at)),
            // No later: an invalidation ahead of the clock would put what is stored next ahead of it too, where the
            // next invalidation of another process does not reach it.
            Answer::Broken | Answer::FromTheFuture => until.max(Some(now.max(latest))),
        };
        if invalid_until > until {
            self.rounds.begin();
        }
        memory.put(tag, Known { invalid_until, asked_at: now, answered_at: Some(now) });
    }

    /// The store did not answer. What is known stands, for those whom that is enough.
    pub(super) fn not_told(&self, tags: impl Iterator<Item = Tag>, now: u64) {
        let mut memory = self.memory();
        for tag in tags {
            let nothing = Known { invalid_until: memory.until(&tag), asked_at: now, answered_at: None };
            let known = memory.markers.get(&tag).copied().unwrap_or(nothing);
            memory.put(tag, Known { asked_at: now, ..known });
        }
    }

    /// The moment of the newest invalidation that is known for a tag.
    pub(super) fn invalid_until(&self, tag: &Tag) -> Option<u64> {
        self.memory().until(tag)
    }

    /// Remembers an invalidation of this process, which is later than any that is known and no earlier than whatever
    /// this process has stored, and gives its moment.
    pub(super) fn invalidate(&self, tag: Tag, now: u64) -> u64 {
        let mut memory = self.memory();
        let before = memory.lowered(&tag, now, self.ahead);
        // Another process may have stored something right after the one before.
        let at = before.map_or(now, |before| now.max(before.saturating_add(1)));
        let at = at.max(memory.latest(now, self.ahead));
        self.rounds.begin();
        memory.put(tag, Known { invalid_until: Some(at), asked_at: now, answered_at: Some(now) });
        at
    }

    /// The beginning of what is stored or computed from now on.
    pub(super) fn beginning<'a>(
        &self,
        scope: [u8; 16],
        tags: impl IntoIterator<Item = &'a [u8]>,
        now: u64,
    ) -> Beginning {
        let mut memory = self.memory();
        let all = tags.into_iter().chain([&b""[..]]);
        // What was forgotten counts where there is no store that could be asked: `Trust::Alone`.
        let forgotten = memory.forgotten_until.filter(|_| self.ahead == u64::MAX);
        let until = |tag| memory.lowered(&Name { scope, tag }, now, self.ahead).or(forgotten);
        let until = all.filter_map(until).max();
        let created_at = until.map_or(now, |until| now.max(until.saturating_add(1)));
        memory.latest = memory.latest(now, self.ahead).max(created_at);
        Beginning { now, created_at }
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
        if self.claimed.is_empty() {
            return;
        }
        let mut memory = self.markers.memory();
        self.markers.rounds.begin(); // what was judged meanwhile counted on the answer
        for (tag, asked_at) in self.claimed.drain(..) {
            if let Some(marker) = memory.markers.get_mut(&tag) {
                marker.asked_at = asked_at;
            }
        }
    }
}

impl Memory {
    fn put(&mut self, tag: Tag, known: Known) {
        self.seen.pop(&tag);
        let Some((other, pushed_out)) = self.markers.push(tag.clone(), known) else { return };
        if let Some(until) = pushed_out.invalid_until.filter(|_| other != tag) {
            let forgotten = self.seen.push(other, until);
            self.forgotten_until = self.forgotten_until.max(forgotten.map(|(_, until)| until));
        }
    }

    /// The newest invalidation that is known.
    fn until(&mut self, tag: &dyn Named) -> Option<u64> {
        match self.markers.get(tag) {
            Some(known) => known.invalid_until,
            None => self.seen.get(tag).copied(),
        }
    }

    /// The same, brought back to the clock if it is too far ahead of it.
    fn lowered(&mut self, tag: &dyn Named, now: u64, ahead: u64) -> Option<u64> {
        let until = self.until(tag)?;
        if until <= now.saturating_add(ahead) {
            return Some(until);
        }
        if let Some(known) = self.markers.get_mut(tag) {
            known.invalid_until = Some(now);
        }
        if let Some(until) = self.seen.get_mut(tag) {
            *until = now;
        }
        Some(now)
    }

    /// The latest creation time that was given, unless it is too far ahead of the clock.
    fn latest(&self, now: u64, ahead: u64) -> u64 {
        if self.latest > now.saturating_add(ahead) { now } else { self.latest }
    }
}

#[cfg(test)]
mod tests;
