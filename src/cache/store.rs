//! What memory and the store hold, and whether it survives its tags.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Cache, Value,
    engine::{Spot, is_well},
    flight::SlotKey,
    l1::{Content, Kept, L1},
    tags::{Trust, Verdict},
    value::{Label, Stored},
};
use crate::{
    backend::Write,
    encrypted::{Loaded, Place},
    error::Error,
    key::CacheKey,
    metrics::{Call, Operation, Outcome},
};

/// What memory holds under a key, alive.
pub(super) struct Local<T> {
    pub(super) stored: Arc<Stored<T>>,
    /// Whether it is believed without asking the store: other processes' writes show after the tier's ttl.
    recent: bool,
    /// How it answers a call, if it does.
    answers: Option<Outcome>,
}

impl<T> Local<T> {
    fn is_fresh(&self) -> bool {
        self.answers == Some(Outcome::L1Hit)
    }
}

impl Cache {
    fn in_memory_at<T: Value>(&self, key: &[u8]) -> Option<Local<T>> {
        let kept = self.shared.tier.as_ref()?.get(&self.scope, key)?;
        let now = self.now();
        let answers = match &kept.label {
            label if !label.is_alive(now) => return None,
            label if label.is_fresh(now) => Some(Outcome::L1Hit),
            _ => (now < kept.stands_in_until).then_some(Outcome::Stale),
        };
        let stored = match &kept.content {
            Content::Value(value) => Arc::downcast(value.clone()).ok()?,
            Content::Sealed(entry) => {
                let store = self.store.as_ref()?;
                let loaded = store.load(&store.entry_place(key), entry.clone()).ok()??;
                Arc::new(Stored { value: loaded.decode().ok()?, label: kept.label.clone() })
            }
        };
        Some(Local { stored, recent: self.is_recent(kept.since, now), answers })
    }

    fn is_recent(&self, since: u64, now: u64) -> bool {
        self.store.is_none() || now.abs_diff(since) < self.shared.l1_ttl
    }

    /// A value in memory, fresh or stale, whose markers are known: the fast path, without an await.
    pub(super) fn known_in_memory<T: Value>(&self, key: &[u8], trust: Trust) -> Option<Local<T>> {
        let local = self.in_memory_at::<T>(key)?;
        let usable = local.recent && self.judge(&local.stored.label, trust) == Verdict::Valid;
        usable.then_some(local)
    }

    /// What memory answers to one key of a batch; `fail_safe`: also with a stale value that stands in.
    pub(super) fn hit<T: Value>(
        &self,
        call: &Call<'_>,
        key: &[u8],
        fail_safe: bool,
    ) -> Option<Arc<Stored<T>>> {
        let local = self.known_in_memory::<T>(key, Trust::Asked)?;
        let outcome = local.answers.filter(|_| local.is_fresh() || fail_safe)?;
        call.outcome(outcome);
        Some(local.stored)
    }

    /// The same where it is all that there is to the call: what it may need otherwise is not made.
    pub(super) fn at_hand<T: Value>(
        &self,
        operation: Operation,
        key: &Result<CacheKey, Error>,
        trust: Trust,
        fail_safe: bool,
    ) -> Option<T> {
        let local = self.known_in_memory::<T>(key.as_ref().ok()?.as_bytes(), trust)?;
        let outcome = local.answers.filter(|_| local.is_fresh() || fail_safe)?;
        self.shared.counters.at_hand(operation, outcome);
        Some(local.stored.value.clone())
    }

    /// Whether the tier may answer for the store that there is an entry.
    pub(super) fn is_believed(&self, kept: &Kept) -> bool {
        let now = self.now();
        let fresh = kept.label.is_fresh(now) && self.is_recent(kept.since, now);
        fresh && self.judge(&kept.label, Trust::Asked) == Verdict::Valid
    }

    /// What the store holds at these spots, alive and surviving its tags, in one batch, and another one for the tags
    /// that are not known; and the first trouble on the way.
    pub(super) async fn load<T: Value>(
        &self,
        spots: &[&Spot],
        trust: Trust,
    ) -> (Vec<Option<Arc<Stored<T>>>>, Option<Error>) {
        let nothing = || spots.iter().map(|_| None).collect();
        let Some(store) = &self.store else { return (nothing(), None) };
        let since = self.now();
        let versions: Vec<u64> = spots.iter().map(|spot| spot.seat.version()).collect();
        let places: Vec<Place> = spots.iter().map(|spot| store.entry_place(&spot.key.key)).collect();
        let entries = match self.fetch(&places, trust).await {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(&error);
                return (nothing(), Some(error));
            }
        };

