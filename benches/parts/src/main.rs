//! What each part of a get and of a set costs over Redis, right after a round trip and once more at once; and each part of a
//! hit in memory.
//!
//! ```text
//! cargo run --release -p blindcache-parts -- FILE           # one JSON object for each row
//! cargo run --release -p blindcache-parts -- FILE --quick   # hardly any rounds: the figures mean nothing
//! ```
//!
//! A thread that waited for a server goes on with cold caches: what takes a microsecond in a loop takes several then. Each
//! row makes a round trip, runs its part with the clock around it, which is `cold`, and at once a second time, which is
//! `warm`. The rows take turns, each round beginning with another one; what is told are medians, less what the clock
//! itself takes. The rows at the end are whole calls: those that alternate, as differences to the one before, and those "in turns"
//! of many in a row, as differences to the first of these rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark

mod calls;
mod format;
mod hit;
mod parts;
mod turns;
mod whole;

#[allow(dead_code)] // not all that tests do with a server is done here
#[path = "../../../tests/servers/src/certs.rs"]
mod certs;
#[allow(dead_code)]
#[path = "../../../tests/servers/src/process.rs"]
mod process;
#[allow(dead_code)]
#[path = "../../../tests/servers/src/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../../common/values.rs"]
mod values;

use std::{env, fs::File, io::Write as _};

use certs::Certs;
use tokio::runtime::Builder;

use crate::{calls::Calls, parts::Parts, server::Server, values::RAW};

/// How often each row runs.
const ROUNDS: usize = 1200;
/// The sizes that are measured, of [`RAW`]: up to 128 KiB.
const SIZES: usize = 4;

/// Medians in nanoseconds.
pub struct Row {
    pub name: &'static str,
    /// `None` of hits in memory, before which nobody waits for a server.
    pub cold: Option<f64>,
    /// `None` of whole calls, which are cold.
    pub warm: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (file, rounds) = match &arguments[..] {
        [file] => (file, ROUNDS),
        [file, quick] if quick == "--quick" => (file, 1),
        _ => {
            eprintln!("usage: FILE [--quick]");
            std::process::exit(2);
        }
    };
    let mut file = File::create(file).unwrap();
    let server = Server::start();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for (size, length) in &RAW[..SIZES] {
        let rows = runtime.block_on(async {
            let mut rows = Parts::new(&server.url(), *length).await.rows(rounds).await;
            let calls = Calls::new(&server.url(), *length).await;
            rows.extend(whole::rows(&calls, rounds).await);
            rows.extend(turns::rows(&calls, rounds.div_ceil(4)).await);
            rows
        });
        tell(size, rows, rounds, &mut file);
    }
    tell("L1 hit", runtime.block_on(hit::rows(rounds)), rounds, &mut file);
}

fn tell(size: &str, rows: Vec<Row>, rounds: usize, file: &mut File) {
    println!("\n{size:<24}{:>10}{:>10}", "cold ns", "warm ns");
    for Row { name, cold, warm } in rows {
        let shown = [cold, warm].map(|ns| ns.map_or_else(String::new, |ns| format!("{ns:.1}")));
        println!("{name:<24}{:>10}{:>10}", shown[0], shown[1]);
        let row = serde_json::json!({
            "size": size, "row": name, "rounds": rounds, "cold_ns": cold, "warm_ns": warm,
        });
        writeln!(file, "{row}").unwrap();
    }
}

/// The middle one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
