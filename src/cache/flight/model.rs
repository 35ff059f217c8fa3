//! A cache of one key, as small as it can be, over an honest store. It checks of itself that what it returns is never older
//! than a write that was finished before the call, and that no two writes meet.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use super::{Leader, Published, SlotKey, Slots, Turn, WriteTurn, chance, pause, thread};
use crate::sync::scheduled::at_most;

/// Values are stamps of one clock: a later value is a greater one.
#[derive(Default)]
pub(super) struct Model {
    pub(super) slots: Arc<Slots>,
    l1: Mutex<Option<u64>>,
    store: Mutex<Option<u64>>,
    clock: AtomicU64,
    /// The greatest stamp whose set, delete or computed write was finished.
    floor: AtomicU64,
    writing: AtomicBool,
    /// Calls that can supersede a leader: how many began, and how many ended.
    began: AtomicU64,
    ended: AtomicU64,
}

impl Model {
    /// One call of a random kind, dropped at a random await or not at all.
    pub(super) async fn call(&self) {
        let patience = if chance(3) { 1 + chance_below(6) } else { u64::MAX };
        match chance_below(6) {
            0 => at_most(patience, self.set()).await,
            1 => at_most(patience, self.delete()).await,
            2 => at_most(patience, self.get()).await,
            3 => at_most(patience, self.batch()).await,
            _ => at_most(patience, self.get_or_compute()).await,
        };
    }

    /// A computed write under way, and a set that supersedes it and is dropped before its turn: who leads or reads then can
    /// see the store before or after that write.
    pub(super) async fn call_around_a_dropped_set(&self, call: u64) {
        match call {
            0 => self.batch().await,
            1 => at_most(1, self.set()).await.unwrap_or_default(),
            2 => self.get().await,
            _ => self.get_or_compute().await,
        }
    }

    /// Something old in the store, and nothing in L1.
    pub(super) async fn fill(&self) {
        self.set().await;
        *self.l1.lock().unwrap() = None;
    }

    /// At the end, with nobody left: nothing is taken, and what is cached is not too old.
    pub(super) fn check(&self) {
        assert_eq!(self.slots.len(), 0);
        let floor = self.floor.load(SeqCst);
        self.seen(*self.l1.lock().unwrap(), floor);
        self.seen(*self.store.lock().unwrap(), floor);
    }

    async fn get_or_compute(&self) {
        let floor = self.floor.load(SeqCst);
        if let Some(value) = self.cached() {
            return self.seen(Some(value), floor);
        }
        let seat = self.slots.enter(key(1));
        let quiet = self.quiet();
        let usable = |value: &Published| if chance(8) { None } else { number(value) };
        match seat.lead_or(usable).await {
            Turn::Value(value) => self.seen(Some(value), floor),
            Turn::Lead(leader) => self.lead(leader, floor, quiet).await,
        }
    }

    async fn lead(&self, mut leader: Leader, floor: u64, quiet: Option<u64>) {
        let found = self.read().await;
        self.seen(found, floor);
        let found = found.filter(|_| !chance(3)); // or stale, to be computed again
        let value = found.unwrap_or_else(|| self.tick());
        if found.is_none() {
            pause().await;
            if chance(4) {
                return;
            }
        }
        let current = leader.publish(Arc::new(value), || *self.l1.lock().unwrap() = Some(value));
        assert!(current || quiet.is_none() || quiet != self.quiet(), "superseded by nobody");
        if found.is_none()
            && let Some(turn) = leader.write().await
        {
            assert!(current);
            let _call = self.began();
            self.put(Some(value)).await;
            self.finished(value, turn);
        }
    }

    fn finished(&self, value: u64, turn: WriteTurn) {
        drop(turn);
        self.floor.fetch_max(value, SeqCst);
    }

