//! What memory holds, and what of it may be used.

use std::{iter, sync::Arc};

use bytes::Bytes;

use super::{
    Cache, Value,
    flight::SlotKey,
    l1::{Content, Kept, L1},
    tags::Trust,
    value::{Label, Stored},
    verdict::Judged,
};
use crate::{
    backend::Write,
    encrypted::{EncryptedBackend, MAX_SKEW_MS},
    error::KeyError,
    key::CacheKey,
    metrics::{Call, Operation, Outcome},
};

/// What memory holds under a key, alive.
pub(super) struct Local<T> {
    pub(super) stored: Arc<Stored<T>>,
    /// Whether it is believed without asking the store: other processes' writes show after the tier's ttl.
    pub(super) recent: bool,
    /// How it answers a call, if it does.
    answers: Option<Outcome>,
}

/// What memory takes of an entry.
pub(super) struct Copied {
    /// For a memory that keeps what is sealed; empty for others.
    pub(super) sealed: Bytes,
    /// What it counts for, in bytes.
    pub(super) size: usize,
}

impl<T> Local<T> {
    pub(super) fn is_fresh(&self) -> bool {
        self.answers == Some(Outcome::L1Hit)
    }
}

impl Cache {
    pub(super) fn in_memory_at<T: Value>(&self, key: &[u8]) -> Option<Local<T>> {
        let (kept, answers, now) = self.alive_at(key)?;
        Some(Local { stored: self.stored(key, &kept, now)?, recent: self.is_recent(&kept, now), answers })
    }

    /// What memory holds under a key, alive, and how it answers a call, if it does; and the time of the look.
    fn alive_at(&self, key: &[u8]) -> Option<(Arc<Kept>, Option<Outcome>, u64)> {
        let kept = self.shared.tier.as_ref()?.get(&self.scope, key)?;
        let (answers, now) = self.alive(key, &kept)?;
        Some((kept, answers, now))
    }

    fn alive(&self, key: &[u8], kept: &Arc<Kept>) -> Option<(Option<Outcome>, u64)> {
        if !self.accepts(&kept.label) {
            return None;
        }
        let now = self.now();
        let answers = match &kept.label {
            label if !label.is_alive(now) => {
                self.bury(key, kept);
                return None;
            }
            label if label.is_fresh(now) => Some(Outcome::L1Hit),
            _ => kept.stands_in.contains(&now).then_some(Outcome::Stale),
        };
        Some((answers, now))
    }

    fn stored<T: Value>(&self, key: &[u8], kept: &Kept, now: u64) -> Option<Arc<Stored<T>>> {
        match &kept.content {
            Content::Value(value) => Arc::downcast(value.clone()).ok(),
            Content::Sealed(entry) => {
                let value = self.unsealed(key, entry, now)?;
                Some(Arc::new(Stored { value, label: kept.label.clone() }))
            }
        }
    }

    fn unsealed<T: Value>(&self, key: &[u8], entry: &Bytes, now: u64) -> Option<T> {
        let store = self.store.as_ref()?;
        store.load(&store.entry_locator(key), entry.clone(), now).ok()??.decode().ok()
    }

    /// Whether the keys of this handle open what it was sealed by: another handle with the same memory, before a rotation
    /// or after it, can have others.
    pub(super) fn accepts(&self, label: &Label) -> bool {
        let accepted = |(store, id): (&EncryptedBackend<_>, _)| store.accepts(id);
        self.store.as_ref().zip(label.sealed_by).is_none_or(accepted)
    }

    /// Whether an invalidation of now reaches it. Beside a store none reaches what is from the future: that was kept before
    /// the clock was set back.
    #[inline]
    pub(super) fn is_reached(&self, label: &Label, now: u64) -> bool {
        self.store.is_none() || label.times.created_at <= now.saturating_add(MAX_SKEW_MS)
    }

    #[inline]
    fn is_recent(&self, kept: &Kept, now: u64) -> bool {
        let recent = || now.abs_diff(kept.since) < self.shared.l1_ttl;
        self.store.is_none() || recent() && self.is_reached(&kept.label, now)
    }

