//! What the store holds, and whether it survives its tags.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{
    Cache, Value,
    engine::{Spot, is_well},
    l1::L1,
    memory::Local,
    tags::{Trust, Verdict},
    value::{Label, Stored},
};
use crate::{
    backend::{AnyBackend, Write},
    encrypted::{EncryptedBackend, Loaded, Place},
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
    /// What the store holds at these spots, alive and surviving its tags, in one batch, and another one for the tags
    /// that are not known. It is kept in memory.
    async fn load<T: Value>(&self, spots: &[&Spot], trust: Trust) -> Found<T> {
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
            // That the store fails tells more than an entry that cannot be read.
            if is_well(trouble.as_ref()) {
                trouble = Some(error);
            }
        };
        let open = |(place, entry): (_, Option<Bytes>)| match self.open(store, place, entry?) {
            Ok(candidate) => candidate,
            Err(reason) => {
                note(reason.into(), Some(place));
                None
            }
        };
        let candidates: Vec<Option<Candidate>> = places.iter().zip(entries).map(open).collect();
        if let Err(error) = self.ask_about(&candidates, trust).await {
            note(error, None);
        }
        let mut found = Vec::with_capacity(spots.len());
        for (((candidate, spot), place), version) in
            candidates.into_iter().zip(spots).zip(&places).zip(versions)
        {
            found.push(self.take(candidate, spot, version, since).unwrap_or_else(|reason| {
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
    ) -> Result<Option<Candidate>, Unreadable> {
        let keeps_sealed = self.shared.tier.as_ref().is_some_and(|tier| tier.mode == L1::Sealed);
        let sealed = if keeps_sealed { entry.clone() } else { Bytes::new() };
        let Some(loaded) = store.load(place, entry)? else { return Ok(None) };
        self.shared.counters.opened(loaded.key_id());
        let label = Label { times: loaded.times(), tags: loaded.tags().map(Box::from).collect() };
        Ok(Some(Candidate { loaded, label, sealed }))
    }

    /// Asks for the markers that are not known, each once.
    async fn ask_about(&self, candidates: &[Option<Candidate>], trust: Trust) -> Result<(), Error> {
        let mut ask = Vec::new();
        for candidate in candidates.iter().flatten() {
            if let Verdict::Ask(tags) = self.judge(&candidate.label, trust) {
                ask.extend(tags);
            }
        }
        if ask.is_empty() {
            return Ok(());
        }
        ask.sort_unstable_by(|one, other| one.tag.cmp(&other.tag));
        ask.dedup();
        self.ask(ask).await
    }

    /// The value, if it survives; memory then has it too, unless something newer was written meanwhile.
    fn take<T: Value>(
        &self,
        candidate: Option<Candidate>,
        spot: &Spot,
        version: u64,
        since: u64,
    ) -> Result<Option<Arc<Stored<T>>>, Unreadable> {
        let Some(Candidate { loaded, label, sealed }) = candidate else {
            spot.seat.still(version, || self.forget_old(&spot.key));
            return Ok(None);
        };
        if !self.survives_what_is_known(&label) {
            return Ok(None);
        }
        let stored = Arc::new(Stored { value: loaded.decode()?, label });
        spot.seat.still(version, || self.keep_sized(&spot.key, &stored, sealed, loaded.size(), since));
        Ok(Some(stored))
    }

    /// Seals a value for the store, if there is one.
    pub(super) fn seal<T: Serialize>(&self, key: &[u8], stored: &Stored<T>) -> Result<Option<Write>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let Stored { value, label } = stored;
        let tags: Vec<&[u8]> = label.tags.iter().map(|tag| &**tag).collect();
        store.seal(&store.entry_place(key), value, &tags, label.times).map(Some)
    }

    /// [`Spot::find`] for many keys that memory did not answer, in one round trip.
    pub(super) async fn find_each<T: Value>(&self, spots: &[&Spot], trust: Trust) -> Found<T> {
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
