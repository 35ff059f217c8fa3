//! What is known of one key: who leads, what was published, whose turn it is to write, and who waits.

use std::{any::Any, collections::BTreeMap, sync::Arc, task::Waker};

use super::{
    AtomicUsize, Mutex,
    table::{Seat, SlotKey, Slots, lock},
};

/// A value on its way from a leader to those who wait.
pub(crate) type Published = Arc<dyn Any + Send + Sync>;

/// The state of one key, alone behind its lock.
pub(super) struct Slot {
    pub(super) key: SlotKey,
    pub(super) home: Arc<Slots>,
    pub(super) seats: AtomicUsize,
    state: Mutex<State>,
}

impl Slot {
    /// A slot with one seat taken.
    pub(super) fn new(key: SlotKey, home: Arc<Slots>) -> Self {
        Self { key, home, seats: AtomicUsize::new(1), state: Mutex::default() }
    }

    /// Looks at the state or changes it, and wakes whom it then lets go on. A closure of a caller in `change` runs before
    /// anything is changed, since it may panic.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = {
            let mut state = lock(&self.state);
            let result = change(&mut state, &mut after);
            state.rouse(&mut after);
            result
        };
        after.woken.into_iter().for_each(Waker::wake);
        result
    }
}

/// What waits until the lock is free: foreign code, which could come back to this slot.
#[derive(Default)]
pub(super) struct After {
    woken: Vec<Waker>,
    replaced: Option<Waker>,
    retracted: Option<Published>,
}

/// Numbers are given once: to leaders, to those who wait, to pens and to versions.
#[derive(Default)]
pub(super) struct State {
    numbers: u64,
    /// Changes whenever something was, or may have been, written.
    pub(super) version: u64,
    /// Who computes, or has published and is not done.
    pub(super) leader: Option<u64>,
    /// What the leader hands out.
    pub(super) published: Option<Published>,
    /// Who writes to the store. While somebody waits for it, the pen is not free.
    pub(super) pen: Option<u64>,
    /// Wait for a published value, or to lead.
    pub(super) waiters: Line,
    /// Wait until the leader is done.
    pub(super) bystanders: Line,
    /// Sets and deletes that wait for the pen. It is given to the first.
    pub(super) writers: Line,
    /// Leaders that found the pen taken, whose end supersedes them: until then they hand out what they published.
    pub(super) publishers: Line,
}

impl State {
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn lead(&mut self) -> Option<u64> {
        if self.leader.is_some() {
            return None;
        }
        self.leader = Some(self.number());
        self.leader
    }

    /// Hands a value of the leader to all who wait.
    pub(super) fn publish(&mut self, value: Published, after: &mut After) {
        after.retracted = self.published.replace(value);
        self.waiters.rouse_all(after);
    }

    /// The leader is done, or too late like every read that began before this.
    pub(super) fn supersede(&mut self, after: &mut After) {
        self.version = self.number();
        self.leader = None;
        after.retracted = self.published.take();
        self.bystanders.rouse_all(after);
        self.publishers.rouse_all(after);
    }

    /// Whether what was read from the store since `version` can be put into L1. While somebody writes or is about to it
    /// cannot, for it may be what was there before.
    pub(super) fn is_still(&self, version: u64) -> bool {
        self.version == version && self.pen.is_none() && self.published.is_none()
    }

    pub(super) fn take_pen(&mut self) -> Option<u64> {
        if self.pen.is_some() {
            return None;
        }
        self.pen = Some(self.number());
        self.pen
    }

    /// The end of a set or delete. Who leads, or reads, can have seen what was in the store before it.
    pub(super) fn put_down(&mut self, after: &mut After) {
        self.pen = None;
        self.supersede(after);
    }

    /// Whom the state lets go on.
    fn rouse(&mut self, after: &mut After) {
        if self.leader.is_none() {
            self.waiters.rouse_first(after);
        }
        if self.pen.is_none() {
            self.pen = self.writers.call_first(after);
        }
    }
}

/// Those who wait for one thing, in the order of their numbers; without a waker who has been woken and not yet run.
#[derive(Default)]
pub(super) struct Line(BTreeMap<u64, Option<Waker>>);

impl Line {
    pub(super) fn park(&mut self, number: u64, waker: Waker, after: &mut After) {
        after.replaced = self.0.insert(number, Some(waker)).flatten();
    }

    pub(super) fn leave(&mut self, number: u64, after: &mut After) {
        after.replaced = self.0.remove(&number).flatten();
    }

    /// The first stays in line until it runs: dropped before that, it leaves, and the next is woken.
    fn rouse_first(&mut self, after: &mut After) {
        if let Some(mut first) = self.0.first_entry() {
            after.woken.extend(first.get_mut().take());
        }
    }

    fn rouse_all(&mut self, after: &mut After) {
        after.woken.extend(std::mem::take(&mut self.0).into_values().flatten());
    }

    /// The first leaves the line and goes on under its number.
    fn call_first(&mut self, after: &mut After) -> Option<u64> {
        let (number, waker) = self.0.pop_first()?;
        after.woken.extend(waker);
        Some(number)
    }
}

/// Calls at a seat that look at the state once.
impl Seat {
    /// What a read of the store begins under, for [`Seat::still`].
    pub(crate) fn version(&self) -> u64 {
        self.slot.change(|state, _| state.version)
    }

    /// Runs `then` under the lock unless something was, or is being, written since `version`. `then` must not come back here.
    pub(crate) fn still<R>(&self, version: u64, then: impl FnOnce() -> R) -> Option<R> {
        self.slot.change(|state, _| state.is_still(version).then(then))
    }
}