        let mut trouble = None;
        let mut note = |error: Error, at: Option<&Place>| {
            self.shared.counters.trouble(&error, at.map(|place| &place.name as _));
            trouble.get_or_insert(error);
        };
        let keeps_sealed = self.shared.tier.as_ref().is_some_and(|tier| tier.mode == L1::Sealed);
        let mut loaded: Vec<Option<(Loaded, Label, bytes::Bytes)>> = Vec::with_capacity(spots.len());
        let mut ask = Vec::new();
        for (place, entry) in places.iter().zip(entries) {
            let sealed = entry.clone().filter(|_| keeps_sealed).unwrap_or_default();
            let opened = entry.map(|entry| {
                let size = entry.len();
                store.load(place, entry).map(|loaded| (loaded, size))
            });
            loaded.push(match opened {
                Some(Ok((Some(opened), _))) => {
                    self.shared.counters.opened(opened.key_id());
                    let label = Label { times: opened.times(), tags: opened.tags().map(Box::from).collect() };
                    if let Verdict::Ask(tags) = self.judge(&label, trust) {
                        ask.extend(tags);
                    }
                    Some((opened, label, sealed))
                }
                Some(Err(reason)) => {
                    note(reason.into(), Some(place));
                    None
                }
                Some(Ok((None, _))) | None => None,
            });
        }
        ask.sort_unstable_by(|one, other| one.tag.cmp(&other.tag));
        ask.dedup();
        if !ask.is_empty()
            && let Err(error) = self.ask(ask).await
        {
            note(error, None);
        }

        let spots = spots.iter().zip(&places).zip(versions);
        let found = loaded.into_iter().zip(spots).map(|(loaded, ((spot, place), version))| {
            let Some((loaded, label, sealed)) = loaded else {
                spot.seat.still(version, || self.forget_old(&spot.key));
                return None;
            };
            if !self.survives_what_is_known(&label) {
                return None;
            }
            let value = loaded.decode().map_err(|reason| note(reason.into(), Some(place))).ok()?;
            let stored = Arc::new(Stored { value, label });
            let size = loaded.size();
            spot.seat.still(version, || self.keep_sized(&spot.key, &stored, sealed, size, since));
            Some(stored)
        });
        let found = found.collect();
        (found, trouble)
    }

    /// Seals a value for the store, if there is one.
    pub(super) fn seal<T: Serialize>(&self, key: &[u8], stored: &Stored<T>) -> Result<Option<Write>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let Stored { value, label } = stored;
        let tags: Vec<&[u8]> = label.tags.iter().map(|tag| &**tag).collect();
        store.seal(&store.entry_place(key), value, &tags, label.times).map(Some)
    }

    /// Puts a value into memory.
    pub(super) fn keep<T: Value>(&self, key: &SlotKey, stored: &Arc<Stored<T>>, write: Option<&Write>) {
        let (sealed, size) = match write {
            Some((_, entry, _)) => (entry.clone().into_bytes(), entry.len()),
            None => (bytes::Bytes::new(), size_of::<T>()),
        };
        self.keep_sized(key, stored, sealed, size, self.now());
    }

    fn keep_sized<T: Value>(
        &self,
        key: &SlotKey,
        stored: &Arc<Stored<T>>,
        sealed: bytes::Bytes,
        size: usize,
        since: u64,
    ) {
        let Some(tier) = &self.shared.tier else { return };
        let content = match tier.mode {
            L1::Values => Content::Value(stored.clone()),
            L1::Sealed => Content::Sealed(sealed),
        };
        let stands_in_until = self.stands_in_until(key, &stored.label);
        let kept = Kept { label: stored.label.clone(), since, stands_in_until, content, size };
        tier.put(key.clone(), kept);
        self.shared.tell_memory();
    }
}

impl Cache {
    /// [`Spot::find`] for many keys that memory did not answer, in one round trip.
    pub(super) async fn find_each<T: Value>(
        &self,
        spots: &[&Spot],
        trust: Trust,
    ) -> (Vec<Option<Arc<Stored<T>>>>, Option<Error>) {
        let (found, trouble) = self.load::<T>(spots, trust).await;
        let well = is_well(trouble.as_ref());
        let in_memory = |spot: &Spot| {
            let local = self.in_memory_at::<T>(&spot.key.key).filter(|local| local.recent || !well)?;
            if let Verdict::Ask(tags) = self.judge(&local.stored.label, Trust::Asked)
                && !well
            {
                self.shared.markers.not_told(tags, self.now());
            }
            self.survives_what_is_known(&local.stored.label).then_some(local.stored)
        };
        let found = found.into_iter().zip(spots).map(|(found, spot)| found.or_else(|| in_memory(spot)));
        (found.collect(), trouble)
    }

    /// Removes from memory what is no longer believed without the store.
    fn forget_old(&self, key: &SlotKey) {
        let Some(tier) = &self.shared.tier else { return };
        if tier.get(&key.scope, &key.key).is_some_and(|kept| !self.is_recent(kept.since, self.now())) {
            tier.remove(key);
            self.shared.tell_memory();
        }
    }
}

impl Spot {
    /// What there is for this key, alive: in memory, else in the store; and the trouble on the way. What memory held
    /// for too long stands in for a store that does not answer, and never for one that does.
    pub(super) async fn find<T: Value>(&self, trust: Trust) -> (Option<Arc<Stored<T>>>, Option<Error>) {
        let cache = &self.cache;
        let mut trouble = None;
        let local = cache.in_memory_at::<T>(&self.key.key);
        if let Some(Local { stored, .. }) = local.as_ref().filter(|local| local.recent && local.is_fresh()) {
            if let Verdict::Ask(tags) = cache.judge(&stored.label, trust)
                && let Err(error) = cache.ask(tags).await
            {
                cache.trouble(&error);
                trouble = Some(error);
            }
            if cache.survives_what_is_known(&stored.label) {
                return (Some(stored.clone()), trouble);
            }
        }
        let (mut found, failed) = cache.find_each::<T>(&[self], trust).await;
        (found.pop().flatten(), trouble.or(failed))
    }
}
