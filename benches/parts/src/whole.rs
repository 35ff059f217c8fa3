//! Whole calls, one beside the other.

use std::time::Instant;

use crate::{
    Row,
    calls::{Calls, Way},
    median,
};

/// Each in more layers than the one before.
const WAYS: [Way; 3] = [Way::Entry, Way::Store, Way::Acme];
/// Called so often before the clock counts.
const WARM_UP: usize = 20;

pub async fn rows(calls: &Calls, rounds: usize) -> Vec<Row> {
    let gets = differences(rounds, async |way| calls.get(way).await).await;
    let sets = differences(rounds, async |way| calls.set(way).await).await;
    let row = |name, cold| Row { name, cold: Some(cold), warm: None };
    vec![
        row("get, bare redis", gets[0]),
        row("get, RedisBackend", gets[1]),
        row("get, EncryptedBackend", gets[2]),
        row("set, bare redis", sets[0]),
        row("set, RedisBackend", sets[1]),
        row("set, EncryptedBackend", sets[2]),
    ]
}

/// What the bare client takes, and what each of the others takes more than the one before it.
async fn differences(rounds: usize, call: impl AsyncFn(Way)) -> [f64; 3] {
    let mut samples = [const { Vec::new() }; 3];
    for round in 0..WARM_UP + rounds {
        let mut took = [0.0; 3];
        for turn in 0..WAYS.len() {
            // Forwards and backwards: each leaves the caches of the processor to the next in its own state.
            let turn = if round % 2 == 0 { turn } else { WAYS.len() - 1 - turn };
            let at = (round / 2 + turn) % WAYS.len();
            let start = Instant::now();
            call(WAYS[at]).await;
            took[at] = start.elapsed().as_nanos() as f64;
        }
        if round >= WARM_UP {
            let more = [took[0], took[1] - took[0], took[2] - took[1]];
            samples.iter_mut().zip(more).for_each(|(samples, more)| samples.push(more));
        }
    }
    samples.map(median)
}
