//! Where a rival is ahead.

use std::fmt::Write as _;

use crate::results::Results;

/// By how much at least, as a ratio of medians: less is noise.
const AHEAD: f64 = 0.97;
/// The parts in which others than the bare client and map take part.
const PARTS: [&str; 4] = ["serial", "64 tasks", "store in memory", "in process"];

/// A line for each rival and operation: the values with which it is faster, and its time as a share of ours.
pub fn list(results: &Results) -> String {
    let mut text = String::new();
    for part in PARTS {
        let rows = results.distinct(part, |it| [&*it.labels.way, &it.labels.op, &it.who].join("\n"));
        for row in rows {
            let fields: Vec<&str> = row.split('\n').collect();
            let &[way, op, who] = &fields[..] else { continue };
            if who.starts_with("blindcache") || who == "bare redis" || who == "map + rmp-serde" {
                continue;
            }
            let faster = faster(results, part, way, op, who);
            if !faster.is_empty() {
                writeln!(text, "- {who}{}: {op}, {part}, {way}: {}", apart(who), faster.join(", ")).unwrap();
            }
        }
    }
    if text.is_empty() { "- nowhere in this run\n".into() } else { text }
}

/// Compared with our fastest row.
fn faster(results: &Results, part: &str, way: &str, op: &str, who: &str) -> Vec<String> {
    let same = |one: &&crate::measure::Record| {
        one.labels.part == part && one.labels.way == way && one.labels.op == op
    };
    let theirs = results.records.iter().filter(same).filter(|it| it.who == who);
    let shares = theirs.filter_map(|theirs| {
        let ours = results.records.iter().filter(|it| it.labels == theirs.labels);
        let ours = ours.filter(|it| it.who.starts_with("blindcache")).map(|it| it.median_ns);
        let share = theirs.median_ns / ours.reduce(f64::min)?;
        (share < AHEAD).then(|| format!("{} {share:.2}", theirs.labels.value))
    });
    shares.collect()
}

/// What it does not do.
fn apart(who: &str) -> &'static str {
    match who {
        _ if who.starts_with("cachekit-rs plain") => " (no encryption)",
        _ if who.starts_with("cachekit-rs secure") => " (the names of keys in plaintext)",
        _ => " (no store, no encryption)",
    }
}
