//! One computation at a time for a key, and one order of this process's writes to it.
//!
//! Every call takes a `Seat` at the `Slot` of its key; the table `Slots` has a slot as long as somebody sits there. In a slot
//! one `Leader` computes, publishes to those who wait, and then writes to the store; a set or delete (`Writing`) supersedes
//! it. What a slot knows is a plain `State` behind a lock that is held for moments. A future that waits stands in a line of
//! that state and holds nothing else: dropped, it leaves the line.
//!
//! Wake-ups follow from the state, not from events: after each change [`Slot::change`](slot::Slot::change) looks whom the new
//! state lets go on, and wakes them once the lock is free. So a waiter that was woken and dropped costs nobody else a wake-up.

// In `schedules` the same files run on shuttle's lock and counter.
use std::sync::atomic::AtomicUsize;

use crate::sync::{Mutex, MutexGuard};

mod leader;
mod slot;
mod table;
mod write;

pub(super) use leader::{Leader, Turn};
pub(super) use slot::Published;
pub(super) use table::{Seat, SlotKey, Slots};
#[cfg(test)]
use write::{WriteTurn, Writing};

#[cfg(test)]
mod control;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;