    /// A value in memory, fresh or stale, whose markers are known, without an await.
    pub(super) fn known_in_memory<T: Value>(&self, key: &[u8], trust: Trust) -> Option<Local<T>> {
        let (kept, answers, now) = self.alive_at(key)?;
        if !self.is_recent(&kept, now) || !self.is_valid(&kept, trust, now) {
            return None;
        }
        Some(Local { stored: self.stored(key, &kept, now)?, recent: true, answers })
    }

    /// The same where its markers may have to be asked for first: for who finds another call at work on a key, which would
    /// else wait for that.
    pub(super) async fn confirmed_in_memory<T: Value>(
        &self,
        key: &[u8],
        trust: Trust,
        wanted: impl Fn(&Local<T>) -> bool,
    ) -> Option<Local<T>> {
        let local = self.in_memory_at(key).filter(|local| local.recent && wanted(local))?;
        let markers = self.to_ask(iter::once(&local.stored.label), trust, self.now());
        if !markers.is_empty()
            && let Err(error) = self.ask(markers).await
        {
            self.trouble(&error);
        }
        self.known_in_memory(key, trust).filter(wanted)
    }

    /// Removes from memory what nobody can use any more, unless something else is there by now.
    fn bury(&self, key: &[u8], dead: &Arc<Kept>) {
        if let Some(tier) = &self.shared.tier {
            tier.remove_this(&self.scope, key, dead);
            self.shared.tell_memory();
        }
    }

    /// [`bury`](Self::bury), if its tags have ended it.
    pub(super) fn bury_invalid(&self, key: &SlotKey) {
        let kept = self.shared.tier.as_ref().and_then(|tier| tier.get(&key.scope, &key.key));
        if let Some(kept) = kept.filter(|kept| !self.survives_what_is_known(&kept.label, self.now())) {
            self.bury(&key.key, &kept);
        }
    }

    /// What memory answers to one key of a batch; `fail_safe`: also with a stale value that stands in.
    pub(super) fn hit<T: Value>(&self, call: &Call<'_>, key: &[u8], fail_safe: bool) -> Option<T> {
        let (value, outcome) = self.answer(key, Trust::Asked, fail_safe)?;
        call.outcome(outcome);
        Some(value)
    }

    /// The same where it is all that there is to the call: what it may need otherwise is not made.
    pub(super) fn at_hand<T: Value>(
        &self,
        operation: Operation,
        key: &Result<CacheKey, KeyError>,
        trust: Trust,
        fail_safe: bool,
    ) -> Option<T> {
        let (value, outcome) = self.answer(key.as_ref().ok()?.as_bytes(), trust, fail_safe)?;
        self.shared.counters.at_hand(operation, outcome);
        Some(value)
    }

    /// The fast path: nothing is copied but the value, and the clock is only read exactly where that decides.
    #[inline]
    pub(super) fn answer<T: Value>(&self, key: &[u8], trust: Trust, fail_safe: bool) -> Option<(T, Outcome)> {
        let (kept, surely_fresh) = self.seen_at(key, trust)?;
        match &kept.content {
            Content::Value(value) if surely_fresh => {
                Some((value.downcast_ref::<Stored<T>>()?.value.clone(), Outcome::L1Hit))
            }
            _ => self.answer_exactly(key, &kept, trust, fail_safe),
        }
    }

    /// What memory holds under a key, and whether it is a hit at any moment that may be now.
    pub(super) fn seen_at(&self, key: &[u8], trust: Trust) -> Option<(Arc<Kept>, bool)> {
        let tier = self.shared.tier.as_ref()?;
        // Before the look, whose lock the reading would else wait for.
        let now = self.shared.clock.about_now();
        let kept = tier.get(&self.scope, key)?;
        // Each holds for one unbroken time; and what is fresh is alive.
        let fresh = now.is_surely(|now| kept.label.is_fresh(now) && self.is_recent(&kept, now));
        let valid = || self.shared.markers.is_remembered(&kept.judged, now, trust);
        let surely_fresh = fresh && valid() && self.accepts(&kept.label);
        Some((kept, surely_fresh))
    }

