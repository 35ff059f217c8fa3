//! What memory and the store hold, and whether it survives its tags.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Cache, Value,
    call::Settings,
    engine::Spot,
    flight::SlotKey,
    l1::{Content, Kept, L1},
    tags::{Answer, Tag, Verdict},
    value::{Label, Stored},
};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
    encrypted::{Loaded, Place, is_nil},
    error::{BackendError, BackendErrorKind, Error},
    key::CacheKey,
    metrics::{Call, Outcome},
};

impl Cache {
    /// What memory holds, alive, and since when.
    fn in_memory_at<T: Value>(&self, key: &[u8]) -> Option<(Arc<Stored<T>>, u64)> {
        let kept = self.shared.tier.as_ref()?.get(&self.scope, key)?;
        if !kept.label.is_alive(self.now()) {
            return None;
        }
        let stored = match &kept.content {
            Content::Value(value) => Arc::downcast(value.clone()).ok()?,
            Content::Sealed(entry) => {
                let store = self.store.as_ref()?;
                let loaded = store.load(&store.entry_place(key), entry.clone()).ok()??;
                Arc::new(Stored { value: loaded.decode().ok()?, label: kept.label.clone() })
            }
        };
        Some((stored, kept.since))
    }

    /// Whether memory may be believed without asking the store: other processes' writes show after the tier's ttl.
    fn is_recent(&self, since: u64) -> bool {
        self.store.is_none() || self.now().abs_diff(since) < self.shared.l1_ttl
    }

    /// A fresh value in memory whose markers are known: the fast path, without an await.
    pub(super) fn hit<T: Value>(&self, call: &Call<'_>, key: &CacheKey) -> Option<Arc<Stored<T>>> {
        let stored = self.alive_in_memory::<T>(key)?;
        let fresh = stored.label.is_fresh(self.now());
        fresh.then(|| call.outcome(Outcome::L1Hit)).map(|()| stored)
    }

    /// The same, or stale.
    pub(super) fn alive_in_memory<T: Value>(&self, key: &CacheKey) -> Option<Arc<Stored<T>>> {
        let (stored, since) = self.in_memory_at::<T>(key.as_bytes())?;
        let usable = self.is_recent(since) && self.judge(&stored.label) == Verdict::Valid;
        usable.then_some(stored)
    }

    /// Whether the tier may answer for the store that there is an entry.
    pub(super) fn is_believed(&self, kept: &Kept) -> bool {
        let fresh = kept.label.is_fresh(self.now());
        fresh && self.is_recent(kept.since) && self.judge(&kept.label) == Verdict::Valid
    }

    /// Judges by the markers that are known; names those that the store must be asked for.
    fn judge(&self, label: &Label) -> Verdict {
        let tags = label.tags.iter().map(|tag| &**tag);
        let (created_at, with_store) = (label.times.created_at, self.store.is_some());
        self.shared.markers.judge(self.scope, tags, created_at, self.now(), with_store)
    }

    pub(super) fn survives_what_is_known(&self, label: &Label) -> bool {
        self.judge(label) != Verdict::Invalid
    }

    /// When what begins to be computed now counts as created.
    pub(super) fn creation_time(&self, settings: &Settings) -> u64 {
        let tags = settings.tags.iter().map(|tag| &**tag);
        self.shared.markers.creation_time(self.scope, tags, self.now())
    }

