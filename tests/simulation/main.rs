//! Processes and a store in simulated time, on a simulated network that fails: partitions, holds, delays, crashes,
//! restarts, and a store that is slow, silent or babbles. No value is wrong, no plaintext is on the wire, no call exceeds
//! its deadline, each returns, and when the network is whole again every process finds that out.
//!
//! `BLINDCACHE_SEED=7` plays that one history, `BLINDCACHE_SEEDS=10000` so many.
#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used, clippy::panic)] // helpers, which clippy does not take for tests

#[path = "../common/dice.rs"]
mod dice;
mod faults;
mod frame;
mod history;
mod keys;
mod meter;
mod process;
mod rules;
#[path = "../common/seeds.rs"]
mod seeds;
mod store;
mod tap;
mod wire;
mod work;

use std::{
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use history::{Came, play};

/// Histories, unless the environment says otherwise.
const SEEDS: u64 = 12;

/// A fault that is planted on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// Both tenants get the keys of one.
    OneTenant,
    /// A key goes over the wire as it is.
    Echo,
    /// Sets reach the store behind the back of the cache that reads.
    LateWrites,
    /// Calls take as long as the network does.
    NoDeadline,
    /// A breaker that opens stays open.
    NoRecovery,
}

/// Plays these on two threads.
fn play_all(seeds: Range<u64>) -> Came {
    let (next, all) = (AtomicU64::new(seeds.start), Mutex::new(Came::default()));
    let player = || {
        loop {
            let seed = next.fetch_add(1, SeqCst);
            if seed >= seeds.end {
                return;
            }
            match play(seed, Plant::Nothing) {
                Ok(came) => all.lock().unwrap().add(came),
                Err(wrong) => panic!("{wrong}\n{}", seeds::replay(seed)),
            }
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(player))));
    all.into_inner().unwrap()
}

#[test]
fn no_value_is_wrong_and_no_call_is_late_whatever_the_network_does() {
    let seeds = seeds::seeds(SEEDS);
    let count = seeds.end - seeds.start;
    let came = play_all(seeds);
    println!("{count} histories: {came}");
    if count >= 100 {
        came.saw_everything();
    }
}

#[test]
fn same_seed_is_the_same_history() {
    let [one, again, other] = [1, 1, 2].map(|seed| play(seed, Plant::Nothing).unwrap());
    assert_eq!(one, again);
    assert_ne!(one, other);
}

/// The controls: what is planted is found, and as what it is.
#[test]
fn planted_faults_are_found() {
    let plants = [
        (Plant::OneTenant, "is of another place"),
        (Plant::Echo, "went over the wire"),
        (Plant::LateWrites, "is older than a finished write"),
        (Plant::NoDeadline, "too late"),
        (Plant::NoRecovery, "has not recovered"),
    ];
    for (plant, why) in plants {
        let found = (0..40).filter_map(|seed| play(seed, plant).err()).any(|found| found.contains(why));
        assert!(found, "{plant:?} is not found");
    }
}
