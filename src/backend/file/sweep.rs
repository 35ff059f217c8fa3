//! The sweep: what has expired, is torn or was left by a crash goes; of the rest the oldest, while there is too much.
//!
//! A pass looks at every file, a few at each step. On its way it adds up what the leaves hold, which other processes
//! change too, and remembers the oldest files; from these the steps after it remove while the total is above the cap.

use std::{
    collections::BinaryHeap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use rustix::fs::Stat;

use super::{
    error,
    place::{Kind, Leaf},
    regular::{cost, nanoseconds, stat_cost},
    store::Store,
};
use crate::error::BackendError;

/// Files that a step after a write looks at.
pub(super) const STEP: usize = 64;
/// How many of the oldest files a pass remembers: some 100 bytes each.
const OLDEST: usize = 16_384;
/// How many names of one leaf a pass looks at.
const NAMES: usize = 65_536;
/// When the file of a write that never ended is old. No write that somebody waits for takes so long.
pub(super) const TEMP_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// What is being written does not count; what is still not in its place after this time does.
const TEMP_COUNTS: Duration = Duration::from_secs(60);
/// A pass is due when this process has written this part of the cap since the last one.
const PART: u64 = 8;

/// What a whole sweep found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Entries that are there.
    pub entries: u64,
    /// Bytes that the files occupy, each rounded up to 4 KiB.
    pub bytes: u64,
    /// Files that were removed: expired, torn, left by a crash, or the oldest of too many.
    pub removed: u64,
}

/// When to sweep, and how far it has come. Shared by the clones of a backend; one thread at a time.
pub(super) struct Sweeper {
    max_bytes: u64,
    interval: Duration,
    /// Whether a thread tidies, or is about to.
    claimed: Arc<AtomicBool>,
    state: Mutex<State>,
}

/// The right to [`tidy`](Sweeper::tidy), given back when dropped: a file system that hangs keeps one thread.
pub(super) struct Claim(Arc<AtomicBool>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

#[derive(Default)]
struct State {
    pass: Option<Pass>,
    /// Of the last pass that ended; the oldest is the last.
    oldest: Vec<Candidate>,
    /// Whether that pass saw more files than it remembers.
    more: bool,
    /// When that pass began, Unix milliseconds.
    began: Option<u64>,
    passes: u64,
    swept: Swept,
    /// What first failed in that pass, or in a removal after it. Another thread than the sweep's may have met it.
    failed: Option<Arc<BackendError>>,
}

/// A pass on its way.
#[derive(Default)]
struct Pass {
    began: u64,
    leaf: Option<Leaf>,
    /// Of that leaf, those still to look at.
    files: Vec<Candidate>,
    oldest: BinaryHeap<Candidate>,
    more: bool,
    swept: Swept,
    failed: Option<Arc<BackendError>>,
}

/// A file that may have to go. The order is by age.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    written: i128,
    leaf: Leaf,
    name: Box<str>,
}

impl Sweeper {
    pub(super) fn new(max_bytes: u64, interval: Duration) -> Self {
        Self { max_bytes, interval, claimed: Arc::default(), state: Mutex::default() }
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// For one thread, if there is something to do now that nobody does. Never waits.
    pub(super) fn claim_due(&self, store: &Store) -> Option<Claim> {
        let claim = self.claim()?;
        self.is_due(store).then_some(claim)
    }

    fn claim(&self) -> Option<Claim> {
        (!self.claimed.swap(true, SeqCst)).then(|| Claim(self.claimed.clone()))
    }

    fn is_due(&self, store: &Store) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let can_remove = self.is_over(store) && state.can_remove();
        can_remove || state.pass.is_some() || self.owes_a_pass(&state, store)
    }

    /// One step after a write; further ones while there is too much, at most until every file was looked at once, and
    /// until the first pass has ended: before it nothing is known of what others wrote, and a process that writes
    /// little would never know.
    pub(super) fn tidy(&self, store: &Store, mut claim: Claim) {
        let before = self.lock().passes;
        loop {
            let (no_more, knows) = {
                let mut state = self.lock();
                // What cannot be removed now may be later: the next pass tries again.
                self.step(&mut state, store, STEP);
                let no_more = state.is_idle() || state.oldest.is_empty() && state.passes > before + 1;
                (no_more, state.began.is_some())
            };
            if no_more {
                return;
            }
            if !knows || self.is_over(store) {
                continue;
            }
            drop(claim);
            // Asked without the claim: who wrote while it was held may have left the rest to this thread.
            match self.claim().filter(|_| self.is_over(store)) {
                Some(again) => claim = again,
                None => return,
            }
        }
    }

    /// Begins a pass, and gives its number. What is too much goes when it has ended.
    pub(super) fn begin(&self, store: &Store) -> u64 {
        let mut state = self.lock();
        state.oldest.clear();
        state.start(store);
        state.passes + 1
    }

