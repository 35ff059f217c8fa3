//! What a leader hands to those who wait.

use std::sync::Arc;

use super::{
    Cache, Value,
    flight::{Leader, Published},
    tags::{Trust, Verdict},
    value::Stored,
};

struct Handed<T> {
    stored: Arc<Stored<T>>,
    why: Why,
    /// Whether the store was well when it was handed over.
    well: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was fresh.
    Fresh,
    /// It is stale, and the function has just failed or taken too long.
    FailSafe,
    /// It may be stale, and is being refreshed.
    Refreshing,
}

impl Cache {
    /// A handed value that may be used: fresh, or stale for one of these reasons. A strict call takes none whose markers
    /// it would have to ask for, nor one from a call that found the store in trouble: it would have failed itself.
    pub(super) fn usable<T: Value>(
        &self,
        published: &Published,
        stale: &[Why],
        trust: Trust,
    ) -> Option<Arc<Stored<T>>> {
        let Handed { stored, why, well } = published.downcast_ref::<Handed<T>>()?;
        let now = self.now();
        let in_time = stored.label.is_fresh(now) || stale.contains(why) && stored.label.is_alive(now);
        let survives = match self.judge(&stored.label, trust, now) {
            Verdict::Valid => true,
            Verdict::Invalid => false,
            Verdict::Ask(_) => trust == Trust::Asked,
        };
        let sure = *well || trust != Trust::Answered;
        (in_time && survives && sure && self.accepts(&stored.label)).then(|| stored.clone())
    }
}

pub(super) fn hand<T: Value>(stored: &Arc<Stored<T>>, why: Why, well: bool) -> Published {
    Arc::new(Handed { stored: stored.clone(), why, well })
}

/// Hands a value to those who wait now, and to nobody later.
pub(super) fn share<T: Value>(leader: Leader, stored: &Arc<Stored<T>>, why: Why, well: bool) {
    leader.share(|| hand(stored, why, well));
}
