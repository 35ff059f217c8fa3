//! Runs one hot path so many times: `blindcache-counts "get 64 B" 1000`. See `run.sh`. With `TIME=1` in the environment it does
//! so 200 times, and prints the shortest time of a call in nanoseconds.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark

use std::env;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, name, times] = &arguments[..] else {
        return blindcache_counts::paths().iter().for_each(|(name, _)| println!("{name}"));
    };
    let runtime = blindcache_counts::runtime();
    let _entered = runtime.enter();
    let paths = blindcache_counts::paths();
    let (_, path) = paths.iter().find(|(known, _)| known == name).expect("the name of a path");
    let (path, times) = (path(), times.parse::<u64>().unwrap());
    if env::var_os("TIME").is_some() {
        let mut best = f64::MAX;
        for _ in 0..200 {
            let start = std::time::Instant::now();
            (0..times).for_each(|_| path());
            best = best.min(start.elapsed().as_nanos() as f64 / times as f64);
        }
        println!("{best:.1}");
        return;
    }
    (0..times).for_each(|_| path());
}
