//! The same file on shuttle's counter: its scheduler decides at each step who goes on.
#![allow(clippy::duplicate_mod)]

use std::sync::{
    Arc,
    atomic::{AtomicU64 as Count, Ordering::SeqCst},
};

use shuttle::{
    check_random,
    sync::{Mutex, atomic::AtomicU64},
    thread,
};

#[path = "../verdict.rs"]
mod verdict;

use verdict::{Judged, Rounds};

/// What is known of a tag: since when; and what ends it.
struct Shared {
    rounds: Rounds,
    judged: Judged,
    /// The time of the last question. A verdict lasts for ten after it.
    known: Mutex<u64>,
    taken_back: Count,
}

/// One takes a verdict, takes back what it was made of, and takes another: whoever looks after that must not see the
/// time of the one with the round of the other.
#[test]
fn no_verdict_is_used_that_was_taken_back() {
    check_random(
        || {
            let (rounds, judged) = (Rounds::new(), Judged::default());
            let known = Mutex::new(100);
            let shared = Arc::new(Shared { rounds, judged, known, taken_back: Count::new(0) });
            let judge = |shared: &Shared| {
                let known = shared.known.lock().unwrap();
                shared.rounds.remember(&shared.judged, *known + 10);
            };
            let take_back = |shared: &Shared| {
                let mut known = shared.known.lock().unwrap();
                shared.rounds.begin();
                *known = 0;
                shared.taken_back.store(1, SeqCst);
            };
            let all = Arc::clone(&shared);
            let one = thread::spawn(move || {
                judge(&all);
                take_back(&all);
                judge(&all);
            });
            let all = Arc::clone(&shared);
            let other = thread::spawn(move || judge(&all));
            for _ in 0..3 {
                let taken_back = shared.taken_back.load(SeqCst) == 1;
                let until = shared.rounds.valid_until(&shared.judged);
                assert!(!taken_back || until.is_none_or(|until| until == 10), "{until:?}");
            }
            one.join().unwrap();
            other.join().unwrap();
        },
        20_000,
    );
}
