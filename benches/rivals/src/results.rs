//! Everything that was measured, as it stands in JSON.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    machine::Machine,
    measure::{Labels, Record},
    memory::Memory,
};

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub records: Vec<Record>,
    pub memory: Vec<Memory>,
    /// One step of an entry's way, by criterion.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The rows of `benches/crypto.rs`.
    #[serde(default)]
    pub crypto: Vec<Crypto>,
    /// The rows of `benches/parts`.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// Times in nanoseconds, the bounds those of a confidence interval of 95 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub step: String,
    pub aead: String,
    pub value: String,
    pub median_ns: f64,
    pub low_ns: f64,
    pub high_ns: f64,
}

/// A row of `benches/crypto.rs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Crypto {
    pub what: String,
    pub row: String,
    pub base: String,
    pub rounds: usize,
    pub min_ns: f64,
    pub median_ns: f64,
    pub min_ratio: f64,
    pub median_ratio: f64,
}

/// A row of `benches/parts`: a part of a call by itself, or what a whole call takes more than another; medians.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub size: String,
    pub row: String,
    pub rounds: usize,
    /// Right after a round trip, in nanoseconds; `None` of hits in memory.
    pub cold_ns: Option<f64>,
    /// Once more at once, in nanoseconds; `None` of whole calls.
    pub warm_ns: Option<f64>,
}

impl Results {
    /// Nothing yet.
    pub fn of(machine: Machine) -> Self {
        let (records, memory, steps) = (Vec::new(), Vec::new(), Vec::new());
        Self { machine, records, memory, steps, crypto: Vec::new(), parts: Vec::new() }
    }

    pub fn read(file: &Path) -> Self {
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }

    pub fn find(&self, labels: &Labels, who: &str) -> Option<&Record> {
        self.records.iter().find(|it| it.labels == *labels && it.who == who)
    }

    /// What a part is about, in the order in which it was measured.
    pub fn distinct(&self, part: &str, what: impl Fn(&Record) -> String) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for record in self.records.iter().filter(|it| it.labels.part == part) {
            let one = what(record);
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }
}

/// What criterion left in its folder, of groups whose benchmarks are called `AEAD/value`.
pub fn steps(folder: &Path) -> Vec<Step> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut steps = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        if path.ends_with("new") {
            steps.extend(step(&path));
        } else {
            steps.extend(self::steps(&path));
        }
    }
    steps
}

fn step(folder: &Path) -> Option<Step> {
    let read = |name| serde_json::from_slice::<Value>(&fs::read(folder.join(name)).ok()?).ok();
    let (about, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let text = |field: &str| about[field].as_str().unwrap_or_default().to_owned();
    let median = &estimates["median"];
    let bound = |name: &str| median["confidence_interval"][name].as_f64();
    Some(Step {
        step: text("group_id"),
        aead: text("function_id"),
        value: text("value_str"),
        median_ns: median["point_estimate"].as_f64()?,
        low_ns: bound("lower_bound")?,
        high_ns: bound("upper_bound")?,
    })
}
