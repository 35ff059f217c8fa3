//! What this library wants to reach, and what it reached.

use std::fmt::Write as _;

use crate::{
    compare::{BLIND, SECURE, TCP},
    measure::Labels,
    results::Results,
    values::PROFILE,
};

/// At most, and worth dreaming of.
pub type Limit = (f64, f64);

pub const GET_MANY: Limit = (1.6, 1.3);
pub const SET_MANY: Limit = (1.8, 1.5);
/// Of a get over a store in memory.
pub const IN_MEMORY: [(&str, Limit); 2] = [("64 B", (1.15, 0.9)), ("16 KiB", (0.8, 0.6))];

/// Of serial calls over loopback.
pub fn serial(op: &str, size: &str) -> Limit {
    match (op, size) {
        ("get", "16 KiB") => (1.08, 1.06),
        ("get", "128 KiB") => (1.17, 1.15),
        ("get", _) => (1.05, 1.03),
        (_, "16 KiB") => (1.09, 1.07),
        (_, "128 KiB") => (1.17, 1.15),
        _ => (1.07, 1.04),
    }
}

/// One line: the work, what it is compared with, at most, worth dreaming of, reached.
struct Goal {
    work: String,
    against: &'static str,
    at_most: f64,
    dream: f64,
    reached: Option<f64>,
}

pub fn table(results: &Results) -> String {
    let mut text = String::from(
        "| work | against | at most | worth dreaming of | reached | |\n|---|---|---|---|---|---|\n",
    );
    for Goal { work, against, at_most, dream, reached } in goals(results) {
        let (shown, verdict) = match reached {
            None => ("not measured".to_owned(), ""),
            Some(ratio) if ratio <= dream => (format!("{ratio:.2}"), "better"),
            Some(ratio) if ratio <= at_most => (format!("{ratio:.2}"), "yes"),
            Some(ratio) => (format!("{ratio:.2}"), "**no**"),
        };
        writeln!(text, "| {work} | {against} | {at_most} | {dream} | {shown} | {verdict} |").unwrap();
    }
    text
}

fn goals(results: &Results) -> Vec<Goal> {
    let bare = "the bare `redis` client";
    let mut goals = Vec::new();
    let mut add = |work: &str, against, (at_most, dream): Limit, reached| {
        goals.push(Goal { work: work.into(), against, at_most, dream, reached });
    };
    let small = &["64 B", "1 KiB", PROFILE][..];
    for op in ["get", "set"] {
        for (values, said) in
            [(small, "64 B to 1 KiB, the worst of them"), (&["16 KiB"], "16 KiB"), (&["128 KiB"], "128 KiB")]
        {
            let reached = worst(results, "serial", op, values);
            let limit = serial(op, values[0]);
            add(&format!("serial {op} over loopback Redis, {said}"), bare, limit, reached);
        }
    }
    let batch = |op| worst(results, "batches of 100", op, &["1 KiB"]);
    add("100 values of 1 KiB by `get_many`", "the bare client's MGET", GET_MANY, batch("get"));
    add("100 values of 1 KiB by `set_many`", "the bare client's pipeline", SET_MANY, batch("set"));
    for row in ["seal", "open"] {
        let found = results.crypto.iter().find(|it| it.what == "aws-lc-rs, 1048576 B" && it.row == row);
        add(&format!("{row} 1 MiB"), "the bare AEAD", (1.1, 1.03), found.map(|it| it.median_ratio));
    }
    for (value, limit) in IN_MEMORY {
        let labels = Labels::new("store in memory", "memory", "get", value);
        let of = |who| results.find(&labels, who).map(|it| it.ratio);
        let reached = of(BLIND).zip(of(SECURE)).map(|(ours, theirs)| ours / theirs);
        add(&format!("get over a store in memory, {value}"), "cachekit-rs secure", limit, reached);
    }
    let labels = Labels::new("in process", "u64 keys", "get", PROFILE);
    let hit = results.find(&labels, "blindcache, L1").map(|it| it.ratio);
    add("a hit in the in-memory tier, behind an `Arc`", "a bare quick_cache get", (4.0, 2.0), hit);
    goals
}

/// The largest ratio to the bare client over TCP.
fn worst(results: &Results, part: &str, op: &str, values: &[&str]) -> Option<f64> {
    let ratios = values.iter().filter_map(|value| {
        let labels = Labels::new(part, TCP, op, value);
        results.find(&labels, BLIND).map(|it| it.ratio)
    });
    ratios.reduce(f64::max)
}
