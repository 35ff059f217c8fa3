//! Any history, and any lies.

use std::time::Duration;

use blindcache::{
    BackendErrorKind::{Denied, Rejected, Throttled, Timeout, Transient},
    testing::Lie,
};
use proptest::{collection::vec, prelude::*};

use super::{
    history::{Call, Step},
    rules::{HOMES, KEYS, PROCESSES, STAGES},
};

pub(crate) fn steps() -> BoxedStrategy<Vec<Step>> {
    let home = || (0..PROCESSES, 0..HOMES);
    let who = || (0..PROCESSES, 0..HOMES, 0..KEYS);
    let call = prop_oneof![Just(Call::Set), Just(Call::Delete), Just(Call::Compute)];
    let time = prop_oneof![Just(0), Just(1), Just(499), Just(1_000), 0..6_000_u64];
    let single = prop_oneof![
        4 => (who(), any::<bool>()).prop_map(|(who, tagged)| Step::Set(who, tagged)),
        6 => who().prop_map(Step::Get),
        2 => who().prop_map(Step::Delete),
        1 => who().prop_map(Step::Exists),
        4 => (who(), any::<bool>(), any::<bool>()).prop_map(|(who, tagged, ok)| Step::Compute(who, tagged, ok)),
        3 => (who(), any::<bool>()).prop_map(|(who, ok)| Step::Refresh(who, ok)),
        2 => (who(), any::<bool>()).prop_map(|(who, ok)| Step::Strict(who, ok)),
        3 => (who(), call).prop_map(|(who, call)| Step::GiveUp(who, call)),
        2 => who().prop_map(Step::BareGet),
        1 => who().prop_map(Step::BareSet),
    ];
    let step = prop_oneof![
        28 => single,
        2 => home().prop_map(|(process, home)| Step::ReadAll(process, home)),
        1 => home().prop_map(|(process, home)| Step::SetAll(process, home)),
        1 => home().prop_map(|(process, home)| Step::DeleteAll(process, home)),
        3 => (home(), any::<bool>()).prop_map(|((process, home), ok)| Step::ComputeAll(process, home, ok)),
        2 => home().prop_map(|(process, home)| Step::Invalidate(process, home)),
        1 => home().prop_map(|(process, home)| Step::Clear(process, home)),
        2 => (0..PROCESSES, 0..STAGES.len(), prop::bool::weighted(0.8))
            .prop_map(|(process, stage, live)| Step::Rotate(process, stage, live)),
        5 => time.prop_map(Step::Pass),
    ];
    vec(step, 1..60).boxed()
}

/// Calls of one process for one home, whose markers have to be asked for at most of them.
pub(crate) fn few_steps() -> BoxedStrategy<Vec<Step>> {
    let who = || (0..KEYS).prop_map(|key| (0, 0, key));
    let step = prop_oneof![
        3 => who().prop_map(|who| Step::Set(who, false)),
        2 => who().prop_map(Step::Get),
        2 => who().prop_map(|who| Step::Compute(who, false, true)),
        1 => who().prop_map(|who| Step::Compute(who, false, false)),
        1 => who().prop_map(|who| Step::Refresh(who, false)),
        2 => Just(Step::ReadAll(0, 0)),
        2 => any::<bool>().prop_map(|ok| Step::ComputeAll(0, 0, ok)),
        4 => prop_oneof![Just(1_000), Just(3_100)].prop_map(Step::Pass),
    ];
    vec(step, 1..30).boxed()
}

fn slow() -> Just<Lie> {
    Just(Lie::Dawdle(Duration::from_millis(10)))
}

/// What an honest store does, which may be slow.
pub(crate) fn truths() -> BoxedStrategy<Vec<Lie>> {
    vec(prop_oneof![3 => Just(Lie::None), 1 => slow()], 0..40).boxed()
}

/// What another does; it floods rarely, since that takes its time.
pub(crate) fn lies() -> BoxedStrategy<Vec<Lie>> {
    let kind = prop_oneof![Just(Transient), Just(Timeout), Just(Throttled), Just(Denied), Just(Rejected)];
    let lie = prop_oneof![
        1_800 => Just(Lie::None),
        300 => slow(),
        300 => Just(Lie::Lose),
        300 => Just(Lie::Delay),
        600 => (0..20_usize).prop_map(Lie::Replay),
        600 => (0..20_usize).prop_map(Lie::Swap),
        100 => (0..300_usize).prop_map(Lie::Truncate),
        100 => (1..300_usize).prop_map(Lie::Extend),
        100 => (0..1_usize << 20).prop_map(Lie::Flip),
        100 => Just(Lie::Contrary),
        300 => kind.prop_map(Lie::Fail),
        1 => Just(Lie::Flood),
    ];
    vec(lie, 0..60).boxed()
}

/// A store that brings back what was there before.
pub(crate) fn replays() -> BoxedStrategy<Vec<Lie>> {
    let lie =
        prop_oneof![1 => Just(Lie::None), 4 => (0..3_usize).prop_map(Lie::Replay), 1 => Just(Lie::Lose)];
    vec(lie, 0..80).boxed()
}

/// None, too little, and more than enough.
pub(crate) fn memory() -> BoxedStrategy<usize> {
    prop_oneof![Just(0), Just(2), Just(100)].boxed()
}
