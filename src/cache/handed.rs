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
    /// it would have to ask for.
    pub(super) fn usable<T: Value>(
        &self,
        published: &Published,
        stale: &[Why],
        trust: Trust,
    ) -> Option<Arc<Stored<T>>> {
        let Handed { stored, why } = published.downcast_ref::<Handed<T>>()?;
        let now = self.now();
        let in_time = stored.label.is_fresh(now) || stale.contains(why) && stored.label.is_alive(now);
        let survives = match self.judge(&stored.label, trust) {
            Verdict::Valid => true,
            Verdict::Invalid => false,
            Verdict::Ask(_) => trust == Trust::Asked,
        };
        (in_time && survives).then(|| stored.clone())
    }
}

pub(super) fn hand<T: Value>(stored: &Arc<Stored<T>>, why: Why) -> Published {
    Arc::new(Handed { stored: stored.clone(), why })
}

/// Hands a value to those who wait now, and to nobody later.
pub(super) fn share<T: Value>(mut leader: Leader, stored: &Arc<Stored<T>>, why: Why) {
    leader.publish(hand(stored, why), || ());
}
