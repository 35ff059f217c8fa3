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
    pub(super) hash: u64,
    pub(super) home: Arc<Slots>,
    pub(super) seats: AtomicUsize,
    state: Mutex<State>,
}

impl Slot {
    /// A slot with one seat taken.
    pub(super) fn new(key: SlotKey, hash: u64, home: Arc<Slots>) -> Self {
        Self { key, hash, home, seats: AtomicUsize::new(1), state: Mutex::default() }
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
    discarded: Option<Publication>,
}

/// Numbers are given once: to leaders, to what they publish, to those who wait, to pens and to versions.
#[derive(Default)]
pub(super) struct State {
    numbers: u64,
    /// Changes whenever something was, or may have been, written.
    pub(super) version: u64,
    /// Who computes, or has published and is not done.
    pub(super) leader: Option<u64>,
    /// What was handed out last.
    pub(super) published: Option<Publication>,
    /// Who writes to the store. While somebody waits for it, the pen is not free.
    pub(super) pen: Option<u64>,
    /// Wait for a published value, or to lead.
    pub(super) waiters: Line,
    /// Sets and deletes that wait for the pen. It is given to the first.
    pub(super) writers: Line,
    /// Leaders that found the pen taken, whose end supersedes them: until then they hand out what they published.
    pub(super) publishers: Line,
}

/// A value for all who come while its leader leads, and for those who waited when it was published, whenever they run.
pub(super) struct Publication {
    number: u64,
    by: u64,
    value: Published,
    takers: Line,
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

    /// Whether somebody would take what is published now, and has not been handed anything better.
    pub(super) fn is_awaited(&self) -> bool {
        self.published.is_some() || !self.waiters.0.is_empty()
    }

    /// Hands a value of the leader to all who wait.
    pub(super) fn publish(&mut self, by: u64, value: Published, after: &mut After) {
        self.waiters.rouse_all(after);
        let mut takers = std::mem::take(&mut self.waiters);
        after.discarded = self.published.take();
        if let Some(last) = &mut after.discarded {
            takers.0.append(&mut last.takers.0);
        }
        self.published = Some(Publication { number: self.number(), by, value, takers });
    }

    /// What a call can take: one that waits under this number, and has refused a publication.
    pub(super) fn offer(&self, number: Option<u64>, refused: Option<u64>) -> Option<(u64, Published)> {
        let Publication { number: publication, by, value, takers } = self.published.as_ref()?;
        let waited = number.is_some_and(|number| takers.0.contains_key(&number));
        let offered = refused != Some(*publication) && (waited || self.leader == Some(*by));
        offered.then(|| (*publication, Arc::clone(value)))
    }

    /// A call that waited leaves. The value goes with the last who can take it.
    pub(super) fn leave(&mut self, number: u64, after: &mut After) {
        self.waiters.leave(number, after);
        if let Some(published) = &mut self.published {
            published.takers.leave(number, after);
        }
        self.tidy(after);
    }

    /// The leader is done. Like a write it counts for reads that began before.
    pub(super) fn resign(&mut self, after: &mut After) {
        self.version = self.number();
        self.leader = None;
        self.publishers.rouse_all(after);
        self.tidy(after);
    }

    /// The leader, what it has published, and all that was read before this come too late.
    pub(super) fn supersede(&mut self, after: &mut After) {
        self.resign(after);
        after.discarded = self.published.take().or(after.discarded.take());
    }

    fn tidy(&mut self, after: &mut After) {
        if let Some(published) = &self.published
            && published.takers.0.is_empty()
            && self.leader != Some(published.by)
        {
            after.discarded = self.published.take();
        }
    }

    /// Whether what was read from the store since `version` can be put into L1. While somebody writes or is about to it
    /// cannot, for it may be what was there before.
    pub(super) fn is_still(&self, version: u64) -> bool {
        self.version == version && self.pen.is_none() && !self.leader_has_published()
    }

    fn leader_has_published(&self) -> bool {
        self.published.as_ref().is_some_and(|published| self.leader == Some(published.by))
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
        after.replaced = self.0.remove(&number).flatten().or(after.replaced.take());
    }

    /// The first stays in line until it runs: dropped before that, it leaves, and the next is woken.
    fn rouse_first(&mut self, after: &mut After) {
        if let Some(mut first) = self.0.first_entry() {
            after.woken.extend(first.get_mut().take());
        }
    }

    fn rouse_all(&mut self, after: &mut After) {
        after.woken.extend(self.0.values_mut().filter_map(Option::take));
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
