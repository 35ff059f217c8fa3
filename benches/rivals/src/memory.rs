//! What many entries take: a million through Redis, and those of the caches of a process.

use std::{env, process::Command};

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::{
    Ground,
    compare::{BARE, BLIND, TCP},
    contender::{Bare, Batches, Blind},
    growth::Kind,
    machine::rss,
    measure::{Case, Labels, Record},
    server::Server,
    values::{PROFILE, Profile},
};

/// How many entries go at once.
const CHUNK: usize = 1000;

/// What so many entries take somewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    pub place: String,
    pub who: String,
    pub entries: u64,
    pub bytes: u64,
}

impl Memory {
    pub fn of(place: &str, who: &str, entries: u64, bytes: u64) -> Self {
        Self { place: place.into(), who: who.into(), entries, bytes }
    }
}

/// Stores so many profiles and reads them all, through each of the two on a server of its own, in turns.
pub fn million(ground: &Ground, entries: usize, records: &mut Vec<Record>, memory: &mut Vec<Memory>) {
    let servers = [Server::start(), Server::start()];
    let used = || servers.each_ref().map(used_memory);
    let (empty, before) = (used(), rss());
    let (bare, blind) = ground
        .serial
        .block_on(async { (Bare::connect(&servers[0].url()).await, Blind::redis(&servers[1].url())) });
    for op in ["set", "get"] {
        let labels = Labels::new("a million entries", TCP, op, PROFILE);
        let mut case = Case::default();
        case.add(&labels, BARE, all(ground, op, bare.clone()));
        case.add(&labels, BLIND, all(ground, op, blind.clone()));
        case.run_exactly(entries / CHUNK, CHUNK, records);
    }
    let entries = entries as u64;
    for ((who, empty), full) in [BARE, BLIND].into_iter().zip(empty).zip(used()) {
        memory.push(Memory::of("in Redis", who, entries, full - empty));
    }
    let here = rss().saturating_sub(before);
    memory.push(Memory::of("in the client, after all that", "both", entries, here));
}

/// Goes through all keys, a chunk at a time.
fn all<C: Batches<String, Profile>>(
    ground: &Ground,
    op: &str,
    client: C,
) -> impl FnMut(usize) -> usize + 'static {
    let (runtime, value, sets, mut next) = (ground.serial, Profile::ada(), op == "set", 0);
    move |calls| {
        let keys: Vec<String> = (next..next + calls).map(|at| format!("user:{at:07}")).collect();
        next += calls;
        runtime.block_on(async {
            if sets {
                client.set_many(&keys, &value).await;
            } else {
                let found = client.get_many(&keys).await;
                assert!(found.iter().all(|it| *it == value), "a value does not come back");
            }
        });
        calls
    }
}

/// What so many entries take in caches of a process, each in a process of its own: what a program frees it keeps.
pub fn in_process(entries: u64, memory: &mut Vec<Memory>) {
    let program = env::current_exe().unwrap();
    for (at, kind) in Kind::ALL.into_iter().enumerate() {
        let mut child = Command::new(&program);
        let output = child.args(["entries", &at.to_string(), &entries.to_string()]).output().unwrap();
        let bytes = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        memory.push(Memory::of("in process", kind.name(), entries, bytes));
    }
}

/// What that process does: it prints by how many bytes it grew.
pub fn print_growth(kind: &str, entries: &str) {
    let (kind, entries) = (Kind::ALL[kind.parse::<usize>().unwrap()], entries.parse().unwrap());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let before = rss();
    let filled = kind.fill(&runtime, entries);
    println!("{}", rss() - before);
    drop(filled);
}

fn used_memory(server: &Server) -> u64 {
    let info: String = server.admin(&["INFO", "memory"]);
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}
