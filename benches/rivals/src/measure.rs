//! The one loop that measures: the rows of a case take turns, round by round, in one process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// How long one turn of the first row shall take: long enough for the clock, short enough for many rounds.
const TURN: Duration = Duration::from_millis(4);
/// The most calls in a turn.
const MOST: usize = 100_000;
const MAX_ROUNDS: usize = 2_000;

/// How long a case runs.
#[derive(Clone, Copy)]
pub struct Effort {
    pub time: Duration,
    pub rounds: usize,
}

/// What a case is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Which comparison.
    pub part: String,
    /// Over what: TCP, a unix socket, memory.
    pub way: String,
    pub op: String,
    pub value: String,
}

impl Labels {
    pub fn new(part: &str, way: &str, op: &str, value: &str) -> Self {
        Self { part: part.into(), way: way.into(), op: op.into(), value: value.into() }
    }
}

/// What was measured of one row; times in nanoseconds for one operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub labels: Labels,
    pub who: String,
    /// The row that the ratios are to.
    pub base: String,
    pub rounds: usize,
    pub operations: usize,
    pub min_ns: f64,
    pub median_ns: f64,
    /// Smallest to smallest.
    pub min_ratio: f64,
    /// The median of the ratios in each round.
    pub ratio: f64,
    /// What this process computed for it, the server's part left out.
    pub cpu_ns: f64,
    pub cpu_ratio: f64,
}

/// Does about as many operations as it is told, and tells how many it did.
type Work = Box<dyn FnMut(usize) -> usize>;

/// Rows that are compared with each other.
#[derive(Default)]
pub struct Case {
    rows: Vec<Row>,
}

struct Row {
    labels: Labels,
    who: String,
    base: usize,
    work: Work,
    samples: Vec<Sample>,
}

/// Nanoseconds for one operation.
#[derive(Clone, Copy)]
struct Sample {
    wall: f64,
    cpu: f64,
    operations: usize,
}

impl Case {
    /// A row whose ratios are to the first one.
    pub fn add(&mut self, labels: &Labels, who: &str, work: impl FnMut(usize) -> usize + 'static) {
        self.add_beside(0, labels, who, work);
    }

    /// A row whose ratios are to the `base`th one.
    pub fn add_beside(
        &mut self,
        base: usize,
        labels: &Labels,
        who: &str,
        work: impl FnMut(usize) -> usize + 'static,
    ) {
        let (labels, who) = (labels.clone(), who.to_owned());
        self.rows.push(Row { labels, who, base, work: Box::new(work), samples: Vec::new() });
    }

    /// Runs until the time is up. All rows do the same number of operations in a turn.
    pub fn run(mut self, effort: Effort, records: &mut Vec<Record>) {
        let calls = self.calls();
        let start = Instant::now();
        for done in 1.. {
            self.round(done, calls);
            if done >= MAX_ROUNDS || done >= effort.rounds && start.elapsed() >= effort.time {
                break;
            }
        }
        self.record_all(records);
    }

    /// Runs so many rounds of so many operations, without any before.
    pub fn run_exactly(mut self, rounds: usize, calls: usize, records: &mut Vec<Record>) {
        (0..rounds).for_each(|round| self.round(round, calls));
        self.record_all(records);
    }

    /// Each begins with another row.
    fn round(&mut self, round: usize, calls: usize) {
        for turn in 0..self.rows.len() {
            let at = (round + turn) % self.rows.len();
            let sample = self.rows[at].turn(calls);
            self.rows[at].samples.push(sample);
        }
    }

    /// How many operations the first row does in a turn. Warms all rows up.
    fn calls(&mut self) -> usize {
        let mut calls = 1;
        let rough = loop {
            let start = Instant::now();
            (self.rows[0].work)(calls);
            let took = start.elapsed();
            if took * 4 >= TURN || calls >= MOST {
                break took.max(Duration::from_nanos(1));
            }
            calls *= 2;
        };
        let calls = (calls as f64 * TURN.as_secs_f64() / rough.as_secs_f64()) as usize;
        let calls = calls.clamp(1, MOST);
        for row in &mut self.rows {
            (row.work)(calls.div_ceil(4));
        }
        calls
    }

    fn record_all(&self, records: &mut Vec<Record>) {
        records.extend(self.rows.iter().map(|row| row.record(&self.rows[row.base])));
    }
}

impl Row {
    fn record(&self, base: &Self) -> Record {
        let of = |row: &Self, what: fn(&Sample) -> f64| row.samples.iter().map(what).collect::<Vec<f64>>();
        let ratios = |what: fn(&Sample) -> f64| {
            of(self, what).iter().zip(of(base, what)).map(|(one, other)| one / other).collect()
        };
        let (wall, base_wall) = (of(self, |it| it.wall), of(base, |it| it.wall));
        Record {
            labels: self.labels.clone(),
            who: self.who.clone(),
            base: base.who.clone(),
            rounds: self.samples.len(),
            operations: self.samples.iter().map(|it| it.operations).sum(),
            min_ns: min(&wall),
            median_ns: median(wall.clone()),
            min_ratio: min(&wall) / min(&base_wall),
            ratio: median(ratios(|it| it.wall)),
            cpu_ns: median(of(self, |it| it.cpu)),
            cpu_ratio: median(ratios(|it| it.cpu)),
        }
    }

    fn turn(&mut self, calls: usize) -> Sample {
        let (start, cpu) = (Instant::now(), cpu_time());
        let operations = (self.work)(calls);
        let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
        let each = |time: Duration| time.as_nanos() as f64 / operations as f64;
        Sample { wall: each(wall), cpu: each(cpu), operations }
    }
}

/// What all threads of this process have computed, in user space and in the kernel.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
