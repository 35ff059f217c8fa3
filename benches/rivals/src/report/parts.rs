//! What a call is made of, and why a goal is not reached.

use std::fmt::Write as _;

use super::{
    goals::{GET_MANY, IN_MEMORY, SET_MANY, serial},
    table::time,
};
use crate::{
    compare::{BARE, BLIND, SECURE, TCP},
    measure::Labels,
    results::{Part, Results},
};

/// Under which the parts of a hit in memory stand.
const HIT: &str = "L1 hit";

/// How a part was measured.
type When = fn(&Part) -> Option<f64>;

fn cold(part: &Part) -> Option<f64> {
    part.cold_ns
}

fn warm(part: &Part) -> Option<f64> {
    part.warm_ns
}

/// A line of a sum: what it is called, the rows that count, and those that are taken off, since a plain client has them too.
struct Sum {
    name: &'static str,
    plus: &'static [&'static str],
    less: &'static [&'static str],
}

const fn one(name: &'static str) -> Sum {
    Sum { name, plus: &[], less: &[] }
}

const GET: [Sum; 4] = [
    one("canonical key"),
    one("blind"),
    one("open"),
    Sum { name: "decode, beyond rmp-serde", plus: &["decode"], less: &["decode, rmp-serde"] },
];
const SET: [Sum; 4] = [
    one("canonical key"),
    one("blind"),
    Sum { name: "encode, beyond rmp-serde", plus: &["encode"], less: &["encode, rmp-serde"] },
    one("seal"),
];
/// What the format asks for, without blindcache.
const GET_BARE: [Sum; 3] = [one("bare HMAC"), one("bare expansions"), one("bare open")];
const SET_BARE: [Sum; 4] =
    [one("bare HMAC"), one("bare expansions"), one("24 random bytes"), one("bare seal")];

impl Sum {
    fn of(&self, results: &Results, size: &str, when: When) -> Option<f64> {
        let row = |row: &&str| find(results, size, row).and_then(when);
        let total = |rows: &[&str]| rows.iter().map(row).sum::<Option<f64>>();
        match self.plus {
            [] => row(&self.name),
            plus => Some(total(plus)? - total(self.less)?),
        }
    }
}

fn find<'a>(results: &'a Results, size: &str, row: &str) -> Option<&'a Part> {
    results.parts.iter().find(|it| it.size == size && it.row == row)
}

fn total(sums: &[Sum], results: &Results, size: &str, when: When) -> Option<f64> {
    sums.iter().map(|sum| sum.of(results, size, when)).sum()
}

/// Of a get and of a set: each part, right after a round trip and warm, by size.
pub fn table(results: &Results) -> String {
    let (sizes, mut text) = (sizes(results), String::new());
    let cell = |cold: Option<f64>, warm: Option<f64>| match (cold, warm) {
        (Some(cold), Some(warm)) => format!("{} / {}", signed(cold), signed(warm)),
        (Some(cold), None) => signed(cold),
        _ => none(),
    };
    for (op, sums, bare, plain) in [
        ("get", &GET[..], &GET_BARE[..], "decode, rmp-serde"),
        ("set", &SET[..], &SET_BARE[..], "encode, rmp-serde"),
    ] {
        let columns = "---|".repeat(sizes.len());
        writeln!(text, "\n| {op} | {} |\n|---|{columns}", sizes.join(" | ")).unwrap();
        let mut line = |name: &str, cell: &dyn Fn(&str) -> String| {
            let cells: Vec<String> = sizes.iter().map(|size| cell(size)).collect();
            writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
        };
        for sum in sums {
            line(sum.name, &|size| cell(sum.of(results, size, cold), sum.of(results, size, warm)));
        }
        let both = |sums: &[Sum], size: &str| {
            cell(total(sums, results, size, cold), total(sums, results, size, warm))
        };
        line("**all of these**", &|size| both(sums, size));
        line("of it the bare cryptography", &|size| both(bare, size));
        let whole = |name: &str, size: &str| find(results, size, &format!("{op}, {name}")).and_then(cold);
        let measured = |size: &str| {
            let coding = Sum { name: plain, plus: &[], less: &[] }.of(results, size, cold)?;
            Some(whole("EncryptedBackend", size)? - coding)
        };
        line("measured as a whole", &|size| cell(measured(size), None));
        line("`RedisBackend`, beyond the bare client", &|size| cell(whole("RedisBackend", size), None));
        line("the bare client, all of its round trip", &|size| cell(whole("bare redis", size), None));
    }
    text
}

