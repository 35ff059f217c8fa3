//! A million entries through Redis, and what they take there and here.

use serde::{Deserialize, Serialize};

use crate::{
    Ground,
    compare::{BARE, BLIND, TCP},
    contender::{Bare, Batches, Blind},
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
    memory.push(Memory::of("in this process, with both clients", "", entries, here));
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

fn used_memory(server: &Server) -> u64 {
    let info: String = server.admin(&["INFO", "memory"]);
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}
