//! From JSON to the tables and plots of docs/performance.md.

mod ahead;
mod goals;
mod parts;
mod plot;
mod table;

use std::{fmt::Write as _, fs, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    machine::{Machine, root},
    results::{Results, steps},
};

/// Reads what was measured, with the steps and the bare cryptography, if they are given; writes it into docs/.
pub fn write(file: &str, more: &[&str]) {
    let mut results = Results::read(Path::new(file));
    if let Some(folder) = more.first() {
        results.steps = steps(Path::new(folder));
    }
    if let Some(file) = more.get(1) {
        results.crypto = lines(file);
    }
    if let Some(file) = more.get(2) {
        results.parts = lines(file);
    }
    let docs = root().join("docs");
    let folder = docs.join("performance");
    fs::create_dir_all(&folder).unwrap();
    let json = folder.join("results.json");
    fs::write(&json, serde_json::to_vec_pretty(&results).unwrap()).unwrap();

    let results = Results::read(&json);
    plot::latency(&results, &folder.join("latency.svg"));
    plot::ratios(&results, &folder.join("ratio.svg"));
    let page = docs.join("performance.md");
    let text = fill(&fs::read_to_string(&page).unwrap(), |block| block_of(block, &results));
    fs::write(&page, text).unwrap();
}

/// A file of one JSON object in each line.
fn lines<T: DeserializeOwned>(file: &str) -> Vec<T> {
    fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Puts new text between each `<!-- made: NAME -->` and the `<!-- end -->` after it.
fn fill(page: &str, block: impl Fn(&str) -> String) -> String {
    const BEGIN: &str = "<!-- made: ";
    const END: &str = "<!-- end -->";
    let mut parts = page.split(BEGIN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("a block has a name");
        let (_, after) = rest.split_once(END).expect("a block has an end");
        write!(text, "{BEGIN}{name} -->\n{}\n{END}{after}", block(name).trim_end()).unwrap();
    }
    text
}

fn block_of(name: &str, results: &Results) -> String {
    match name {
        "machine" => machine(&results.machine, results),
        "goals" => goals::table(results),
        "parts" => parts::table(results),
        "turns" => parts::turns(results),
        "why" => parts::why(results),
        "hit" => parts::hit(results),
        "ahead" => ahead::list(results),
        "steps" => table::steps(results),
        "crypto" => table::crypto(results),
        "memory" => table::memory(results),
        "cpu" => table::comparison(results, "64 tasks", table::cpu),
        "growth" => table::comparison(results, "growth", table::times),
        part => table::comparison(results, part, table::times),
    }
}

fn machine(machine: &Machine, results: &Results) -> String {
    let Machine { cpu, cores, kernel, rustc, redis_server, crates, when, load, seconds, quick } = machine;
    let rounds = |pick: fn(usize, usize) -> usize| results.records.iter().map(|it| it.rounds).reduce(pick);
    let (fewest, most) = (rounds(usize::min).unwrap_or(0), rounds(usize::max).unwrap_or(0));
    let crates: Vec<String> = crates.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text = String::new();
    if *quick {
        text += "**A trial run with hardly any rounds: none of these figures means anything.**\n\n";
    }
    write!(
        text,
        "| | |\n|---|---|\n| processor | {cpu}, {cores} cores |\n| system | {kernel} |\n| compiler | {rustc}, \
         release profile |\n| server | {redis_server}, on the same machine |\n| crates | {} |\n| begun | {when} |\n\
         | took | {seconds} s without the steps |\n| rounds of each row | {fewest} to {most} |\n| load averages \
         (1, 5 and 15 minutes) | {} as it began, {} as it ended |\n",
        crates.join(", "),
        load[0],
        load[1],
    )
    .unwrap();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_a_block_is_replaced() {
        let page = "a\n<!-- made: one -->\nold\n<!-- end -->\nb\n<!-- made: two -->\n<!-- end -->\nc\n";
        let filled = fill(page, |name| format!("new {name}\n"));
        let expected =
            "a\n<!-- made: one -->\nnew one\n<!-- end -->\nb\n<!-- made: two -->\nnew two\n<!-- end -->\nc\n";
        assert_eq!(filled, expected);
        assert_eq!(fill(&filled, |name| format!("new {name}\n")), expected);
    }
}
