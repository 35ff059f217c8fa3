//! Whether an entry survives its tags: by what is known, else by asking the store.

use super::{
    Cache,
    call::Settings,
    tags::{Answer, Tag, Verdict},
    value::Label,
};
use crate::{
    backend::Backend,
    crypto::StoreKey,
    encrypted::Place,
    error::{BackendError, BackendErrorKind, Error},
};

impl Cache {
    /// Judges by the markers that are known; names those that the store must be asked for.
    pub(super) fn judge(&self, label: &Label) -> Verdict {
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
    pub(super) async fn ask(&self, tags: Vec<Tag>) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        let now = self.now();
        let claim = self.shared.markers.claim(&tags, now);
        let places: Vec<Place> = tags.iter().map(|tag| store.marker_place(&tag.tag)).collect();
        let names: Vec<StoreKey> = places.iter().map(|place| place.name.clone()).collect();
        let answers = store.backend().get_many(&names).await.map_err(Error::from);
        let answers = answers.and_then(|answers| self.counted(answers, names.len()));
        claim.end();
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
                self.shared.counters.trouble(&reason.into(), Some(&place.name));
                Answer::Broken
            }
        }
    }

    /// The entries, and in the same batch the marker of the namespace if it must be asked for.
    pub(super) async fn fetch(&self, places: &[Place]) -> Result<Vec<Option<bytes::Bytes>>, Error> {
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

    /// Refuses a batch's answers of another number than its questions.
    fn counted<A>(&self, answers: Vec<A>, expected: usize) -> Result<Vec<A>, Error> {
        if answers.len() == expected {
            return Ok(answers);
        }
        let name = self.store.as_ref().map_or("none", |store| store.backend().name());
        Err(BackendError::new(name, BackendErrorKind::Rejected).into())
    }
}
