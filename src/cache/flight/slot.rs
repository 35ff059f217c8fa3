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

/// What happens once the lock is free: foreign code that could come back to this slot.
#[derive(Default)]
pub(super) struct After {
    woken: Vec<Waker>,
    pub(super) unparked: Option<Waker>,
    discarded: Option<Publication>,
}

/// Numbers come from one counter: of leaders, of those who wait or write, and of versions.
#[derive(Default)]
pub(super) struct State {
    numbers: u64,
    /// Changes with each write to the key, and before and after it.
    pub(super) version: u64,
    /// Who computes.
    pub(super) leader: Option<u64>,
    /// What a leader handed out, until that leader is dropped.
    pub(super) published: Option<Publication>,
    /// Who writes to the store.
    pub(super) writing: Option<Pen>,
    /// Wait for a published value, or to lead.
    pub(super) waiters: Line,
    /// Wait until a leader is done.
    pub(super) bystanders: Line,
    /// Set or delete, and wait for the turn to write, first come first served.
    pub(super) writers: Line,
    /// Published, and wait for the turn to write: after all `writers`, each of which supersedes them.
    pub(super) publishers: Line,
}

pub(super) struct Publication {
    pub(super) by: u64,
    pub(super) value: Published,
}

/// The turn to write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pen {
    Leader(u64),
    Writer(u64),
}

impl State {
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn is_current(&self, leader: u64) -> bool {
        self.leader == Some(leader) || self.has_published(leader)
    }

    pub(super) fn has_published(&self, leader: u64) -> bool {
        self.published.as_ref().is_some_and(|published| published.by == leader)
    }

    pub(super) fn lead(&mut self) -> u64 {
        let leader = self.number();
        self.leader = Some(leader);
        leader
    }

    /// A read that began before this puts nothing into L1.
    pub(super) fn touch(&mut self) {
        self.version = self.number();
    }

    /// Whether a read that ends now may be put into L1: between a publication and the end of its write, and during a set or
    /// delete, the store can still give what was there before.
    pub(super) fn is_still(&self, version: u64) -> bool {
        self.version == version && self.writing.is_none() && self.published.is_none()
    }

    pub(super) fn publish(&mut self, by: u64, value: Published, after: &mut After) {
        self.leader = None;
        self.retract(after);
        self.published = Some(Publication { by, value });
        self.waiters.rouse_all(after);
    }

    /// The published value is no longer handed out, and its leader no longer current.
    pub(super) fn retract(&mut self, after: &mut After) {
        self.touch();
        after.discarded = self.published.take();
        self.bystanders.rouse_all(after);
        self.publishers.rouse_all(after);
    }

    /// The leader that computes is no longer current.
    pub(super) fn depose(&mut self, after: &mut After) {
        self.leader = None;
        self.bystanders.rouse_all(after);
    }

    /// Every leader and every read that began before this comes too late.
    pub(super) fn supersede(&mut self, after: &mut After) {
        self.depose(after);
        self.retract(after);
    }

    /// Wakes whom the state lets go on, and gives the turn to write to the first who waits for it.
    fn rouse(&mut self, after: &mut After) {
        if self.leader.is_none() {
            self.waiters.rouse_first(after);
        }
        if self.writing.is_none() {
            match self.writers.0.pop_first() {
                Some((writer, waker)) => {
                    self.writing = Some(Pen::Writer(writer));
                    after.woken.extend(waker);
                }
                None => self.publishers.rouse_all(after),
            }
        }
    }
}

/// Those who wait for one thing, in the order of their numbers; without a waker who has been woken and not yet run.
#[derive(Default)]
pub(super) struct Line(BTreeMap<u64, Option<Waker>>);

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    pub(super) fn park(&mut self, number: u64, waker: Waker, after: &mut After) {
        after.unparked = self.0.insert(number, Some(waker)).flatten();
    }

    pub(super) fn leave(&mut self, number: u64, after: &mut After) {
        after.unparked = self.0.remove(&number).flatten();
    }

    /// The first keeps its place until it has run: dropped instead, it makes way and the next is woken.
    fn rouse_first(&mut self, after: &mut After) {
        if let Some(mut first) = self.0.first_entry() {
            after.woken.extend(first.get_mut().take());
        }
    }

    fn rouse_all(&mut self, after: &mut After) {
        after.woken.extend(std::mem::take(&mut self.0).into_values().flatten());
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