    /// Asks the store for markers, in one batch. Where that fails, what is known stands until it is asked again.
    async fn ask(&self, tags: Vec<Tag>) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let now = self.now();
        self.shared.markers.claim(&tags, now);
        let places: Vec<Place> = tags.iter().map(|tag| store.marker_place(&tag.tag)).collect();
        let names: Vec<StoreKey> = places.iter().map(|place| place.name.clone()).collect();
        let answers = store.backend().get_many(&names).await.map_err(Error::from);
        let answers = answers.and_then(|answers| self.counted(answers, names.len()));
        let failed = match answers {
            Ok(answers) => {
                for ((tag, place), entry) in tags.into_iter().zip(&places).zip(answers) {
                    let answer = self.read_marker(place, entry);
                    self.shared.markers.learn(tag, answer, now);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        tags.into_iter().for_each(|tag| self.shared.markers.learn(tag, Answer::Unknown, now));
        Err(failed)
    }

    fn read_marker(&self, place: &Place, entry: Option<bytes::Bytes>) -> Answer {
        let (Some(store), Some(entry)) = (&self.store, entry) else { return Answer::Absent };
        match store.open_marker(place, entry) {
            Ok(Some((at, key))) => {
                self.shared.counters.opened(key);
                Answer::Marked(at)
            }
            Ok(None) => Answer::Absent,
            Err(reason) => {
                self.trouble(&Error::Unreadable(reason));
                Answer::Broken
            }
        }
    }

    /// Refuses a batch's answers of another number than its questions.
    fn counted<A>(&self, answers: Vec<A>, expected: usize) -> Result<Vec<A>, Error> {
        if answers.len() == expected {
            return Ok(answers);
        }
        let name = self.store.as_ref().map_or("none", |store| store.backend().name());
        Err(BackendError::new(name, BackendErrorKind::Rejected).into())
    }

    /// What the store holds at these spots, alive and surviving its tags, in one batch, and another one for the tags
    /// that are not known; and the first trouble on the way.
    pub(super) async fn load<T: Value>(
        &self,
        spots: &[&Spot],
    ) -> (Vec<Option<Arc<Stored<T>>>>, Option<Error>) {
        let nothing = || spots.iter().map(|_| None).collect();
        let Some(store) = &self.store else { return (nothing(), None) };
        let versions: Vec<u64> = spots.iter().map(|spot| spot.seat.version()).collect();
        let places: Vec<Place> = spots.iter().map(|spot| store.entry_place(&spot.key.key)).collect();
        let entries = match self.fetch(&places).await {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(&error);
                return (nothing(), Some(error));
            }
        };

        let mut trouble = None;
        let mut note = |error: Error| {
            self.trouble(&error);
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
                    if let Verdict::Ask(tags) = self.judge(&label) {
                        ask.extend(tags);
                    }
                    Some((opened, label, sealed))
                }
                Some(Err(reason)) => {
                    note(reason.into());
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
            note(error);
        }

        let found = loaded.into_iter().zip(spots.iter().zip(versions)).map(|(loaded, (spot, version))| {
            let (loaded, label, sealed) = loaded?;
            if !self.survives_what_is_known(&label) {
                return None;
            }
            let value = loaded.decode().map_err(|reason| note(reason.into())).ok()?;
            let stored = Arc::new(Stored { value, label });
            let size = loaded.size();
            spot.seat.still(version, || self.keep_sized(&spot.key, &stored, sealed, size));
            Some(stored)
        });
        let found = found.collect();
        (found, trouble)
    }

    /// The entries, and in the same batch the marker of the namespace if it must be asked for.
    async fn fetch(&self, places: &[Place]) -> Result<Vec<Option<bytes::Bytes>>, Error> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        let mut names: Vec<StoreKey> = places.iter().map(|place| place.name.clone()).collect();
        let namespace = self.shared.markers.judge(self.scope, [], u64::MAX, self.now(), true);
        let Verdict::Ask(namespace) = namespace else {
            return match &names[..] {
                [name] => Ok(vec![store.backend().get(name).await?]),
                names => self.counted(store.backend().get_many(names).await?, names.len()),
            };
        };
        let place = store.marker_place(b"");
        names.push(place.name.clone());
        let now = self.now();
        let mut answers = self.counted(store.backend().get_many(&names).await?, names.len())?;
        let answer = self.read_marker(&place, answers.pop().flatten());
        namespace.into_iter().for_each(|tag| self.shared.markers.learn(tag, answer, now));
        Ok(answers)
    }

    /// Seals a value for the store; without a store there is only its label.
    pub(super) fn seal<T: Serialize>(
        &self,
        key: &[u8],
        value: &T,
        settings: &Settings,
        created_at: u64,
    ) -> Result<(Label, Option<Write>), Error> {
        let none = settings.policy.none_ttl.is_some() && is_nil(value);
        let label = settings.policy.label(created_at, none, settings.tags.clone())?;
        let Some(store) = &self.store else { return Ok((label, None)) };
        let tags: Vec<&[u8]> = label.tags.iter().map(|tag| &**tag).collect();
        let write = store.seal(&store.entry_place(key), value, &tags, label.times)?;
        Ok((label, Some(write)))
    }

    /// Puts a value into memory.
    pub(super) fn keep<T: Value>(&self, key: &SlotKey, stored: &Arc<Stored<T>>, write: Option<&Write>) {
        let (sealed, size) = match write {
            Some((_, entry, _)) => (entry.clone().into_bytes(), entry.len()),
            None => (bytes::Bytes::new(), size_of::<T>()),
        };
        self.keep_sized(key, stored, sealed, size);
    }

    fn keep_sized<T: Value>(
        &self,
        key: &SlotKey,
        stored: &Arc<Stored<T>>,
        sealed: bytes::Bytes,
        size: usize,
    ) {
        let Some(tier) = &self.shared.tier else { return };
        let content = match tier.mode {
            L1::Values => Content::Value(stored.clone()),
            L1::Sealed => Content::Sealed(sealed),
        };
        let kept = Kept { label: stored.label.clone(), since: self.now(), content, size };
        tier.put(key.clone(), kept);
        self.shared.counters.memory(|| self.shared.memory());
    }
}

impl Spot {
    /// What there is for this key, alive: in memory, else in the store, else what memory still holds although the
    /// store should have been asked; and the trouble on the way.
    pub(super) async fn find<T: Value>(&self) -> (Option<Arc<Stored<T>>>, Option<Error>) {
        let cache = &self.cache;
        let mut trouble = None;
        let local = cache.in_memory_at::<T>(&self.key.key);
        if let Some((stored, since)) = &local
            && cache.is_recent(*since)
            && stored.label.is_fresh(cache.now())
        {
            if let Verdict::Ask(tags) = cache.judge(&stored.label)
                && let Err(error) = cache.ask(tags).await
            {
                cache.trouble(&error);
                trouble = Some(error);
            }
            if cache.survives_what_is_known(&stored.label) {
                return (Some(stored.clone()), trouble);
            }
        }
        let (mut found, failed) = cache.load::<T>(&[self]).await;
        let local = local.map(|(stored, _)| stored);
        let local = local.filter(|stored| cache.survives_what_is_known(&stored.label));
        (found.pop().flatten().or(local), trouble.or(failed))
    }
}