/// Of serial calls that are made many in a row: what the bare client takes, and what others take more.
pub fn turns(results: &Results) -> String {
    let mut text = String::new();
    for op in ["get", "set"] {
        let sizes = sizes(results);
        writeln!(text, "\n| {op} | {} |\n|---|{}", sizes.join(" | "), "---|".repeat(sizes.len())).unwrap();
        for (name, row) in [
            ("the bare client, all of it", "plain"),
            ("the same, and 3 µs in registers", "busy"),
            ("the bare client for the entry's bytes", "entry"),
            ("the same, and the bare cryptography", "format"),
            ("the same, and all steps, by hand", "by hand"),
            ("`RedisBackend` for the entry's bytes", "RedisBackend"),
            ("**`EncryptedBackend`**", "EncryptedBackend"),
        ] {
            let cells = sizes.iter().map(|size| in_turns(results, op, size, row).map_or_else(none, signed));
            writeln!(text, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
        }
    }
    text
}

fn in_turns(results: &Results, op: &str, size: &str, row: &str) -> Option<f64> {
    find(results, size, &format!("{op} in turns, {row}")).and_then(cold)
}

fn sizes(results: &Results) -> Vec<&str> {
    let mut sizes: Vec<&str> = Vec::new();
    for part in results.parts.iter().filter(|part| part.size != HIT) {
        if !sizes.contains(&part.size.as_str()) {
            sizes.push(&part.size);
        }
    }
    sizes
}

/// Of a hit in memory: what each part adds.
pub fn hit(results: &Results) -> String {
    let ns = |row: &str| find(results, HIT, row).and_then(warm).unwrap_or(f64::NAN);
    let lines = [
        ("canonical key", ns("canonical key")),
        ("look it up, behind an `Arc` of its own", ns("look")),
        ("judge it, by the coarse clock", ns("judged") - ns("look")),
        ("clone the value's `Arc`", ns("value") - ns("judged")),
        ("count the hit", ns("counted") - ns("value")),
        ("the future around it", ns("whole") - ns("counted") - ns("canonical key")),
        ("**all of it**", ns("whole")),
        ("a bare quick_cache get of the same", ns("bare quick_cache")),
        ("the coarse clock by itself", ns("coarse clock")),
        ("the exact clock by itself, near the end of a value", ns("exact clock")),
    ];
    let mut text = String::from("| part | median |\n|---|---|\n");
    for (part, ns) in lines {
        writeln!(text, "| {part} | {} |", signed(ns)).unwrap();
    }
    text
}

/// Where nothing was measured.
fn none() -> String {
    "—".to_owned()
}

/// The noise of what is next to nothing may be less than that.
fn signed(ns: f64) -> String {
    if ns < 0.0 { format!("−{}", time(-ns)) } else { time(ns) }
}

/// For each goal about whole calls: what it leaves, and what the format and this library take.
pub fn why(results: &Results) -> String {
    let mut text = String::from(
        "| work | the goal leaves | the bare cryptography | all steps | measured |\n|---|---|---|---|---|\n",
    );
    let mut line = |work: &str, leaves: Option<f64>, sums: [Option<f64>; 2], measured: Option<f64>| {
        let cells = [leaves, sums[0], sums[1], measured];
        let cells = cells.map(|ns| ns.map_or_else(none, signed));
        writeln!(text, "| {work} | {} |", cells.join(" | ")).unwrap();
    };
    let median = |part: &str, way: &str, op: &str, size: &str, who: &str| {
        results.find(&Labels::new(part, way, op, size), who).map(|it| it.median_ns)
    };
    let sums = |op: &str, size: &str| {
        let (bare, all) = if op == "get" { (&GET_BARE[..], &GET) } else { (&SET_BARE[..], &SET) };
        [total(bare, results, size, warm), total(all, results, size, warm)]
    };
    for op in ["get", "set"] {
        for size in ["64 B", "1 KiB", "16 KiB", "128 KiB"] {
            let of = |who| median("serial", TCP, op, size, who);
            let (most, _) = serial(op, size);
            let leaves = of(BARE).map(|bare| bare * (most - 1.0));
            let more = of(BLIND).zip(of(BARE)).map(|(ours, bare)| ours - bare);
            let around = ["format", "by hand"].map(|row| in_turns(results, op, size, row));
            line(&format!("serial {op}, {size}, beyond the bare client"), leaves, around, more);
        }
    }
    for (op, many, (most, _)) in [("get", "get_many", GET_MANY), ("set", "set_many", SET_MANY)] {
        let of = |who| median("batches of 100", TCP, op, "1 KiB", who);
        let leaves = of(BARE).map(|bare| bare * (most - 1.0));
        let more = of(BLIND).zip(of(BARE)).map(|(ours, bare)| ours - bare);
        let work = format!("each of 100 values of 1 KiB by `{many}`, beyond the bare client");
        line(&work, leaves, sums(op, "1 KiB"), more);
    }
    for (size, (most, _)) in IN_MEMORY {
        let of = |who| median("store in memory", "memory", "get", size, who);
        let leaves = of(SECURE).map(|theirs| theirs * most);
        let work = format!("get over a store in memory, {size}, all of it");
        line(&work, leaves, sums("get", size), of(BLIND));
    }
    text
}
