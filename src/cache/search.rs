//! From keys to what there is for them, alive: in memory, else in the store.

use std::sync::Arc;

use super::{
    Cache, Value,
    engine::{Spot, is_well},
    flight::Seat,
    load::Candidate,
    memory::Local,
    tags::Trust,
    value::Stored,
};
use crate::{encrypted::Place, error::Error};

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
    pub(super) trust: Trust,
    pub(super) trouble: Option<Error>,
    pub(super) now: u64,
}

/// What is looked for at one seat. Each step leaves here what it finds, so that one key takes no lists.
pub(super) struct Search<'a, T> {
    pub(super) seat: &'a Seat,
    local: Option<Local<T>>,
    pub(super) step: Step,
    pub(super) found: Option<Arc<Stored<T>>>,
}

pub(super) enum Step {
    /// Memory answers, as far as is known.
    InMemory,
    /// The store is to be asked.
    Asking(Question),
    /// The store was asked about this place.
    Asked(Place),
}

/// What the store is asked for.
pub(super) struct Question {
    pub(super) place: Place,
    /// Of the slot, before the store was asked.
    pub(super) version: u64,
    /// What was found, while its markers are asked for.
    pub(super) waiting: Option<Box<Candidate>>,
}

impl<'a, T> Search<'a, T> {
    fn new(seat: &'a Seat) -> Self {
        Self { seat, local: None, step: Step::InMemory, found: None }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        if let Step::Asking(question) = &self.step { Some(&question.place) } else { None }
    }

    pub(super) fn is_asking(&self) -> bool {
        matches!(self.step, Step::Asking(_))
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
            let memory_answers = self.store.is_some() && matches!(search.step, Step::InMemory);
            if !memory_answers && search.found.is_none() {
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

    /// Of what the store and memory hold the newer, if it has not ended meanwhile.
    fn newest<T>(
        &self,
        loaded: Option<Arc<Stored<T>>>,
        local: Option<Local<T>>,
        well: bool,
        now: u64,
    ) -> Option<Arc<Stored<T>>> {
        let local = local.filter(|local| local.recent || !well).map(|local| local.stored);
        let survives = |stored: &Arc<Stored<T>>| {
            self.is_reached(&stored.label, now) && self.survives_what_is_known(&stored.label, now)
        };
        let local = local.filter(survives);
        let newest = match (loaded, local) {
            (Some(loaded), Some(local)) if loaded.label.is_older(&local.label) => Some(local),
            (loaded, local) => loaded.or(local),
        };
        newest.filter(|stored| stored.label.is_alive(now))
    }
}
