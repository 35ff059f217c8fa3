//! A model of the whole cache: whatever is called in whatever order, over a store that is honest or is not, a value
//! that is returned is one that may be. `PROPTEST_CASES` says how many histories are tried.
#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers, which clippy does not take for tests

#[path = "model/history.rs"]
mod history;
#[path = "model/liar.rs"]
mod liar;

use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

use history::{Plant, Step, play};

/// As many as run in some 20 s, unless the environment says otherwise.
const CASES: u32 = 800;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..2_usize, 0..2_usize, 0..3_u8);
    let step = prop_oneof![
        4 => (who(), any::<bool>()).prop_map(|(who, tagged)| Step::Set(who, tagged)),
        6 => who().prop_map(Step::Get),
        2 => who().prop_map(Step::Delete),
        4 => (who(), any::<bool>(), any::<bool>()).prop_map(|(who, tagged, ok)| Step::Compute(who, tagged, ok)),
        3 => (who(), any::<bool>()).prop_map(|(who, ok)| Step::Refresh(who, ok)),
        2 => (0..2_usize, 0..2_usize).prop_map(|(process, tenant)| Step::ReadAll(process, tenant)),
        2 => (0..2_usize, 0..2_usize).prop_map(|(process, tenant)| Step::ComputeAll(process, tenant)),
        2 => (0..2_usize, 0..2_usize).prop_map(|(process, tenant)| Step::Invalidate(process, tenant)),
        1 => (0..2_usize, 0..2_usize).prop_map(|(process, tenant)| Step::Clear(process, tenant)),
        5 => prop_oneof![Just(0), Just(1), Just(499), Just(1_000), 0..6_000_u64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..60)
}

fn lies() -> impl Strategy<Value = Vec<liar::Lie>> {
    use liar::Lie::{Delay, Drop, Fail, Honest, Replay, Swap};
    prop::collection::vec(
        prop_oneof![
            6 => Just(Honest),
            1 => Just(Drop),
            1 => Just(Delay),
            2 => (0..20_usize).prop_map(Replay),
            2 => (0..20_usize).prop_map(Swap),
            1 => Just(Fail),
        ],
        0..40,
    )
}

/// Plays histories until one breaks the property; gives the smallest that does.
fn search(cases: u32, lying: bool, plant: Plant) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let lies = if lying { lies().boxed() } else { Just(Vec::new()).boxed() };
    let memory = prop_oneof![Just(0_usize), Just(2), Just(100)];
    let result = runner.run(&(steps(), lies, memory), |(steps, lies, memory)| {
        play(&steps, &lies, memory, plant).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => Err(format!("{why}\nsmallest history: {case:?}")),
        Err(TestError::Abort(why)) => Err(format!("given up: {why}")),
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
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
        ComputeAll(1, 0),
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
