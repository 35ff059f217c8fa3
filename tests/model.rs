//! A model of the whole cache: whatever is called in whatever order, over a store that is honest or is not, a value
//! that is returned is one that may be. `PROPTEST_CASES` says how many histories are tried, and `MODEL_SEED`, a number that
//! each failure tells, which.
#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers, which clippy does not take for tests

#[path = "model/history.rs"]
mod history;
#[path = "model/liar.rs"]
mod liar;
#[path = "model/rules.rs"]
mod rules;

use std::hash::{BuildHasher, RandomState};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use history::{Call, Plant, Step, play};

/// As many as run in some 20 s, unless the environment says otherwise.
const CASES: u32 = 800;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..2_usize, 0..3_usize, 0..3_u8);
    let call = prop_oneof![Just(Call::Set), Just(Call::Delete), Just(Call::Compute)];
    let step = prop_oneof![
        4 => (who(), any::<bool>()).prop_map(|(who, tagged)| Step::Set(who, tagged)),
        6 => who().prop_map(Step::Get),
        2 => who().prop_map(Step::Delete),
        4 => (who(), any::<bool>(), any::<bool>()).prop_map(|(who, tagged, ok)| Step::Compute(who, tagged, ok)),
        3 => (who(), any::<bool>()).prop_map(|(who, ok)| Step::Refresh(who, ok)),
        2 => (0..2_usize, 0..3_usize).prop_map(|(process, tenant)| Step::ReadAll(process, tenant)),
        2 => (who(), any::<bool>()).prop_map(|(who, ok)| Step::Strict(who, ok)),
        3 => (0..2_usize, 0..3_usize, any::<bool>())
            .prop_map(|(process, tenant, ok)| Step::ComputeAll(process, tenant, ok)),
        3 => (who(), call).prop_map(|(who, call)| Step::GiveUp(who, call)),
        2 => (0..2_usize, 0..3_usize).prop_map(|(process, tenant)| Step::Invalidate(process, tenant)),
        1 => (0..2_usize, 0..3_usize).prop_map(|(process, tenant)| Step::Clear(process, tenant)),
        5 => prop_oneof![Just(0), Just(1), Just(499), Just(1_000), 0..6_000_u64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..60)
}

/// What an honest store does, which may be slow.
fn truths() -> impl Strategy<Value = Vec<liar::Lie>> {
    use liar::Lie::{Honest, Slow};
    prop::collection::vec(prop_oneof![3 => Just(Honest), 1 => Just(Slow)], 0..40)
}

fn lies() -> impl Strategy<Value = Vec<liar::Lie>> {
    use liar::Lie::{Delay, Drop, Fail, Honest, Replay, Slow, Swap};
    prop::collection::vec(
        prop_oneof![
            6 => Just(Honest),
            1 => Just(Slow),
            1 => Just(Drop),
            1 => Just(Delay),
            2 => (0..20_usize).prop_map(Replay),
            2 => (0..20_usize).prop_map(Swap),
            1 => Just(Fail),
        ],
        0..40,
    )
}

/// Calls of one process for one tenant, whose markers have to be asked for at most of them.
fn few_steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..3_u8).prop_map(|key| (0, 0, key));
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
    prop::collection::vec(step, 1..30)
}

/// A store that brings back what was there before.
fn replays() -> impl Strategy<Value = Vec<liar::Lie>> {
    use liar::Lie::{Drop, Honest, Replay};
    let lie = prop_oneof![1 => Just(Honest), 4 => (0..3_usize).prop_map(Replay), 1 => Just(Drop)];
    prop::collection::vec(lie, 0..80)
}

/// Plays histories until one breaks the property; gives the smallest that does.
fn search(cases: u32, lying: bool, plant: Plant) -> Result<(), String> {
    let lies = if lying { lies().boxed() } else { truths().boxed() };
    search_among(cases, steps(), lies, prop_oneof![Just(0), Just(2), Just(100)], plant)
}

fn search_among(
    cases: u32,
    steps: impl Strategy<Value = Vec<Step>>,
    lies: impl Strategy<Value = Vec<liar::Lie>>,
    memory: impl Strategy<Value = usize>,
    plant: Plant,
) -> Result<(), String> {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&(steps, lies, memory), |(steps, lies, memory)| {
        play(&steps, &lies, memory, plant).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => {
            Err(format!("{why}\nMODEL_SEED={seed} PROPTEST_CASES={cases}\nsmallest history: {case:?}"))
        }
        Err(TestError::Abort(why)) => Err(format!("given up: {why}")),
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// Another one in each run.
fn seed() -> u64 {
    let told = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse().ok());
    told.unwrap_or_else(|| RandomState::new().hash_one("seed"))
}

#[test]
fn what_is_returned_over_an_honest_store_may_be() {
    if let Err(found) = search(cases(), false, Plant::Nothing) {
        panic!("{found}");
    }
}

#[test]
fn what_is_returned_over_a_lying_store_may_be() {
    if let Err(found) = search(cases(), true, Plant::Nothing) {
        panic!("{found}");
    }
}

#[test]
fn what_memory_holds_is_not_followed_by_what_was_before() {
    if let Err(found) = search_among(cases() / 2, few_steps(), replays(), Just(100), Plant::Nothing) {
        panic!("{found}");
    }
}

/// The controls: the same property finds what is planted.
#[test]
fn planted_bugs_are_found() {
    for plant in [Plant::OneTenant, Plant::LongerLife, Plant::NoTags, Plant::LateWrites] {
        let found = search(1_000, false, plant).expect_err("a planted bug is found");
        assert!(found.starts_with("value "), "{plant:?}: {found}");
    }
}

/// Histories that broke the property once.
#[test]
fn what_was_found_once_does_not_come_back() {
    use Step::{Clear, Compute, ComputeAll, Get, Invalidate, Pass, Refresh, Set};
    use liar::Lie::{Delay, Fail, Honest, Swap};
    // A marker that does not open was replaced by one ahead of the clock, and what was stored next was further ahead still.
    let steps = [
        Get((0, 0, 0)),
        Compute((0, 0, 0), true, true),
        Set((0, 1, 0), false),
        Clear(0, 1),
        ComputeAll(1, 0, true),
        Refresh((0, 0, 0), false),
        Invalidate(0, 1),
        Pass(1_000),
        Refresh((0, 0, 0), true),
        Clear(1, 0),
        Refresh((1, 0, 0), false),
    ];
    let mut lies = [Honest; 20];
    (lies[6], lies[13], lies[16]) = (Fail, Swap(0), Delay);
    if let Err(found) = play(&steps, &lies, 0, Plant::Nothing) {
        panic!("{found}");
    }
}
