//! What the store holds, and whether it survives its tags.

use std::{borrow::Cow, iter, mem, slice, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Cache, Value,
    engine::is_well,
    flight::Seat,
    judge::each_once,
    memory::Copied,
    search::{Question, Search, Step, Way},
    tags::{Beginning, Tag, Trust, Verdict},
    value::{Label, Stored},
};
use crate::{
    backend::{AnyBackend, Backend, Write},
    crypto::StoreKey,
    encrypted::{EncryptedBackend, Loaded, Place},
    error::{Error, Unreadable},
};

/// An authentic entry, neither judged nor decoded yet.
pub(super) struct Candidate {
    loaded: Loaded,
    label: Label,
    copy: Copied,
}

/// What the store is to be asked for.
fn names<'a, T>(searches: &'a [Search<'_, T>]) -> Cow<'a, [StoreKey]> {
    let asking = searches.iter().filter_map(|search| Some(&search.place()?.name));
    let mut rest = asking.clone();
    match (rest.next(), rest.next()) {
        (Some(name), None) => slice::from_ref(name).into(),
        _ => asking.cloned().collect(),
    }
}

impl Cache {
    /// Asks the store, in one batch with these markers, and once more for the tags that are not known. What survives them is
    /// kept in memory.
    pub(super) async fn load<T: Value>(
        &self,
        searches: &mut [Search<'_, T>],
        markers: Vec<Tag>,
        way: &mut Way,
    ) {
        let (Some(store), since) = (&self.store, way.now) else { return };
        let names = names(searches);
        let namespace = self.namespace_to_ask(&names, &markers, way.trust, since);
        let unknown = match &*names {
            [] if markers.is_empty() => return,
            [name] if markers.is_empty() && namespace.is_empty() => {
                let answer = store.backend().get(name).await.map_err(Error::from);
                self.receive_each(searches, answer.map(iter::once), since, way)
            }
            _ => {
                let answers = Box::pin(self.fetch(names, markers, namespace, since)).await;
                self.receive_each(searches, answers, since, way)
            }
        };
        if !unknown.is_empty() {
            if let Err(error) = Box::pin(self.ask(each_once(unknown))).await {
                self.note(way, error, None);
            }
            way.now = self.now();
            for search in searches.iter_mut() {
                if let Err(reason) = self.judge_again(search, since, way.now) {
                    self.note(way, reason.into(), search.place());
                }
            }
        }
        for search in searches {
            search.step = match mem::replace(&mut search.step, Step::InMemory) {
                Step::Asking(question) => Step::Asked(question.place),
                step => step,
            };
        }
    }

    /// Takes in what the store answered; gives the markers that it must be asked for first.
    fn receive_each<T: Value>(
        &self,
        searches: &mut [Search<'_, T>],
        answers: Result<impl IntoIterator<Item = Option<Bytes>>, Error>,
        since: u64,
        way: &mut Way,
    ) -> Vec<Tag> {
        way.now = self.now();
        let mut unknown = Vec::new();
        match answers {
            Ok(answers) => {
                let asking = searches.iter_mut().filter(|search| search.is_asking());
                for (search, entry) in asking.zip(answers) {
                    match self.receive(search, entry, way.trust, (since, way.now)) {
                        Ok(tags) => unknown.extend(tags),
                        Err(reason) => self.note(way, reason.into(), search.place()),
                    }
                }
            }
            Err(error) => self.note(way, error, None),
        }
        unknown
    }

    /// Counts trouble, and keeps the first of the worst: that the store fails tells more than an entry that cannot be read.
    fn note(&self, way: &mut Way, error: Error, at: Option<&Place>) {
        self.shared.counters.trouble(&error, at.map(|place| &place.name as _));
        if is_well(way.trouble.as_ref()) {
            way.trouble = Some(error);
        }
    }

    /// Takes in what the store holds, or gives the markers that the store must be asked for first.
    fn receive<T: Value>(
        &self,
        search: &mut Search<'_, T>,
        entry: Option<Bytes>,
        trust: Trust,
        (since, now): (u64, u64),
    ) -> Result<Vec<Tag>, Unreadable> {
        let (Step::Asking(Question { place, version, waiting }), Some(store)) =
            (&mut search.step, &self.store)
        else {
            return Ok(Vec::new());
        };
        let opened = entry.map_or(Ok(None), |entry| self.open(store, place, entry, now));
        let Ok(Some(candidate)) = opened else {
            search.seat.still(*version, || self.forget_old(search.seat.key()));
            return opened.map(|_| Vec::new());
        };
        match self.judge(&candidate.label, trust, now) {
            Verdict::Valid => search.found = Some(self.take(candidate, search.seat, *version, since)?),
            Verdict::Invalid => {}
            Verdict::Ask(tags) => {
                *waiting = Some(Box::new(candidate));
                return Ok(tags);
            }
        }
        Ok(Vec::new())
    }

    /// Takes in what has waited for its markers.
    fn judge_again<T: Value>(
        &self,
        search: &mut Search<'_, T>,
        since: u64,
        now: u64,
    ) -> Result<(), Unreadable> {
        let Step::Asking(Question { version, waiting, .. }) = &mut search.step else { return Ok(()) };
        if let Some(candidate) = waiting.take().filter(|it| self.survives_what_is_known(&it.label, now)) {
            search.found = Some(self.take(*candidate, search.seat, *version, since)?);
        }
        Ok(())
    }

    fn open(
        &self,
        store: &EncryptedBackend<AnyBackend>,
        place: &Place,
        entry: Bytes,
        now: u64,
    ) -> Result<Option<Candidate>, Unreadable> {
        let copy = Copied {
            sealed: if self.keeps_sealed() { entry.clone() } else { Bytes::new() },
            size: entry.len(),
        };
        let Some(loaded) = store.load(&place.locator, entry, now)? else { return Ok(None) };
        self.shared.counters.opened(loaded.key_id());
        let (times, tags) = (loaded.times(), loaded.tags().collect());
        let label = Label { times, tags, sealed_by: Some(loaded.key_id()) };
        Ok(Some(Candidate { loaded, label, copy }))
    }

    /// The value, which memory then has too, unless something newer was written meanwhile.
    fn take<T: Value>(
        &self,
        Candidate { loaded, label, copy }: Candidate,
        seat: &Seat,
        version: u64,
        since: u64,
    ) -> Result<Arc<Stored<T>>, Unreadable> {
        let stored = Arc::new(Stored { value: loaded.decode()?, label });
        seat.still(version, || self.keep_loaded(seat.key(), &stored, copy, since));
        Ok(stored)
    }

    /// Seals a value that began then for the store, if there is one; for this place if it is known.
    pub(super) fn seal<T: Serialize>(
        &self,
        key: &[u8],
        place: Option<Place>,
        stored: &Stored<T>,
        Beginning { now, created_at }: Beginning,
    ) -> Result<Option<Write>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let Stored { value, label } = stored;
        let tags: Vec<&[u8]> = label.tags.iter().collect();
        let place = place.unwrap_or_else(|| store.entry_place(key));
        let (name, entry, ttl) = store.seal(place, value, &tags, label.times)?;
        // The store's time begins now.
        let ahead = Duration::from_millis(created_at.saturating_sub(now));
        Ok(Some((name, entry, ttl.map(|ttl| ttl.saturating_add(ahead)))))
    }
}
