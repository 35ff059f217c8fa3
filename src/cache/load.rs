//! What the store holds, and whether it survives its tags.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{
    Cache, Value,
    engine::{Spot, is_well},
    l1::L1,
    memory::Local,
    tags::{Tag, Trust},
    value::{Label, Stored},
};
use crate::{
    backend::{AnyBackend, Write},
    encrypted::{EncryptedBackend, Loaded, MAX_SKEW_MS, Place},
    error::{Error, Unreadable},
};

/// An authentic entry, not judged and not decoded yet.
struct Candidate {
    loaded: Loaded,
    label: Label,
    /// For a memory that keeps what is sealed; empty for others.
    sealed: Bytes,
}

/// A value or none for each spot, and the trouble on the way.
type Found<T> = (Vec<Option<Arc<Stored<T>>>>, Option<Error>);

impl Cache {
    /// What the store holds at these spots, surviving its tags, in one batch with these markers, and another one for the
    /// tags that are not known. It is kept in memory.
    async fn load<T: Value>(&self, spots: &[&Spot], markers: Vec<Tag>, trust: Trust) -> Found<T> {
        let nothing = || spots.iter().map(|_| None).collect();
        let Some(store) = self.store.as_ref().filter(|_| !spots.is_empty() || !markers.is_empty()) else {
            return (nothing(), None);
        };
        let since = self.now();
        let versions: Vec<u64> = spots.iter().map(|spot| spot.seat.version()).collect();
        let places: Vec<Place> = spots.iter().map(|spot| store.entry_place(&spot.key.key)).collect();
        let entries = match self.fetch(&places, markers, trust).await {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(&error);
                return (nothing(), Some(error));
            }
        };
        let mut trouble = None;
        let mut note = |error: Error, at: Option<&Place>| {
            self.shared.counters.trouble(&error, at.map(|place| &place.name as _));
            // That the store fails tells more than an entry that cannot be read.
            if is_well(trouble.as_ref()) {
                trouble = Some(error);
            }
        };
        let mut now = self.now();
        let open = |(place, entry): (_, Option<Bytes>)| match self.open(store, place, entry?, now) {
            Ok(candidate) => candidate,
            Err(reason) => {
                note(reason.into(), Some(place));
                None
            }
        };
        let candidates: Vec<Option<Candidate>> = places.iter().zip(entries).map(open).collect();
        let unknown = self.to_ask(candidates.iter().flatten().map(|candidate| &candidate.label), trust, now);
        if !unknown.is_empty() {
            if let Err(error) = self.ask(unknown).await {
                note(error, None);
            }
            now = self.now();
        }
        let mut found = Vec::with_capacity(spots.len());
        for (((candidate, spot), place), version) in
            candidates.into_iter().zip(spots).zip(&places).zip(versions)
        {
            found.push(self.take(candidate, spot, version, (since, now)).unwrap_or_else(|reason| {
                note(reason.into(), Some(place));
                None
            }));
        }
        (found, trouble)
    }

    fn open(
        &self,
        store: &EncryptedBackend<AnyBackend>,
        place: &Place,
        entry: Bytes,
        now: u64,
    ) -> Result<Option<Candidate>, Unreadable> {
        let keeps_sealed = self.shared.tier.as_ref().is_some_and(|tier| tier.mode == L1::Sealed);
        let sealed = if keeps_sealed { entry.clone() } else { Bytes::new() };
        let Some(loaded) = store.load(place, entry, now)? else { return Ok(None) };
        self.shared.counters.opened(loaded.key_id());
        let (times, tags) = (loaded.times(), loaded.tags().map(Box::from).collect());
        let label = Label { times, tags, sealed_by: Some(loaded.key_id()) };
        Ok(Some(Candidate { loaded, label, sealed }))
    }

    /// The value, if it survives; memory then has it too, unless something newer was written meanwhile.
    fn take<T: Value>(
        &self,
        candidate: Option<Candidate>,
        spot: &Spot,
        version: u64,
        (since, now): (u64, u64),
    ) -> Result<Option<Arc<Stored<T>>>, Unreadable> {
        let Some(Candidate { loaded, label, sealed }) = candidate else {
            spot.seat.still(version, || self.forget_old(&spot.key));
            return Ok(None);
        };
        if !self.survives_what_is_known(&label, now) {
            return Ok(None);
        }
        let stored = Arc::new(Stored { value: loaded.decode()?, label });
        spot.seat.still(version, || self.keep_loaded(&spot.key, &stored, sealed, loaded.size(), since));
        Ok(Some(stored))
    }

    /// Seals a value for the store, if there is one.
    pub(super) fn seal<T: Serialize>(&self, key: &[u8], stored: &Stored<T>) -> Result<Option<Write>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let Stored { value, label } = stored;
        let tags: Vec<&[u8]> = label.tags.iter().map(|tag| &**tag).collect();
        store.seal(store.entry_place(key), value, &tags, label.times).map(Some)
    }

    /// What there is for these keys, alive: in memory, else in the store, in one round trip with the markers that memory's
    /// values need; and the trouble on the way. What memory held for too long stands in for a store that does not answer,
    /// and never for one that does.
    pub(super) async fn find_each<T: Value>(&self, spots: &[&Spot], trust: Trust) -> Found<T> {
        let locals: Vec<Option<Local<T>>> =
            spots.iter().map(|spot| self.in_memory_at(&spot.key.key)).collect();
        let recent = locals.iter().flatten().filter(|local| local.recent);
        let now = self.now();
        let markers = self.to_ask(recent.map(|local| &local.stored.label), trust, now);
        let open = |at: &usize| !locals[*at].as_ref().is_some_and(|local| self.answers(local));
        let (mut asked, in_memory): (Vec<usize>, Vec<usize>) = (0..spots.len()).partition(open);
        let at_spots = |asked: &[usize]| asked.iter().map(|at| spots[*at]).collect::<Vec<_>>();
        let (mut loaded, mut trouble) = self.load::<T>(&at_spots(&asked), markers, trust).await;
        // The markers have ended these.
        let ended: Vec<usize> = in_memory.into_iter().filter(open).collect();
        if is_well(trouble.as_ref()) && !ended.is_empty() {
            let (more, failed) = self.load::<T>(&at_spots(&ended), Vec::new(), trust).await;
            loaded.extend(more);
            asked.extend(ended);
            trouble = failed.or(trouble);
        }
        let mut found: Vec<Option<Arc<Stored<T>>>> = spots.iter().map(|_| None).collect();
        for (at, loaded) in asked.into_iter().zip(loaded) {
            if loaded.is_none() {
                self.bury_invalid(&spots[at].key);
            }
            found[at] = loaded;
        }
        let (well, now) = (is_well(trouble.as_ref()), self.now());
        let found = found.into_iter().zip(locals);
        (found.map(|(loaded, local)| self.newest(loaded, local, well, now)).collect(), trouble)
    }

    /// Whether memory answers without the store, by the markers that are known.
    fn answers<T>(&self, local: &Local<T>) -> bool {
        local.recent && local.is_fresh() && self.survives_what_is_known(&local.stored.label, self.now())
    }

    /// Of what the store and memory hold the newer, if it has not ended meanwhile.
    fn newest<T>(
        &self,
        loaded: Option<Arc<Stored<T>>>,
        local: Option<Local<T>>,
        well: bool,
        now: u64,
    ) -> Option<Arc<Stored<T>>> {
        let local = local.filter(|local| local.recent || !well).map(|local| local.stored);
        // One from the future was kept before the clock was set back: no invalidation reaches it.
        let local = local.filter(|stored| {
            let from_the_future = stored.label.times.created_at > now.saturating_add(MAX_SKEW_MS);
            !from_the_future && self.survives_what_is_known(&stored.label, now)
        });
        let newest = match (loaded, local) {
            (Some(loaded), Some(local)) if loaded.label.is_older(&local.label) => Some(local),
            (loaded, local) => loaded.or(local),
        };
        newest.filter(|stored| stored.label.is_alive(now))
    }
}

impl Spot {
    /// What there is for this key: [`Cache::find_each`].
    pub(super) async fn find<T: Value>(&self, trust: Trust) -> (Option<Arc<Stored<T>>>, Option<Error>) {
        let (mut found, trouble) = self.cache.find_each::<T>(&[self], trust).await;
        (found.pop().flatten(), trouble)
    }
}
