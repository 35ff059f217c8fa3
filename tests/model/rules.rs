//! What was written and when, and which value a call may return by it.

use std::collections::{HashMap, HashSet};

/// A process, a home, a key.
pub(super) type Who = (usize, usize, u8);

pub(super) const PROCESSES: usize = 2;
/// One tenant, another, the first in another namespace, and in another epoch.
pub(super) const HOMES: usize = 4;
pub(super) const KEYS: u8 = 3;

pub(super) const TTL: u64 = 3_000;
pub(super) const STALE: u64 = 2_000;
/// How long memory is believed without the store: longer than a value is fresh.
pub(super) const L1_TTL: u64 = 3_800;
/// How long a stale value stands in once the function has failed.
pub(super) const PAUSE: u64 = 700;

/// The stages of a rotation: the master key that seals, and those that are accepted beside it.
pub(super) const STAGES: [(usize, &[usize]); 4] = [(0, &[]), (0, &[1]), (1, &[0]), (1, &[])];

/// One value that was ever written, whose number is its place in the list.
pub(super) struct Written {
    pub(super) home: usize,
    pub(super) key: u8,
    pub(super) tagged: bool,
    /// The master key that sealed it.
    pub(super) master: usize,
    /// How long it may stand in past its ttl.
    pub(super) stale: u64,
    /// Whose call was given up: to others it came at a time that nobody knows.
    pub(super) given_up: Option<usize>,
    /// When the call began that wrote it, by the order of steps and by the wall.
    pub(super) step: usize,
    pub(super) wall: u64,
}

/// What a process has written and keeps in memory.
pub(super) struct InMemory {
    pub(super) step: usize,
    pub(super) wall: u64,
    pub(super) tagged: bool,
    pub(super) master: usize,
    /// What the processes could not read until then. With a marker among it, what memory holds is invalid: in that process
    /// at once, and in others as soon as they ask for the marker, which it has replaced.
    pub(super) unreadable: u64,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) written: Vec<Written>,
    /// The stage of its rotation that a process is in.
    pub(super) stages: [usize; PROCESSES],
    /// The step of its last start: what it knew of invalidations before is forgotten.
    pub(super) started: [usize; PROCESSES],
    /// For a process, home and key: the step of the last write or delete that it has finished.
    pub(super) finished: HashMap<Who, usize>,
    /// For a process, home and whether all or the tag: the step of the last invalidation.
    pub(super) invalid: HashMap<(usize, usize, bool), usize>,
    /// For a process, home and key: the last write, if it has left its value in memory.
    pub(super) in_memory: HashMap<Who, InMemory>,
    /// For a process, home and key: when a function failed last, by the wall.
    pub(super) failed: HashMap<Who, u64>,
    /// Where a write was given up that a later set or delete has not waited for. It supersedes what is computed meanwhile.
    pub(super) under_way: HashSet<Who>,
    pub(super) now: usize,
}

impl Model {
    pub(super) fn write(&mut self, (process, home, key): Who, tagged: bool, wall: u64) -> usize {
        let (master, _) = STAGES[self.stages[process]];
        let (stale, given_up, step) = (STALE, None, self.now);
        self.written.push(Written { home, key, tagged, master, stale, given_up, step, wall });
        self.written.len() - 1
    }

    /// A function ran and gave the next value, or failed.
    pub(super) fn ran(&mut self, who: Who, tagged: bool, ok: bool, wall: u64) {
        if ok {
            self.write(who, tagged, wall);
            if !self.under_way.contains(&who) {
                self.finished.insert(who, self.now);
            }
        } else {
            self.failed.insert(who, wall);
        }
    }

    /// The last write of this process has left its value in memory, unless another write is under way.
    pub(super) fn keeps(&mut self, who: Who, tagged: bool, wall: u64, unreadable: u64) {
        let (master, _) = STAGES[self.stages[who.0]];
        if !self.under_way.contains(&who) {
            self.in_memory.insert(who, InMemory { step: self.now, wall, tagged, master, unreadable });
        }
    }

