//! Whether an entry survives its tags: by what is known, else by asking the store.

use super::{
    Cache,
    call::Settings,
    l1::Kept,
    tags::{Answer, Beginning, Tag, Trust, Verdict},
    value::Label,
};
use crate::{
    backend::Backend,
    crypto::StoreKey,
    encrypted::Place,
    error::{Error, Unreadable},
};

impl Cache {
    /// Judges by the markers that are known; names those that the store must be asked for.
    pub(super) fn judge(&self, label: &Label, trust: Trust, now: u64) -> Verdict {
        let (tags, created_at) = (label.tags.iter().map(|tag| &**tag), label.times.created_at);
        self.shared.markers.judge(self.scope, tags, created_at, now, self.trust(trust))
    }

    /// Whether what memory holds is valid, by the markers that are known.
    pub(super) fn is_valid(&self, kept: &Kept, trust: Trust, now: u64) -> bool {
        let Label { times, tags, .. } = &kept.label;
        let (tags, trust) = (tags.iter().map(|tag| &**tag), self.trust(trust));
        self.shared.markers.is_valid(&kept.judged, self.scope, tags, times.created_at, now, trust)
    }

    fn trust(&self, trust: Trust) -> Trust {
        if self.store.is_some() { trust } else { Trust::Alone }
    }

    pub(super) fn survives_what_is_known(&self, label: &Label, now: u64) -> bool {
        self.judge(label, Trust::Asked, now) != Verdict::Invalid
    }

    /// The beginning of what is stored or computed from now on.
    pub(super) fn beginning(&self, settings: &Settings) -> Beginning {
        let tags = settings.tags.iter().map(|tag| &**tag);
        self.shared.markers.beginning(self.scope, tags, self.now())
    }

    /// The markers that these must be asked about, each once.
    pub(super) fn to_ask<'a>(
        &self,
        labels: impl Iterator<Item = &'a Label>,
        trust: Trust,
        now: u64,
    ) -> Vec<Tag> {
        let mut ask = Vec::new();
        for label in labels {
            if let Verdict::Ask(tags) = self.judge(label, trust, now) {
                ask.extend(tags);
            }
        }
        ask.sort_unstable_by(|one, other| one.tag.cmp(&other.tag));
        ask.dedup();
        ask
    }

    /// Asks the store for markers, in one batch. Where that fails, what is known stands until it is asked again.
    pub(super) async fn ask(&self, tags: Vec<Tag>) -> Result<(), Error> {
        if tags.is_empty() {
            return Ok(());
        }
        self.fetch(&[], tags, Trust::Asked).await.map(drop)
    }

    /// The entries at these places, and in the same batch these markers, and that of the namespace if an entry needs it.
    pub(super) async fn fetch(
        &self,
        places: &[Place],
        mut tags: Vec<Tag>,
        trust: Trust,
    ) -> Result<Vec<Option<bytes::Bytes>>, Error> {
        let Some(store) = &self.store else { return Ok(places.iter().map(|_| None).collect()) };
        let now = self.now();
        let claim = self.shared.markers.claim(&tags, now);
        let asked = tags.len();
        if !places.is_empty()
            && !tags.iter().any(|tag| tag.tag.is_empty())
            && let Verdict::Ask(namespace) = self.shared.markers.judge(self.scope, [], u64::MAX, now, trust)
        {
            tags.extend(namespace);
        }
        let markers: Vec<Place> = tags.iter().map(|tag| store.marker_place(&tag.tag)).collect();
        let names: Vec<StoreKey> = places.iter().chain(&markers).map(|place| place.name.clone()).collect();
        let answers = match (&names[..], places) {
            ([name], [_]) => store.backend().get(name).await.map(|entry| vec![entry]),
            (names, _) => store.backend().get_many(names).await,
        };
        let answers = answers.map_err(Error::from);
        let answers = answers.and_then(|answers| store.one_each(answers, names.len()));
        claim.end();
        let mut answers = answers.inspect_err(|_| {
            self.shared.markers.not_told(tags.drain(..asked), now);
        })?;
        let told = answers.split_off(places.len());
        for ((tag, place), marker) in tags.into_iter().zip(&markers).zip(told) {
            self.learn(tag, place, marker, now).await;
        }
        Ok(answers)
    }

    /// Takes in a marker. One that does not open invalidates whatever carries the tag until now, and is replaced by one
    /// that says so: else nothing with this tag could ever be cached again. One from the future stays: it counts for others.
    async fn learn(&self, tag: Tag, place: &Place, marker: Option<bytes::Bytes>, now: u64) {
        let answer = self.read_marker(place, marker);
        self.shared.markers.learn(tag.clone(), answer, now);
        if answer == Answer::Broken {
            // What fails here is counted, and tried again when the marker is asked for again.
            let _ = self.tell(tag, now).await;
        }
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
                self.shared.counters.trouble(&reason.into(), Some(&place.name));
                // That one is authentic: it is this clock that is behind, or another's that was ahead.
                if reason == Unreadable::FromTheFuture { Answer::FromTheFuture } else { Answer::Broken }
            }
        }
    }
}
