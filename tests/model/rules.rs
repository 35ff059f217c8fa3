//! What was written and when, and which value a call may return by it.

use std::collections::{HashMap, HashSet};

use blindcache::Cache;

/// A process, a tenant (the third is the first in another namespace), a key.
pub(super) type Who = (usize, usize, u8);

pub(super) const TTL: u64 = 3_000;
pub(super) const STALE: u64 = 2_000;
/// How long memory is believed without the store: longer than a value is fresh.
pub(super) const L1_TTL: u64 = 3_800;
/// How long a stale value stands in once the function has failed.
pub(super) const PAUSE: u64 = 700;
pub(super) const KEYS: u8 = 3;

/// One value that was ever written, whose number is its place in the list.
pub(super) struct Written {
    pub(super) tenant: usize,
    pub(super) key: u8,
    pub(super) tagged: bool,
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
    /// What the process could not read until then: with a marker among it, what is in memory is invalid.
    pub(super) unreadable: u64,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) written: Vec<Written>,
    /// For a process, tenant and key: the step of the last write or delete that it has finished.
    pub(super) finished: HashMap<Who, usize>,
    /// For a process, tenant and whether all or the tag: the step and the wall time of the last invalidation.
    pub(super) invalid: HashMap<(usize, usize, bool), usize>,
    /// For a process, tenant and key: the last write, if it has left its value in memory.
    pub(super) in_memory: HashMap<Who, InMemory>,
    /// For a process, tenant and key: when a function failed last, by the wall.
    pub(super) failed: HashMap<Who, u64>,
    /// Where a write was given up that a later set or delete has not waited for. It supersedes what is computed meanwhile.
    pub(super) under_way: HashSet<Who>,
    pub(super) now: usize,
}

impl Model {
    pub(super) fn write(&mut self, (_, tenant, key): Who, tagged: bool, wall: u64) -> usize {
        self.written.push(Written { tenant, key, tagged, given_up: None, step: self.now, wall });
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
    pub(super) fn keeps(&mut self, who: Who, tagged: bool, wall: u64, cache: &Cache) {
        let unreadable = cache.stats().unreadable;
        if !self.under_way.contains(&who) {
            self.in_memory.insert(who, InMemory { step: self.now, wall, tagged, unreadable });
        }
    }

    /// The step of the last write whose value memory must hold, whatever the store does.
    pub(super) fn in_memory(&self, who @ (_, tenant, _): Who, wall: u64, cache: &Cache) -> Option<usize> {
        let kept = self.in_memory.get(&who)?;
        let invalid = self
            .invalid
            .iter()
            .any(|((_, of, all), step)| *of == tenant && (*all || kept.tagged) && kept.step <= *step);
        let holds = wall < kept.wall + L1_TTL && !invalid && cache.stats().unreadable == kept.unreadable;
        holds.then_some(kept.step)
    }

    /// A set or delete has ended well.
    pub(super) fn wrote(&mut self, who: Who) {
        self.finished.insert(who, self.now);
        self.under_way.remove(&who);
    }

    /// Whether a stale value may stand in without another try.
    pub(super) fn pauses(&self, who: Who, wall: u64) -> bool {
        self.failed.get(&who).is_some_and(|failed| wall < failed + PAUSE)
    }

    /// Whether this process may get this value at all; `stale`: also past its ttl.
    pub(super) fn check(
        &self,
        who: Who,
        value: usize,
        wall: u64,
        stale: bool,
        sure: Sure<'_>,
    ) -> Result<(), String> {
        let (process, tenant, key) = who;
        let Some(written) = self.written.get(value) else { return Err(format!("{value} was never written")) };
        if (written.tenant, written.key) != (tenant, key) {
            return Err(format!("value {value} of another place at {who:?}"));
        }
        let ends = written.wall + TTL + if stale { STALE } else { 0 };
        if wall >= ends {
            return Err(format!("value {value} at {who:?} has ended"));
        }
        for (all, hits) in [(true, true), (false, written.tagged)] {
            let invalid = self.invalid.get(&(process, tenant, all)).copied();
            if hits && invalid.is_some_and(|step| written.step <= step) {
                return Err(format!("value {value} at {who:?} was invalidated"));
            }
        }
        let known = written.given_up.is_none_or(|by| by == process);
        let finished = match sure {
            Sure::Honest => self.finished.get(&who).copied(),
            Sure::Memory(cache) => self.in_memory(who, wall, cache),
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
pub(super) enum Sure<'a> {
    /// The store does not lie.
    Honest,
    /// Memory, as long as it holds the value.
    Memory(&'a Cache),
    Nothing,
}
