//! What happens to the network, to the store and to the processes, by a seed, and how it is made good.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use blindcache::{MemoryBackend, testing::HostileBackend};
use turmoil::Sim;

use super::{
    dice::Dice,
    store::{HOST, Mood, Store},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing arrives between this process and the store, or arrives only later.
    Partition(usize),
    Hold(usize),
    /// All that is sent takes so long.
    Latency(usize),
    CrashOfStore,
    CrashOfProcess(usize),
    Mood,
}

/// The faults of one history.
pub(crate) struct Faults {
    dice: Dice,
    processes: usize,
    /// Whether the store keeps what it has when it crashes.
    pub(crate) persistent: bool,
    next: Duration,
    under_way: Vec<(Duration, Fault)>,
    pub(crate) injected: BTreeMap<String, u64>,
}

pub(crate) fn host(process: usize) -> String {
    format!("process-{process}")
}

impl Faults {
    pub(crate) fn new(mut dice: Dice, processes: usize) -> Self {
        let persistent = dice.one_in(2);
        let (next, under_way, injected) = (dice.ms(0, 4_000), Vec::new(), BTreeMap::new());
        Self { dice, processes, persistent, next, under_way, injected }
    }

    /// Ends the faults whose time is over, and begins another if it is time.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, store: &Arc<Store>, all_over: bool) {
        let now = sim.elapsed();
        let over = |(end, _): &(Duration, Fault)| all_over || *end <= now;
        let (over, left): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(over);
        self.under_way = left;
        over.into_iter().for_each(|(_, fault)| Self::end(fault, sim, store));
        if all_over || now < self.next {
            return;
        }
        self.next = now + self.dice.ms(200, 5_000);
        let fault = self.draw();
        let place = |fault: &Fault| std::mem::discriminant(fault);
        let link = |fault: &Fault| match *fault {
            Fault::Partition(process) | Fault::Hold(process) | Fault::Latency(process) => Some(process),
            _ => None,
        };
        let taken = |(_, other): &(Duration, Fault)| match link(&fault) {
            Some(process) => link(other) == Some(process),
            None => place(other) == place(&fault),
        };
        if self.under_way.iter().any(taken) {
            return;
        }
        self.begin(fault, sim, store);
        self.under_way.push((now + self.dice.ms(100, 9_000), fault));
    }

    fn draw(&mut self) -> Fault {
        let process = self.dice.below(self.processes as u64) as usize;
        match self.dice.below(12) {
            0..=2 => Fault::Partition(process),
            3..=5 => Fault::Hold(process),
            6 => Fault::Latency(process),
            7 => Fault::CrashOfStore,
            8 => Fault::CrashOfProcess(process),
            _ => Fault::Mood,
        }
    }

    fn begin(&mut self, fault: Fault, sim: &mut Sim<'_>, store: &Arc<Store>) {
        let mut name = format!("{fault:?}").trim_end_matches(|end: char| !end.is_alphabetic()).to_owned();
        match fault {
            Fault::Partition(process) => sim.partition(host(process), HOST),
            Fault::Hold(process) => sim.hold(host(process), HOST),
            Fault::Latency(process) => sim.set_link_latency(host(process), HOST, self.dice.ms(200, 1_500)),
            Fault::CrashOfStore => {
                sim.crash(HOST);
                if !self.persistent {
                    let empty = HostileBackend::script(MemoryBackend::new(), []);
                    *store.disk.lock().unwrap() = empty;
                }
            }
            Fault::CrashOfProcess(process) => sim.crash(host(process)),
            Fault::Mood => {
                let mood = match self.dice.below(7) {
                    0 | 1 => Mood::Slow(self.dice.ms(100, 2_500)),
                    2 => Mood::Silent,
                    3 => Mood::Cutting,
                    4 => Mood::Babbling,
                    5 => Mood::Failing,
                    _ => Mood::Miscounting,
                };
                name = format!("{mood:?}").split('(').next().unwrap_or_default().to_owned();
                *store.mood.lock().unwrap() = mood;
            }
        }
        *self.injected.entry(name).or_default() += 1;
    }

    fn end(fault: Fault, sim: &mut Sim<'_>, store: &Arc<Store>) {
        match fault {
            Fault::Partition(process) => sim.repair(host(process), HOST),
            Fault::Hold(process) => sim.release(host(process), HOST),
            Fault::Latency(process) => sim.set_link_latency(host(process), HOST, Duration::from_millis(5)),
            Fault::CrashOfStore => sim.bounce(HOST),
            Fault::CrashOfProcess(process) => sim.bounce(host(process)),
            Fault::Mood => *store.mood.lock().unwrap() = Mood::Well,
        }
    }
}
