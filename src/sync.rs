//! Locks. In the tests of this crate a scheduler can decide who gets them: `cache::schedules`, `layer::schedules`.

#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(test)]
pub(crate) use self::scheduled::{Mutex, MutexGuard, point};
#[cfg(test)]
pub(crate) mod scheduled;

/// Where a scheduler may let another thread go on: nothing, outside tests.
#[cfg(not(test))]
pub(crate) fn point() {}
