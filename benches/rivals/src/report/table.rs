//! Tables in Markdown.

use std::fmt::Write as _;

use crate::{
    measure::{Labels, Record},
    results::Results,
};

/// A time with its unit, in three digits.
pub fn time(ns: f64) -> String {
    let (amount, unit) = match ns {
        _ if ns < 1e3 => (ns, "ns"),
        _ if ns < 1e6 => (ns / 1e3, "µs"),
        _ => (ns / 1e6, "ms"),
    };
    let digits = if amount < 10.0 { 2 } else { usize::from(amount < 100.0) };
    format!("{amount:.digits$} {unit}")
}

/// Smallest and median time, and the ratio where it says something.
pub fn times(record: &Record, is_base: bool) -> String {
    let (min, median) = (time(record.min_ns), time(record.median_ns));
    if is_base { format!("{min} / {median}") } else { format!("{min} / {median} / **{:.2}**", record.ratio) }
}

/// What this process computed: the median, and the ratio.
pub fn cpu(record: &Record, is_base: bool) -> String {
    let median = time(record.cpu_ns);
    if is_base { median } else { format!("{median} / **{:.2}**", record.cpu_ratio) }
}

/// A table for each way and operation of a part: a line for each value, a column for each contender.
pub fn comparison(results: &Results, part: &str, cell: fn(&Record, bool) -> String) -> String {
    let mut text = String::new();
    let kinds = results.distinct(part, |it| format!("{}\n{}", it.labels.way, it.labels.op));
    for kind in kinds {
        let (way, op) = kind.split_once('\n').unwrap();
        let of_kind = || {
            let records = results.records.iter().filter(|it| it.labels.part == part);
            records.filter(|it| it.labels.way == way && it.labels.op == op)
        };
        let (whos, values) = (distinct(of_kind(), |it| &it.who), distinct(of_kind(), |it| &it.labels.value));
        let first = of_kind().next().unwrap();
        let rounds =
            |pick: fn(usize, usize) -> usize| of_kind().map(|it| it.rounds).reduce(pick).unwrap_or(0);
        let (fewest, most) = (rounds(usize::min), rounds(usize::max));
        writeln!(text, "\n{op}, {way}; {fewest} to {most} rounds\n").unwrap();
        writeln!(text, "| | {} |\n|---|{}", whos.join(" | "), "---|".repeat(whos.len())).unwrap();
        for value in &values {
            let labels = Labels::new(part, way, op, value);
            let cells = whos.iter().map(|who| match results.find(&labels, who) {
                Some(record) => cell(record, is_base(record, first, whos.len())),
                None => "—".to_owned(),
            });
            writeln!(text, "| {value} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
        }
    }
    text
}

/// Whether a row's ratio would be to itself: in a table of one contender, the first line's.
fn is_base(record: &Record, first: &Record, whos: usize) -> bool {
    record.who == record.base && (whos > 1 || record.labels == first.labels)
}

fn distinct<'a>(records: impl Iterator<Item = &'a Record>, what: fn(&Record) -> &String) -> Vec<&'a str> {
    let mut all = Vec::new();
    for one in records.map(|it| what(it).as_str()) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// A line for each step and cipher, a column for each value.
pub fn steps(results: &Results) -> String {
    const STEPS: [&str; 9] = [
        "canonical key",
        "blind",
        "encode",
        "seal",
        "open",
        "decode",
        "L1 hit",
        "set over memory",
        "get over memory",
    ];
    let mut text = String::new();
    for (title, raw) in [("Values", true), ("Keys", false)] {
        let mut values: Vec<&str> = Vec::new();
        let about_keys = |step: &str| step == "canonical key" || step == "blind";
        let of_kind = || results.steps.iter().filter(|it| about_keys(&it.step) != raw);
        for step in of_kind() {
            if !values.contains(&step.value.as_str()) {
                values.push(&step.value);
            }
        }
        values.sort_by_key(|value| order(value));
        let columns = "---|".repeat(values.len());
        writeln!(text, "\n{title}\n\n| | | {} |\n|---|---|{columns}", values.join(" | ")).unwrap();
        for step in STEPS {
            let mut aeads: Vec<&str> =
                of_kind().filter(|it| it.step == step).map(|it| it.aead.as_str()).collect();
            aeads.sort_unstable();
            aeads.dedup();
            for aead in aeads.iter().rev() {
                let cells = values.iter().map(|value| {
                    let found =
                        of_kind().find(|it| it.step == step && it.aead == *aead && it.value == *value);
                    found.map_or_else(|| "—".to_owned(), |it| time(it.median_ns))
                });
                writeln!(text, "| {step} | {aead} | {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
            }
        }
    }
    text
}

/// By size: the raw ones, then the others.
fn order(value: &str) -> (bool, u64, &str) {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => 0,
    };
    (factor == 0, number.parse::<u64>().unwrap_or(0) * factor, value)
}

/// The rows of `benches/crypto.rs`.
pub fn crypto(results: &Results) -> String {
    let mut text = String::from(
        "| | | smallest | median | smallest, ratio | median, ratio | to |\n|---|---|---|---|---|---|---|\n",
    );
    for row in &results.crypto {
        let (min, median) = (time(row.min_ns), time(row.median_ns));
        let (what, name, base) = (&row.what, &row.row, &row.base);
        let (least, ratio) = (row.min_ratio, row.median_ratio);
        writeln!(text, "| {what} | {name} | {min} | {median} | {least:.2} | {ratio:.2} | {base} |").unwrap();
    }
    text
}

pub fn memory(results: &Results) -> String {
    let mut text = String::from("| | | entries | bytes | bytes for each |\n|---|---|---|---|---|\n");
    for it in &results.memory {
        let each = it.bytes as f64 / it.entries as f64;
        writeln!(text, "| {} | {} | {} | {} | {each:.0} |", it.place, it.who, it.entries, it.bytes).unwrap();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let shown = [0.5, 27.14, 999.0, 1_234.0, 19_500.0, 53_000_000.0].map(time);
        assert_eq!(shown, ["0.50 ns", "27.1 ns", "999 ns", "1.23 µs", "19.5 µs", "53.0 ms"]);
    }
}
