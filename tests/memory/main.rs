//! No key and no plaintext stays in memory once it is dropped.
//!
//! For each scenario the test starts itself as a child, gives it master keys and a value over a pipe, and searches the child's
//! whole writable memory: while the child holds them, as a control that the search finds what is there, and after it has
//! used and dropped them. What is searched for are parts of 16 bytes: where memory was freed, the allocator has
//! overwritten the first of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

mod child;
#[path = "../common/mod.rs"]
mod common;
mod process;
mod scenarios;
mod secrets;

use std::env;

use process::Process;
use scenarios::{SCENARIOS, Scenario};
use secrets::Secrets;

fn main() {
    if !cfg!(target_os = "linux") {
        return println!("0 passed, 0 failed: the memory of a process is searched on Linux only");
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == "--child"
    {
        return child::run(SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap());
    }
    let failed: Vec<&str> = SCENARIOS.iter().filter(|it| !leaves_nothing(it)).map(|it| it.name).collect();
    println!("\n{} passed, {} failed", SCENARIOS.len() - failed.len(), failed.len());
    assert!(failed.is_empty(), "something is left by {failed:?}");
}

fn leaves_nothing(scenario: &Scenario) -> bool {
    let secrets = Secrets::generate();
    let mut child = Process::start(scenario.name);
    secrets.each(|bytes| child.send(bytes));
    child.wait();
    let marks = secrets.marks();
    let held = child.count(&marks);
    for name in ["master key", "inner naming state", "outer naming state", "inner sealing state", "value"] {
        assert!(held[name] > 0, "control: the {name} is not found while the child holds it");
    }

    child.go_on();
    let mut left = Vec::new();
    if scenario.rests {
        // Everything has been used and is alive, but nobody is reading a value.
        child.wait();
        let resting = child.count(&marks);
        assert!(resting["inner sealing state"] > 0, "control: the keys are in use");
        let own = secrets::VALUE - secrets::PART + 1; // the parts of the child's own copy
        left.extend(resting.into_iter().filter(|(name, count)| *name == "value" && *count > own));
        child.go_on();
    }
    child.wait();
    let entry = child.receive();
    let mut marks = secrets.marks();
    marks.push(("key of an entry", secrets.entry_key(&entry)));
    left.extend(child.count(&marks).into_iter().filter(|(_, count)| *count > 0));
    child.go_on();
    child.end();
    let outcome = if left.is_empty() { "ok" } else { "FAILED" };
    println!("test {} ... {outcome}: of {} secrets, left: {left:?}", scenario.name, marks.len());
    left.is_empty()
}
