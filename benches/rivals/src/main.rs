//! blindcache beside the bare `redis` client and other caches, in one run: see docs/performance.md.
//!
//! ```text
//! benches/run.sh                                              # all of it, in under 15 minutes
//! cargo run --release -p blindcache-rivals -- measure FILE    # the comparisons alone, into a JSON file
//! cargo run --release -p blindcache-rivals -- quick FILE      # the same with hardly any rounds
//! cargo run --release -p blindcache-rivals -- report FILE [STEPS [CRYPTO [PARTS]]]    # tables and plots into docs/
//! ```

mod compare;
mod contender;
mod growth;
mod machine;
mod measure;
mod memory;
mod pair;
mod report;
mod results;

#[path = "../../common/values.rs"]
mod values;

// Of tests/servers.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/servers/src/certs.rs"]
mod certs;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/servers/src/process.rs"]
mod process;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/servers/src/server.rs"]
mod server;

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use certs::Certs;
use tokio::runtime::{Builder, Runtime};

use crate::{
    machine::{Machine, load},
    measure::Effort,
    results::Results,
    server::Server,
};

/// What all comparisons run on.
pub struct Ground {
    /// Of one thread, for calls one after the other.
    pub serial: &'static Runtime,
    /// Of as many threads as there are cores, for tasks.
    pub tasks: &'static Runtime,
    pub server: Server,
}

impl Ground {
    fn new() -> Self {
        let runtime = |mut builder: Builder| &*Box::leak(Box::new(builder.enable_all().build().unwrap()));
        let (serial, tasks) = (Builder::new_current_thread(), Builder::new_multi_thread());
        Self { serial: runtime(serial), tasks: runtime(tasks), server: Server::start() }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["measure", file] => measure(Path::new(file), false),
        ["quick", file] => measure(Path::new(file), true),
        ["entries", kind, entries] => memory::print_growth(kind, entries),
        ["report", file, ref more @ ..] => report::write(file, more),
        _ => {
            eprintln!("usage: measure FILE | quick FILE | report FILE [STEPS [CRYPTO [PARTS]]]");
            std::process::exit(2);
        }
    }
}

fn measure(file: &Path, quick: bool) {
    let start = Instant::now();
    let effort = |seconds: f64| match quick {
        true => Effort { time: Duration::ZERO, rounds: 1 },
        false => Effort { time: Duration::from_secs_f64(seconds), rounds: 5 },
    };
    let mut results = Results::of(Machine::look(quick));
    let ground = Ground::new();
    let say = |what: &str| eprintln!("{:>5.0} s: {what}", start.elapsed().as_secs_f64());
    let Results { machine, records, memory, .. } = &mut results;
    say("a million entries"); // first: what a program frees it keeps, and that is not to be counted
    let (million, entries) = if quick { (10_000, 100_000) } else { (1_000_000, 10_000_000) };
    memory::million(&ground, million, records, memory);
    memory::in_process(entries, memory);
    say("through Redis");
    compare::redis(&ground, effort(1.5), records);
    say("over a store in memory");
    compare::memory(&ground, effort(1.0), records);
    say("within the process");
    compare::in_process(&ground, effort(3.0), records);
    say("how cost grows");
    growth::all(&ground, quick, effort(2.0), records);
    machine.load[1] = load();
    machine.seconds = start.elapsed().as_secs();
    say("done");
    fs::write(file, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
}
