//! Whole calls in turns: each way makes many calls in a row, as the serial calls of `benches/rivals` do, and the caches of the
//! processor hold what that way needs.

use std::time::Instant;

use crate::{
    Row,
    calls::{Calls, Way},
    median,
};

/// The first is the one that the others are compared with.
const WAYS: [Way; 7] = [Way::Plain, Way::Busy, Way::Entry, Way::Format, Way::ByHand, Way::Store, Way::Acme];
const GETS: [&str; 7] = [
    "get in turns, plain",
    "get in turns, busy",
    "get in turns, entry",
    "get in turns, format",
    "get in turns, by hand",
    "get in turns, RedisBackend",
    "get in turns, EncryptedBackend",
];
const SETS: [&str; 7] = [
    "set in turns, plain",
    "set in turns, busy",
    "set in turns, entry",
    "set in turns, format",
    "set in turns, by hand",
    "set in turns, RedisBackend",
    "set in turns, EncryptedBackend",
];
/// Calls of a turn.
const CALLS: usize = 60;

pub async fn rows(calls: &Calls, rounds: usize) -> Vec<Row> {
    let mut rows = differences(GETS, rounds, async |way| calls.get(way).await).await;
    rows.extend(differences(SETS, rounds, async |way| calls.set(way).await).await);
    rows
}

/// What the first way takes for a call, and what each of the others takes more than that.
async fn differences(names: [&'static str; 7], rounds: usize, call: impl AsyncFn(Way)) -> Vec<Row> {
    let mut samples = [const { Vec::new() }; 7];
    for round in 0..rounds {
        let mut took = [0.0; 7];
        for turn in 0..WAYS.len() {
            let at = (round + turn) % WAYS.len();
            let start = Instant::now();
            for _ in 0..CALLS {
                call(WAYS[at]).await;
            }
            took[at] = start.elapsed().as_nanos() as f64 / CALLS as f64;
        }
        for (at, samples) in samples.iter_mut().enumerate() {
            samples.push(if at == 0 { took[0] } else { took[at] - took[0] });
        }
    }
    let row = |(name, samples)| Row { name, cold: Some(median(samples)), warm: None };
    names.into_iter().zip(samples).map(row).collect()
}