    /// One step of the pass of this number. `Some` when it has ended, whole, and there is not too much; the first failure
    /// when there is no more to do without it.
    pub(super) fn advance(
        &self,
        store: &Store,
        number: u64,
        files: usize,
    ) -> Result<Option<Swept>, BackendError> {
        let mut state = self.lock();
        self.step(&mut state, store, files);
        // Not pass after pass for what cannot be removed.
        let can_remove = if state.failed.is_none() { state.can_remove() } else { !state.oldest.is_empty() };
        if state.passes < number || self.is_over(store) && can_remove {
            return Ok(None);
        }
        match &state.failed {
            Some(failure) => Err(error::incomplete(failure)),
            None => Ok(Some(Swept { bytes: store.ledger.total(), ..state.swept })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, store: &Store) -> bool {
        store.ledger.total() > self.max_bytes
    }

    fn owes_a_pass(&self, state: &State, store: &Store) -> bool {
        let Some(began) = state.began else { return true };
        store.clock.now().abs_diff(began) >= u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX)
            || store.ledger.written() >= self.max_bytes / PART
            || self.is_over(store) && state.oldest.is_empty() && state.more
    }

    /// Removes and looks at so many files at most, and opens no more leaves than that. One that fails keeps no other from it.
    fn step(&self, state: &mut State, store: &Store, files: usize) {
        for _ in 0..files {
            if self.is_over(store)
                && let Some(candidate) = state.oldest.pop()
            {
                match candidate.remove(store) {
                    Ok(removed) => {
                        state.swept.removed += u64::from(removed);
                        state.swept.entries = state.swept.entries.saturating_sub(removed.into());
                    }
                    Err(err) => _ = state.failed.get_or_insert_with(|| Arc::new(err)),
                }
            } else if let Some(pass) = &mut state.pass {
                match pass.advance(store) {
                    Ok(true) => {}
                    Ok(false) => state.finish(),
                    Err(err) => _ = pass.failed.get_or_insert_with(|| Arc::new(err)),
                }
            } else if self.owes_a_pass(state, store) {
                state.start(store);
            } else {
                break;
            }
        }
    }
}

impl State {
    fn start(&mut self, store: &Store) {
        store.ledger.take_written();
        self.pass = Some(Pass { began: store.clock.now(), ..Pass::default() });
    }

    fn finish(&mut self) {
        let Pass { began, oldest, more, swept, failed, .. } = mem::take(&mut self.pass).unwrap_or_default();
        self.oldest = oldest.into_sorted_vec();
        self.oldest.reverse();
        (self.began, self.more, self.swept, self.failed) = (Some(began), more, swept, failed);
        self.passes += 1;
    }

    fn can_remove(&self) -> bool {
        !self.oldest.is_empty() || self.more
    }

    fn is_idle(&self) -> bool {
        self.pass.is_none() && !self.can_remove()
    }
}

impl Pass {
    /// Looks at one more file or lists another leaf. Whether there is more to do.
    fn advance(&mut self, store: &Store) -> Result<bool, BackendError> {
        if let Some(file) = self.files.pop() {
            self.look(store, file)?;
            return Ok(true);
        }
        self.leaf = Leaf::after(self.leaf);
        let Some(leaf) = self.leaf else { return Ok(false) };
        self.list(store, leaf)?;
        Ok(true)
    }

    /// What a leaf holds. Nothing changes it meanwhile, among the clones of one backend, so the sum is exact.
    fn list(&mut self, store: &Store, leaf: Leaf) -> Result<(), BackendError> {
        let mut account = store.ledger.account(leaf);
        let mut bytes = 0;
        if let Some(dir) = store.root.leaf(leaf)? {
            for name in dir.names(NAMES)? {
                let kind = Kind::of(&name);
                let Some(stat) = dir.stat(&name).filter(|_| kind != Kind::Foreign) else { continue };
                let written = written(&stat);
                if kind == Kind::Entry || written < before(store, TEMP_COUNTS) {
                    bytes += stat_cost(&stat);
                    self.files.push(Candidate { written, leaf, name });
                }
            }
        }
        account.seen(bytes);
        Ok(())
    }

    fn look(&mut self, store: &Store, file: Candidate) -> Result<(), BackendError> {
        if Kind::of(&file.name) == Kind::Entry {
            return self.look_at_entry(store, file);
        }
        if file.written < before(store, TEMP_AGE) {
            self.swept.removed += u64::from(file.remove(store)?);
        }
        Ok(())
    }

    fn look_at_entry(&mut self, store: &Store, file: Candidate) -> Result<(), BackendError> {
        let Some(dir) = store.root.leaf(file.leaf)? else { return Ok(()) };
        // No write of this process comes between the look and the removal.
        let mut account = store.ledger.account(file.leaf);
        let Some(found) = dir.find(&file.name)? else { return Ok(()) };
        let header = found.header().map_err(error::io)?;
        if header.is_some_and(|header| header.is_live(store.clock.now())) {
            self.swept.entries += 1;
            self.remember(Candidate { written: found.written, ..file });
        } else if dir.remove(&file.name)? {
            self.swept.removed += 1;
            account.removed(cost(found.size));
        }
        Ok(())
    }

    /// Keeps the oldest of all.
    fn remember(&mut self, candidate: Candidate) {
        if self.oldest.len() < OLDEST {
            self.oldest.push(candidate);
            return;
        }
        self.more = true;
        if let Some(mut newest) = self.oldest.peek_mut()
            && candidate < *newest
        {
            *newest = candidate;
        }
    }
}

impl Candidate {
    #[cfg(test)]
    pub(super) fn new(written: i128, super::place::Place { leaf, name }: super::place::Place) -> Self {
        Self { written, leaf, name }
    }

    /// Whether it was removed: not what was written anew since it was seen.
    pub(super) fn remove(&self, store: &Store) -> Result<bool, BackendError> {
        let Some(dir) = store.root.leaf(self.leaf)? else { return Ok(false) };
        let mut account = store.ledger.account(self.leaf);
        let Some(stat) = dir.stat(&self.name) else { return Ok(false) };
        if written(&stat) != self.written || !dir.remove(&self.name)? {
            return Ok(false);
        }
        account.removed(stat_cost(&stat));
        Ok(true)
    }
}

/// So long ago, in nanoseconds after 1970.
fn before(store: &Store, time: Duration) -> i128 {
    i128::from(store.clock.now()) * 1_000_000 - nanoseconds(time.as_secs(), 0)
}

fn written(stat: &Stat) -> i128 {
    nanoseconds(stat.st_mtime, stat.st_mtime_nsec)
}
