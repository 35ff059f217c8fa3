//! Which histories a test plays: with `BLINDCACHE_SEED=7` that one, with `BLINDCACHE_SEEDS=100000` so many, and others in
//! each run.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    ops::Range,
};

/// The seeds to play, so many unless the environment says otherwise.
pub(crate) fn seeds(count: u64) -> Range<u64> {
    if let Some(seed) = from_env("BLINDCACHE_SEED") {
        return seed..seed + 1;
    }
    let first = RandomState::new().hash_one("seed") >> 32;
    first..first + from_env("BLINDCACHE_SEEDS").unwrap_or(count)
}

fn from_env(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// What to print with a history that broke a property.
pub(crate) fn replay(seed: u64) -> String {
    format!("BLINDCACHE_SEED={seed} plays this history")
}