    /// The step of the last write whose value memory must hold, whatever the store does.
    pub(super) fn in_memory(
        &self,
        who @ (process, home, _): Who,
        wall: u64,
        unreadable: u64,
    ) -> Option<usize> {
        let kept = self.in_memory.get(&who)?;
        let invalid = self
            .invalid
            .iter()
            .any(|((_, of, all), step)| *of == home && (*all || kept.tagged) && kept.step <= *step);
        let usable = !invalid && self.accepts(process, kept.master);
        let holds = wall < kept.wall + L1_TTL && usable && unreadable == kept.unreadable;
        holds.then_some(kept.step)
    }

    /// A set or delete has ended well.
    pub(super) fn wrote(&mut self, who: Who) {
        self.finished.insert(who, self.now);
        self.under_way.remove(&who);
    }

    /// A process goes on with other keys; `live`: with what it has in memory.
    pub(super) fn rotated(&mut self, process: usize, stage: usize, live: bool) {
        self.stages[process] = stage;
        // What was not accepted for a while may have been pushed out.
        self.in_memory.retain(|who, _| who.0 != process);
        if !live {
            self.started[process] = self.now;
            self.failed.retain(|who, _| who.0 != process);
            self.under_way.retain(|who| who.0 != process);
        }
    }

    fn accepts(&self, process: usize, master: usize) -> bool {
        let (seals, accepted) = STAGES[self.stages[process]];
        seals == master || accepted.contains(&master)
    }

    /// Whether a stale value may stand in without another try.
    pub(super) fn pauses(&self, who: Who, wall: u64) -> bool {
        self.failed.get(&who).is_some_and(|failed| wall < failed + PAUSE)
    }

    /// Whether the boundary may open this value; `stale`: also past its ttl.
    pub(super) fn opens(&self, who: Who, value: usize, wall: u64, stale: bool) -> Result<&Written, String> {
        let (process, home, key) = who;
        let Some(written) = self.written.get(value) else { return Err(format!("{value} was never written")) };
        if (written.home, written.key) != (home, key) {
            return Err(format!("value {value} of another place at {who:?}"));
        }
        if !self.accepts(process, written.master) {
            return Err(format!("value {value} at {who:?} was sealed by a key that is not accepted"));
        }
        if wall >= written.wall + TTL + if stale { written.stale } else { 0 } {
            return Err(format!("value {value} at {who:?} has ended"));
        }
        Ok(written)
    }

    /// Whether the cache of this process may return this value at all; `stale`: also past its ttl.
    pub(super) fn check(
        &self,
        who: Who,
        value: usize,
        wall: u64,
        stale: bool,
        sure: Sure,
    ) -> Result<(), String> {
        let (process, home, _) = who;
        let written = self.opens(who, value, wall, stale)?;
        for (all, hits) in [(true, true), (false, written.tagged)] {
            let known =
                self.invalid.get(&(process, home, all)).filter(|step| **step >= self.started[process]);
            if hits && known.is_some_and(|step| written.step <= *step) {
                return Err(format!("value {value} at {who:?} was invalidated"));
            }
        }
        let known = written.given_up.is_none_or(|by| by == process);
        let finished = match sure {
            Sure::Honest => self.finished.get(&who).copied(),
            Sure::Memory { unreadable } => self.in_memory(who, wall, unreadable),
            Sure::Nothing => None,
        };
        if known && finished.is_some_and(|step| written.step < step) {
            return Err(format!("value {value} at {who:?} is older than a finished write"));
        }
        Ok(())
    }
}

/// What keeps a process from seeing values older than its own.
#[derive(Clone, Copy)]
pub(super) enum Sure {
    /// The store does not lie.
    Honest,
    /// Memory, as long as it holds the value. So many entries could not be read.
    Memory {
        unreadable: u64,
    },
    Nothing,
}