    fn answer_exactly<T: Value>(
        &self,
        key: &[u8],
        kept: &Arc<Kept>,
        trust: Trust,
        fail_safe: bool,
    ) -> Option<(T, Outcome)> {
        let (answers, now) = self.alive(key, kept)?;
        let outcome = answers.filter(|outcome| *outcome == Outcome::L1Hit || fail_safe)?;
        if !self.is_recent(kept, now) || !self.is_valid(kept, trust, now) {
            return None;
        }
        let value = match &kept.content {
            Content::Value(value) => value.downcast_ref::<Stored<T>>()?.value.clone(),
            Content::Sealed(entry) => self.unsealed(key, entry, now)?,
        };
        Some((value, outcome))
    }

    /// Whether the tier may answer for the store that there is an entry.
    pub(super) fn is_believed(&self, kept: &Kept) -> bool {
        let now = self.now();
        let fresh = kept.label.is_fresh(now) && self.is_recent(kept, now);
        fresh && self.accepts(&kept.label) && self.is_valid(kept, Trust::Asked, now)
    }

    /// What memory takes of an entry that is written, if there is a store.
    pub(super) fn copied<T>(&self, write: Option<&Write>) -> Copied {
        let Some((_, entry, _)) = write else { return Copied { sealed: Bytes::new(), size: size_of::<T>() } };
        let sealed = if self.keeps_sealed() { entry.clone().into_bytes() } else { Bytes::new() };
        Copied { sealed, size: entry.len() }
    }

    pub(super) fn keeps_sealed(&self) -> bool {
        self.shared.tier.as_ref().is_some_and(|tier| tier.mode == L1::Sealed)
    }

    /// Puts a value into memory.
    pub(super) fn keep<T: Value>(&self, key: &SlotKey, stored: &Arc<Stored<T>>, copy: Copied) {
        self.keep_sized(key, stored, copy, self.now());
    }

    /// Puts a value of the store into memory, unless memory holds a newer one that it is believed for, if only by another
    /// handle, whose keys open it.
    pub(super) fn keep_loaded<T: Value>(
        &self,
        key: &SlotKey,
        stored: &Arc<Stored<T>>,
        copy: Copied,
        since: u64,
    ) {
        let Some(tier) = &self.shared.tier else { return };
        let (label, now) = (&stored.label, self.now());
        let newer = |kept: &Kept| {
            let believed = self.is_recent(kept, now) && kept.label.is_alive(now);
            believed && label.is_older(&kept.label) && self.survives_what_is_known(&kept.label, now)
        };
        let kept = tier.get(&key.scope, &key.key);
        if !kept.is_some_and(|kept| newer(&kept)) {
            self.keep_sized(key, stored, copy, since);
        }
    }

    fn keep_sized<T: Value>(
        &self,
        key: &SlotKey,
        stored: &Arc<Stored<T>>,
        Copied { sealed, size }: Copied,
        since: u64,
    ) {
        let Some(tier) = &self.shared.tier else { return };
        let content = match tier.mode {
            L1::Values => Content::Value(stored.clone()),
            L1::Sealed => Content::Sealed(Box::new(sealed)),
        };
        let stands_in = self.stand_in_of(key, &stored.label);
        let (label, judged) = (stored.label.clone(), Judged::default());
        let kept = Kept { label, since, stands_in, judged, content, size };
        tier.put(key.clone(), kept);
        self.shared.tell_memory();
    }

    /// Removes the value from memory.
    pub(super) fn forget(&self, key: &SlotKey) -> Option<Arc<Kept>> {
        let removed = self.shared.tier.as_ref().and_then(|tier| tier.remove(key));
        self.shared.tell_memory();
        removed
    }

    /// The same; tells whether there was one that could have been used.
    pub(super) fn forget_usable(&self, key: &SlotKey) -> bool {
        let usable = |kept: Arc<Kept>| {
            let now = self.now();
            let alive = kept.label.is_alive(now) && self.accepts(&kept.label);
            alive && self.survives_what_is_known(&kept.label, now)
        };
        self.forget(key).is_some_and(usable)
    }

    /// Removes from memory what is no longer believed without the store.
    pub(super) fn forget_old(&self, key: &SlotKey) {
        let Some(tier) = &self.shared.tier else { return };
        if tier.get(&key.scope, &key.key).is_some_and(|kept| !self.is_recent(&kept, self.now())) {
            tier.remove(key);
            self.shared.tell_memory();
        }
    }
}
