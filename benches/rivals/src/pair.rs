//! A get case and a set case over the same contenders, in one of three ways of asking.

use std::{hint::black_box, sync::Arc};

use tokio::runtime::Runtime;

use crate::{
    contender::{Batches, Contender},
    measure::{Case, Effort, Labels, Record},
    values::Value,
};

/// How many keys a batch has.
pub const BATCH: usize = 100;

/// How a comparison asks.
#[derive(Clone, Copy)]
pub enum Mode {
    /// One call after the other.
    Serial,
    /// So many tasks, each of which makes one call after the other.
    Tasks(usize),
}

#[derive(Clone, Copy)]
enum Op {
    Get,
    Set,
}

/// Both cases, with the keys and the value that they are about.
pub struct Pair<K, T> {
    runtime: &'static Runtime,
    keys: Arc<[K]>,
    value: Arc<T>,
    labels: [Labels; 2],
    cases: [Case; 2],
}

impl<K: Send + Sync + 'static, T: Value> Pair<K, T> {
    pub fn new(
        runtime: &'static Runtime,
        keys: &Arc<[K]>,
        value: T,
        part: &str,
        way: &str,
        name: &str,
    ) -> Self {
        let labels = ["get", "set"].map(|op| Labels::new(part, way, op, name));
        Self { runtime, keys: keys.clone(), value: Arc::new(value), labels, cases: Default::default() }
    }

    /// Puts the value under each key, sees that it comes back, and adds a row to both cases.
    pub fn add<C: Contender<K, T>>(&mut self, mode: Mode, who: &str, contender: &Arc<C>) {
        self.fill(contender);
        for (case, op) in [Op::Get, Op::Set].into_iter().enumerate() {
            let (runtime, keys, value) = (self.runtime, self.keys.clone(), self.value.clone());
            let mut turn = Turn { op, contender: contender.clone(), keys, value, next: 0 };
            let (case, labels) = (&mut self.cases[case], &self.labels[case]);
            match mode {
                Mode::Serial => case.add(labels, who, move |calls| {
                    runtime.block_on(turn.calls(calls));
                    calls
                }),
                Mode::Tasks(tasks) => case.add(labels, who, move |calls| {
                    let each = calls.div_ceil(tasks);
                    runtime.block_on(turn.tasks(tasks, each));
                    tasks * each
                }),
            }
        }
    }

    /// A row of batches of [`BATCH`] in both cases.
    pub fn add_batches<C: Batches<K, T>>(&mut self, who: &str, contender: &Arc<C>) {
        self.fill(contender);
        let batches = |calls: usize| calls.div_ceil(BATCH);
        let (runtime, keys) = (self.runtime, self.keys.clone());
        let one = contender.clone();
        self.cases[0].add(&self.labels[0], who, move |calls| {
            let get = async || drop(black_box(one.get_many(&keys[..BATCH]).await));
            (0..batches(calls)).for_each(|_| runtime.block_on(get()));
            batches(calls) * BATCH
        });
        let (keys, value, one) = (self.keys.clone(), self.value.clone(), contender.clone());
        self.cases[1].add(&self.labels[1], who, move |calls| {
            (0..batches(calls)).for_each(|_| runtime.block_on(one.set_many(&keys[..BATCH], &value)));
            batches(calls) * BATCH
        });
    }

    fn fill<C: Contender<K, T>>(&self, contender: &Arc<C>) {
        self.runtime.block_on(async {
            for key in &*self.keys {
                contender.set(key, &self.value).await;
                assert!(contender.get(key).await == *self.value, "a value does not come back");
            }
        });
    }

    pub fn run(self, effort: Effort, records: &mut Vec<Record>) {
        self.cases.into_iter().for_each(|case| case.run(effort, records));
    }
}

/// What one row does in its turn.
struct Turn<K, T, C> {
    op: Op,
    contender: Arc<C>,
    keys: Arc<[K]>,
    value: Arc<T>,
    next: usize,
}

impl<K: Send + Sync + 'static, T: Value, C: Contender<K, T>> Turn<K, T, C> {
    async fn calls(&mut self, calls: usize) {
        for _ in 0..calls {
            let key = &self.keys[self.next];
            self.next = if self.next + 1 < self.keys.len() { self.next + 1 } else { 0 };
            match self.op {
                Op::Get => drop(black_box(self.contender.get(key).await)),
                Op::Set => self.contender.set(key, &self.value).await,
            }
        }
    }

    async fn tasks(&self, tasks: usize, each: usize) {
        let start = |task: usize| {
            let (op, next) = (self.op, task % self.keys.len());
            let (contender, keys, value) = (self.contender.clone(), self.keys.clone(), self.value.clone());
            let mut turn = Self { op, contender, keys, value, next };
            tokio::spawn(async move { turn.calls(each).await })
        };
        let running: Vec<_> = (0..tasks).map(start).collect();
        for task in running {
            task.await.unwrap();
        }
    }
}
