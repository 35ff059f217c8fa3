//! Whether an entry survives its tags: by what is known, else by asking the store.

use std::{borrow::Cow, iter, option, vec};

use bytes::Bytes;

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

/// One answer for each name: that of a single one needs no list.
pub(super) type Answers = iter::Chain<option::IntoIter<Option<Bytes>>, vec::IntoIter<Option<Bytes>>>;

impl Cache {
    /// Judges by the markers that are known; names those that the store must be asked for.
    pub(super) fn judge(&self, label: &Label, trust: Trust, now: u64) -> Verdict {
        let (tags, created_at) = (label.tags.iter(), label.times.created_at);
        self.shared.markers.judge(self.scope, tags, created_at, now, self.trust(trust))
    }

    /// Whether what memory holds is valid, by the markers that are known.
    pub(super) fn is_valid(&self, kept: &Kept, trust: Trust, now: u64) -> bool {
        let Label { times, tags, .. } = &kept.label;
        let (tags, trust) = (tags.iter(), self.trust(trust));
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
        self.shared.markers.beginning(self.scope, settings.tags.iter(), self.now())
    }

    /// The markers that these must be asked about, each once.
    pub(super) fn to_ask<'a>(
        &self,
        labels: impl Iterator<Item = &'a Label>,
        trust: Trust,
        now: u64,
    ) -> Vec<Tag> {
        each_once(labels.flat_map(|label| self.judge(label, trust, now).asks()).collect())
    }

    /// Asks the store for markers, in one batch. Where that fails, what is known stands until it is asked again.
    pub(super) async fn ask(&self, tags: Vec<Tag>) -> Result<(), Error> {
        self.fetch(Cow::default(), tags, Trust::Asked, self.now()).await.map(drop)
    }

    /// The entries of these names, and in the same batch these markers, and that of the namespace if an entry needs it.
    pub(super) async fn fetch(
        &self,
        mut names: Cow<'_, [StoreKey]>,
        mut tags: Vec<Tag>,
        trust: Trust,
        now: u64,
    ) -> Result<Answers, Error> {
        let (entries, asked) = (names.len(), tags.len());
        let Some(store) = &self.store else { return Ok(None.into_iter().chain(vec![None; entries])) };
        let claim = self.shared.markers.claim(&tags, now);
        if entries > 0 && !tags.iter().any(|tag| tag.tag.is_empty()) {
            tags.extend(self.shared.markers.judge(self.scope, [], u64::MAX, now, trust).asks());
        }
        let mut markers = Vec::with_capacity(tags.len());
        if !tags.is_empty() {
            markers.extend(tags.iter().map(|tag| store.marker_place(&tag.tag)));
            names.to_mut().extend(markers.iter().map(|place| place.name.clone()));
        }
        let answers = match (&*names, entries) {
            ([name], 1) => store.backend().get(name).await.map(|entry| (Some(entry), Vec::new())),
            (names, _) => store.backend().get_many(names).await.map(|entries| (None, entries)),
        };
        let answers = answers.map_err(Error::from).and_then(|(entry, rest)| {
            store.one_each(rest, names.len() - usize::from(entry.is_some())).map(|rest| (entry, rest))
        });
        claim.end();
        let (entry, mut rest) = answers.inspect_err(|_| {
            self.shared.markers.not_told(tags.drain(..asked), now);
        })?;
        let told = rest.split_off(rest.len() - tags.len());
        let told = tags.into_iter().zip(markers.iter().zip(told));
        let broken: Vec<Tag> = told.filter_map(|(tag, marker)| self.learn(tag, marker, now)).collect();
        if !broken.is_empty() {
            Box::pin(self.tell_each(broken, now)).await;
        }
        Ok(entry.into_iter().chain(rest))
    }

    /// Takes in a marker, and gives its tag back if it does not open: that invalidates whatever carries the tag until now.
    /// One from the future stays: it counts for others.
    fn learn(&self, tag: Tag, (place, marker): (&Place, Option<Bytes>), now: u64) -> Option<Tag> {
        let answer = self.read_marker(place, marker);
        let broken = (answer == Answer::Broken).then(|| tag.clone());
        self.shared.markers.learn(tag, answer, now);
        broken
    }

    /// Replaces markers that do not open by such as say so: else nothing with these tags could ever be cached again. What
    /// fails here is counted, and tried again when the marker is asked for again.
    async fn tell_each(&self, broken: Vec<Tag>, now: u64) {
        for tag in broken {
            let _ = self.tell(tag, now).await;
        }
    }

    fn read_marker(&self, place: &Place, entry: Option<Bytes>) -> Answer {
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

/// These markers, each once.
pub(super) fn each_once(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.sort_unstable_by(|one, other| one.tag.cmp(&other.tag));
    tags.dedup();
    tags
}
