//! Whether an entry survives its tags: by what is known, else by asking the store.

use std::borrow::Cow;

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

    /// The marker of the namespace, if entries of these names need it and it is not among these markers.
    pub(super) fn namespace_to_ask(
        &self,
        names: &[StoreKey],
        markers: &[Tag],
        trust: Trust,
        now: u64,
    ) -> Vec<Tag> {
        let known = &self.shared.markers;
        if names.is_empty()
            || markers.iter().any(|tag| tag.tag.is_empty())
            || known.is_valid(&self.namespace, self.scope, [], u64::MAX, now, trust)
        {
            return Vec::new();
        }
        known.judge(self.scope, [], u64::MAX, now, trust).asks()
    }

    /// Asks the store for markers, in one batch. Where that fails, what is known stands until it is asked again.
    pub(super) async fn ask(&self, tags: Vec<Tag>) -> Result<(), Error> {
        self.fetch(Cow::default(), tags, Vec::new(), self.now()).await.map(drop)
    }

    /// The entries of these names, and in the same batch these markers, and such as are only asked for beside the entries.
    pub(super) async fn fetch(
        &self,
        names: Cow<'_, [StoreKey]>,
        mut tags: Vec<Tag>,
        beside: Vec<Tag>,
        now: u64,
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let (entries, asked, mut names) = (names.len(), tags.len(), names.into_owned());
        let Some(store) = &self.store else { return Ok(vec![None; entries]) };
        let claim = self.shared.markers.claim(&tags, now);
        tags.extend(beside);
        let markers: Vec<Place> = tags.iter().map(|tag| store.marker_place(&tag.tag)).collect();
        names.extend(markers.iter().map(|place| place.name.clone()));
        let answers = store.backend().get_many(&names).await.map_err(Error::from);
        let answers = answers.and_then(|answers| store.one_each(answers, names.len()));
        claim.end();
        let mut answers = answers.inspect_err(|_| {
            self.shared.markers.not_told(tags.drain(..asked), now);
        })?;
        let told = tags.into_iter().zip(markers.iter().zip(answers.split_off(entries)));
        let broken: Vec<Tag> = told.filter_map(|(tag, marker)| self.learn(tag, marker, now)).collect();
        if !broken.is_empty() {
            Box::pin(self.tell_each(broken, now)).await;
        }
        Ok(answers)
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
