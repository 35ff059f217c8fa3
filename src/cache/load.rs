//! What the store holds, and whether it survives its tags.

use std::{borrow::Cow, iter, slice, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Cache, Value,
    engine::{Spot, is_well},
    flight::Seat,
    judge::each_once,
    memory::{Copied, Local},
    tags::{Tag, Trust, Verdict},
    value::{Label, Stored},
};
use crate::{
    backend::{AnyBackend, Backend, Write},
    crypto::StoreKey,
    encrypted::{EncryptedBackend, Loaded, MAX_SKEW_MS, Place},
    error::{Error, Unreadable},
};

/// What there was for one key; and how the search for it went.
pub(super) struct Found<T> {
    pub(super) stored: Option<Arc<Stored<T>>>,
    pub(super) trouble: Option<Error>,
    pub(super) now: u64,
    /// Where it stands in the store, if that was looked for.
    pub(super) place: Option<Place>,
}

/// A search under way: the trouble so far, and the time of the last step.
pub(super) struct Way {
    trust: Trust,
    pub(super) trouble: Option<Error>,
    pub(super) now: u64,
}

/// What is looked for at one seat. Each step leaves here what it finds, so that one key takes no lists.
struct Search<'a, T> {
    seat: &'a Seat,
    local: Option<Local<T>>,
    step: Step,
    found: Option<Arc<Stored<T>>>,
}

enum Step {
    /// Memory answers, as far as is known.
    InMemory,
    /// The store is to be asked.
    Asking(Question),
    Asked(Place),
}

/// What the store is asked for, and its answer.
struct Question {
    place: Place,
    /// Of the slot, before the store was asked.
    version: u64,
    /// What was found, while its markers are asked for.
    waiting: Option<Box<Candidate>>,
}

/// An authentic entry, neither judged nor decoded yet.
struct Candidate {
    loaded: Loaded,
    label: Label,
    copy: Copied,
}

impl<'a, T> Search<'a, T> {
    fn new(seat: &'a Seat) -> Self {
        Self { seat, local: None, step: Step::InMemory, found: None }
    }

    fn place(&self) -> Option<&Place> {
        if let Step::Asking(question) = &self.step { Some(&question.place) } else { None }
    }

    fn is_asking(&self) -> bool {
        matches!(self.step, Step::Asking(_))
    }
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

impl Spot<'_> {
    /// What there is for this key: [`Cache::find_each`].
    pub(super) async fn find<T: Value>(self, trust: Trust) -> Found<T> {
        let mut searches = [Search::new(self.seat)];
        let Way { trust: _, trouble, now } = self.cache.search(&mut searches, trust).await;
        let [search] = searches;
        let place = if let Step::Asked(place) = search.step { Some(place) } else { None };
        Found { stored: search.found, trouble, now, place }
    }
}

impl Cache {
    /// What there is for these keys, alive: in memory, else in the store, in one round trip with the markers that memory's
    /// values need. What memory held for too long stands in for a store that does not answer, and never for one that does.
    pub(super) async fn find_each<T: Value>(
        &self,
        seats: impl IntoIterator<Item = &Seat>,
        trust: Trust,
    ) -> (Vec<Option<Arc<Stored<T>>>>, Way) {
        let mut searches: Vec<Search<'_, T>> = seats.into_iter().map(Search::new).collect();
        let way = self.search(&mut searches, trust).await;
        (searches.into_iter().map(|search| search.found).collect(), way)
    }

    async fn search<T: Value>(&self, searches: &mut [Search<'_, T>], trust: Trust) -> Way {
        let mut way = Way { trust, trouble: None, now: self.now() };
        for search in &mut *searches {
            search.local = self.in_memory_at(&search.seat.key().key);
            self.turn_to_store(search, way.now);
        }
        let locals = searches.iter().filter_map(|search| search.local.as_ref());
        let recent = locals.filter(|local| local.recent);
        let markers = self.to_ask(recent.map(|local| &local.stored.label), trust, way.now);
        self.load(searches, markers, &mut way).await;
        if is_well(way.trouble.as_ref()) {
            // The markers have ended some.
            searches.iter_mut().for_each(|search| self.turn_to_store(search, way.now));
            if searches.iter().any(Search::is_asking) {
                Box::pin(self.load(searches, Vec::new(), &mut way)).await;
            }
        }
        let well = is_well(way.trouble.as_ref());
        for search in searches {
            if !matches!(search.step, Step::InMemory) && search.found.is_none() {
                self.bury_invalid(search.seat.key());
            }
            search.found = self.newest(search.found.take(), search.local.take(), well, way.now);
        }
        way
    }

    /// Has the store asked, unless memory answers.
    fn turn_to_store<T>(&self, search: &mut Search<'_, T>, now: u64) {
        let (Step::InMemory, Some(store)) = (&search.step, &self.store) else { return };
        if !search.local.as_ref().is_some_and(|local| self.answers(local, now)) {
            let (version, place) = (search.seat.version(), store.entry_place(&search.seat.key().key));
            search.step = Step::Asking(Question { place, version, waiting: None });
        }
    }

    /// Whether memory answers without the store, by the markers that are known.
    fn answers<T>(&self, local: &Local<T>, now: u64) -> bool {
        local.recent && local.is_fresh() && self.survives_what_is_known(&local.stored.label, now)
    }

    /// Asks the store, in one batch with these markers, and once more for the tags that are not known. What survives them is
    /// kept in memory.
    async fn load<T: Value>(&self, searches: &mut [Search<'_, T>], markers: Vec<Tag>, way: &mut Way) {
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
            search.step = match std::mem::replace(&mut search.step, Step::InMemory) {
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

    /// Seals a value for the store, if there is one; for this place if it is known.
    pub(super) fn seal<T: Serialize>(
        &self,
        key: &[u8],
        place: Option<Place>,
        stored: &Stored<T>,
    ) -> Result<Option<Write>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let Stored { value, label } = stored;
        let tags: Vec<&[u8]> = label.tags.iter().collect();
        let place = place.unwrap_or_else(|| store.entry_place(key));
        store.seal(place, value, &tags, label.times).map(Some)
    }
}
