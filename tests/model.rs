//! A model of the whole cache: whatever is called in whatever order, by several processes for several tenants, namespaces
//! and epochs, under keyrings in rotation, over a store that is honest or is not, a value that is returned is one that may
//! be, and no sequence hangs or panics.
//!
//! `BLINDCACHE_SEED=7` plays that one history, `BLINDCACHE_SEEDS=100000` so many.
#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers, which clippy does not take for tests

#[path = "model/any.rs"]
mod any;
#[path = "model/batches.rs"]
mod batches;
#[path = "model/history.rs"]
mod history;
#[path = "model/rules.rs"]
mod rules;
#[path = "common/seeds.rs"]
mod seeds;
#[path = "model/world.rs"]
mod world;

use std::cell::Cell;

use blindcache::testing::Lie;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use history::{Played, Step, play};
use world::Plant;

/// Histories, unless the environment says otherwise: as many as a debug build plays in some 10 s.
const SEEDS: u64 = 400;

/// What histories are made of.
struct Kind {
    steps: BoxedStrategy<Vec<Step>>,
    lies: BoxedStrategy<Vec<Lie>>,
    memory: BoxedStrategy<usize>,
}

impl Kind {
    fn honest() -> Self {
        Self { steps: any::steps(), lies: any::truths(), memory: any::memory() }
    }

    fn lying() -> Self {
        Self { steps: any::steps(), lies: any::lies(), memory: any::memory() }
    }

    fn replaying() -> Self {
        Self { steps: any::few_steps(), lies: any::replays(), memory: Just(100).boxed() }
    }

    /// Plays the history of this seed; where it breaks the property, gives the smallest like it that does.
    fn play(&self, seed: u64, plant: Plant) -> Result<Played, String> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        // What is planted needs no small history.
        let max_shrink_iters = if plant == Plant::Nothing { 10_000 } else { 0 };
        let config = Config { cases: 1, max_shrink_iters, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let came_to = Cell::new(Played::default());
        let result = runner.run(&(&self.steps, &self.lies, &self.memory), |(steps, lies, memory)| {
            came_to.set(play(&steps, &lies, memory, plant).map_err(TestCaseError::fail)?);
            Ok(())
        });
        match result {
            Ok(()) => Ok(came_to.get()),
            Err(TestError::Fail(why, case)) => {
                Err(format!("{why}\n{}\nsmallest history: {case:?}", seeds::replay(seed)))
            }
            Err(TestError::Abort(why)) => Err(format!("given up: {why}")),
        }
    }

    fn play_all(&self, count: u64) {
        let (seeds, mut lies, mut values) = (seeds::seeds(count), 0, 0);
        for seed in seeds.clone() {
            let played = self.play(seed, Plant::Nothing).unwrap_or_else(|found| panic!("{found}"));
            (lies, values) = (lies + played.lies, values + played.values);
        }
        println!("{} histories, {lies} lies, {values} values, none of them wrong", seeds.end - seeds.start);
    }
}

#[test]
fn what_is_returned_over_an_honest_store_may_be() {
    Kind::honest().play_all(SEEDS);
}

#[test]
fn what_is_returned_over_a_lying_store_may_be() {
    Kind::lying().play_all(SEEDS);
}

#[test]
fn what_memory_holds_is_not_followed_by_what_was_before() {
    Kind::replaying().play_all(SEEDS / 2);
}

/// The controls: the same property finds what is planted.
#[test]
fn planted_bugs_are_found() {
    let plants = [
        Plant::OneTenant,
        Plant::OneEpoch,
        Plant::AllKeys,
        Plant::LongerLife,
        Plant::NoTags,
        Plant::LateWrites,
    ];
    let kind = Kind::honest();
    for plant in plants {
        let found = (0..1_000).find_map(|seed| kind.play(seed, plant).err());
        let found = found.unwrap_or_else(|| panic!("{plant:?} is not found"));
        assert!(found.starts_with("value "), "{plant:?}: {found}");
    }
}

/// Histories that broke the property once.
#[test]
fn what_was_found_once_does_not_come_back() {
    use Step::{Clear, Compute, ComputeAll, Get, Invalidate, Pass, Refresh, Set};
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
    let mut lies = [Lie::None; 20];
    let fails = Lie::Fail(blindcache::BackendErrorKind::Transient);
    (lies[6], lies[13], lies[16]) = (fails, Lie::Swap(0), Lie::Delay);
    play(&steps, &lies, 0, Plant::Nothing).unwrap();
}

/// A marker that one process cannot read ends what another has in memory, once that one asks for it.
#[test]
fn memory_is_not_sure_of_what_another_process_has_invalidated() {
    use Step::{ComputeAll, ReadAll, Refresh, Set};
    let steps = [
        Set((1, 1, 0), true),
        Refresh((1, 1, 2), true),
        Set((0, 1, 2), true),
        ComputeAll(1, 1, false),
        ReadAll(0, 1),
    ];
    let mut lies = [Lie::None; 14];
    (lies[4], lies[6], lies[11], lies[12]) = (Lie::Lose, Lie::Swap(0), Lie::Delay, Lie::Delay);
    play(&steps, &lies, 100, Plant::Nothing).unwrap();
}
