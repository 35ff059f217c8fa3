//! Stale values that stand in for a function that has just failed or taken too long.

use std::ops::Range;

use super::{Cache, flight::SlotKey, l1::Kept, policy::Policy, value::Label, verdict::Judged};

impl Cache {
    /// Whether the function is not to be tried again yet, since it has failed while this very value was there.
    pub(super) fn stands_in(&self, key: &SlotKey, label: &Label) -> bool {
        self.stand_in_of(key, label).contains(&self.now())
    }

    /// When, in Unix milliseconds; never for a value that does not stand in.
    pub(super) fn stand_in_of(&self, key: &SlotKey, label: &Label) -> Range<u64> {
        let Some(tier) = &self.shared.tier else { return 0..0 };
        let kept = tier.get(&key.scope, &key.key).filter(|kept| kept.label.times == label.times);
        kept.map_or(0..0, |kept| kept.stands_in.clone())
    }

    /// Notes with a value in memory that the function has just failed. To be called under the lock of its slot, so
    /// that nothing newer is replaced.
    pub(super) fn let_stand_in(&self, key: &SlotKey, label: &Label, policy: &Policy) {
        let Some(tier) = &self.shared.tier else { return };
        let kept = tier.get(&key.scope, &key.key).filter(|kept| kept.label.times == label.times);
        let Some(kept) = kept else { return };
        let pause = u64::try_from(policy.fail_safe_pause.min(policy.ttl).as_millis()).unwrap_or(u64::MAX);
        // From now on: a clock that is set back does not make it longer.
        let now = self.now();
        let stands_in = now..now.saturating_add(pause);
        let Kept { label, since, stands_in: _, judged: _, content, size } = &*kept;
        let (label, content, judged) = (label.clone(), content.clone(), Judged::default());
        tier.put(key.clone(), Kept { label, since: *since, stands_in, judged, content, size: *size });
    }
}
