//! Which calls came before which: what a read may still return, whatever overlapped.

use std::sync::{Mutex, MutexGuard};

/// Calls that write, each with when it began and ended. A value is the place of its write in the list.
#[derive(Default)]
pub(super) struct Record(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    now: u64,
    writes: Vec<Write>,
}

struct Write {
    begin: u64,
    /// None: it has not ended, or was dropped.
    end: Option<u64>,
    /// Whether it replaces what was there before for certain. A computed value may not have been kept.
    kept: bool,
}

impl Record {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        let mut calls = self.0.lock().unwrap();
        calls.now += 1;
        calls
    }

    pub(super) fn now(&self) -> u64 {
        self.calls().now
    }

    pub(super) fn begin(&self, kept: bool) -> u64 {
        let mut calls = self.calls();
        let write = Write { begin: calls.now, end: None, kept };
        calls.writes.push(write);
        calls.writes.len() as u64 - 1
    }

    pub(super) fn end(&self, write: u64) {
        let mut calls = self.calls();
        let now = calls.now;
        calls.writes[write as usize].end = Some(now);
    }

    /// Of a read that began then: no value whose write had ended before another began that has ended by then.
    pub(super) fn check(&self, value: u64, since: u64) {
        let calls = self.calls();
        let Some(over) = calls.writes[value as usize].end else { return };
        let later =
            |write: &Write| write.kept && write.begin > over && write.end.is_some_and(|end| end < since);
        let overwritten = calls.writes.iter().position(later);
        assert!(overwritten.is_none(), "{value} was read after {overwritten:?} had replaced it");
    }
}
