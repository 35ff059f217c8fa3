//! The comparison of commitments neither branches on what it compares nor takes an address from it.
//!
//! valgrind's memcheck reports each jump and each address that depends on memory which nothing was written to. So the bytes that
//! are compared are declared to be such memory, as ctgrind does, and no report may come of the comparison. One that stops at
//! the first difference is the control.
//!
//!     cargo run --release --manifest-path tests/timing/Cargo.toml

use std::{env, ffi::c_void, hint::black_box, process::Command};

use blindcache::testing::bench::commitments_equal;
use crabgrind::{
    RunMode, count_errors,
    memcheck::{MemState, mark_mem},
    run_mode,
};

fn main() {
    if run_mode() == RunMode::Valgrind {
        return watched();
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-limit=no"]).arg(env::current_exe().expect("its own path"));
    let done = valgrind.output().expect("valgrind is installed: apt-get install valgrind");
    let (said, reports) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{reports}");
    print!("{said}");
}

fn watched() {
    let one: [u8; 32] = std::array::from_fn(|at| (at * 7) as u8);
    let differing = |at: &[usize]| {
        let mut other = one;
        at.iter().for_each(|at| other[*at] ^= 0x40);
        other
    };
    let all: Vec<usize> = (0..32).collect();
    let (mut compared, mut found) = (0, 0);
    for at in (0..32).map(|at| vec![at]).chain([vec![], vec![0, 31], all]) {
        let other = differing(&at);
        let (equal, reports) = on_secrets(one, other, commitments_equal);
        assert_eq!(equal == 1, at.is_empty());
        assert_eq!(reports, 0, "valgrind reports the comparison where {at:?} differ");
        compared += 1;

        let (equal, reports) = on_secrets(one, other, stops_early);
        assert_eq!(equal == 1, at.is_empty());
        found += usize::from(reports > 0);
    }
    assert_eq!(found, compared, "control: a comparison that stops early is reported");
    // What comes of it is secret too: it was computed from nothing but what is.
    let (mut one, mut other) = (black_box(one), black_box(one));
    hide(&mut one);
    hide(&mut other);
    let before = count_errors();
    if black_box(commitments_equal(&one, &other)) == 1 {
        black_box(());
    }
    assert!(count_errors() > before, "control: a branch on the outcome is reported");
    println!("test commitments_are_compared_in_constant_time ... ok");
    println!("{compared} comparisons of 32 secret bytes, 0 reports; {found} that stop early, all reported");
}

/// The control: as a slice compares that knows no length beforehand.
fn stops_early(one: &[u8; 32], other: &[u8; 32]) -> u8 {
    let length = black_box(one.len());
    u8::from((0..length).all(|at| black_box(one[at] == other[at])))
}

/// What `compare` gives for bytes that are secret, and how many reports came of it.
fn on_secrets(one: [u8; 32], other: [u8; 32], compare: impl Fn(&[u8; 32], &[u8; 32]) -> u8) -> (u8, usize) {
    let (mut one, mut other) = (black_box(one), black_box(other));
    hide(&mut one);
    hide(&mut other);
    let before = count_errors();
    let mut equal = [compare(&one, &other)];
    let reports = count_errors() - before;
    mark(&mut equal, MemState::Defined);
    (black_box(equal)[0], reports)
}

fn hide(bytes: &mut [u8; 32]) {
    mark(bytes, MemState::Undefined);
}

fn mark(bytes: &mut [u8], state: MemState) {
    // This version takes valgrind's answer for an error. Whether it did so, the controls tell.
    let _ = mark_mem(bytes.as_mut_ptr().cast::<c_void>(), bytes.len(), state);
}