    async fn batch(&self) {
        let floor = self.floor.load(SeqCst);
        let seat = self.slots.enter(key(1));
        loop {
            let quiet = self.quiet();
            if let Some(leader) = seat.try_lead() {
                return self.lead(leader, floor, quiet).await;
            }
            drop(seat.lead_or(|_| Some(())).await);
            if let Some(value) = self.read().await {
                return self.seen(Some(value), floor);
            }
        }
    }

    async fn get(&self) {
        let floor = self.floor.load(SeqCst);
        let seat = self.slots.enter(key(1));
        let version = seat.version();
        let found = self.read().await;
        self.seen(found, floor);
        if let Some(value) = found {
            seat.still(version, || *self.l1.lock().unwrap() = Some(value));
        }
    }

    async fn set(&self) {
        let _call = self.began();
        let seat = self.slots.enter(key(1));
        let writing = seat.write().await;
        let value = self.tick();
        self.put(Some(value)).await;
        writing.finish(|| *self.l1.lock().unwrap() = Some(value));
        self.floor.fetch_max(value, SeqCst);
    }

    async fn delete(&self) {
        let _call = self.began();
        let seat = self.slots.enter(key(1));
        let writing = seat.write().await;
        let value = self.tick();
        self.put(None).await;
        writing.finish(|| *self.l1.lock().unwrap() = None);
        self.floor.fetch_max(value, SeqCst);
    }

    fn began(&self) -> impl Drop {
        struct Call<'a>(&'a AtomicU64);
        impl Drop for Call<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        self.began.fetch_add(1, SeqCst);
        Call(&self.ended)
    }

    /// How many calls that can supersede a leader there have been, unless one is under way.
    fn quiet(&self) -> Option<u64> {
        let ended = self.ended.load(SeqCst);
        Some(self.began.load(SeqCst)).filter(|&began| began == ended)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst) + 1
    }

    /// What L1 holds, which can be evicted.
    fn cached(&self) -> Option<u64> {
        let mut l1 = self.l1.lock().unwrap();
        if chance(4) {
            *l1 = None;
        }
        *l1
    }

    async fn read(&self) -> Option<u64> {
        pause().await;
        let found = *self.store.lock().unwrap();
        pause().await;
        found
    }

    async fn put(&self, value: Option<u64>) {
        struct Alone<'a>(&'a AtomicBool);
        impl Drop for Alone<'_> {
            fn drop(&mut self) {
                self.0.store(false, SeqCst);
            }
        }
        assert!(!self.writing.swap(true, SeqCst), "two writes to the store met");
        let _alone = Alone(&self.writing);
        while !chance(4) {
            pause().await; // for several reads
        }
        *self.store.lock().unwrap() = value;
        pause().await;
    }

    fn seen(&self, value: Option<u64>, floor: u64) {
        assert!(
            value.is_none_or(|value| value >= floor),
            "{value:?} is older than {floor}, which was finished"
        );
    }
}

/// Calls enter and leave one key, each alone while it leads.
pub(super) fn come_and_go() {
    let (slots, leading) = (Arc::new(Slots::default()), Arc::new(AtomicUsize::new(0)));
    let calls = (0..3).map(|_| {
        let (slots, leading) = (slots.clone(), leading.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                let leader = slots.enter(key(1)).try_lead();
                if leader.is_some() {
                    assert_eq!(leading.fetch_add(1, SeqCst), 0, "two lead");
                    thread::yield_now();
                    leading.fetch_sub(1, SeqCst);
                }
            }
        })
    });
    calls.collect::<Vec<_>>().into_iter().for_each(|call| call.join().unwrap());
    assert_eq!(slots.len(), 0);
}

/// A number below `end`, by the chances of the runtime: the schedules' or the test's.
fn chance_below(end: u64) -> u64 {
    (1..end).rev().find(|&n| chance(n + 1)).unwrap_or(0)
}

/// The scope decides nothing here; any byte string is a canonical key.
pub(super) fn key(number: u8) -> SlotKey {
    SlotKey { scope: [number; 16], key: Box::new([number]) }
}

pub(super) fn number(published: &Published) -> Option<u64> {
    published.downcast_ref().copied()
}
