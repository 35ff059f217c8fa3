//! Locks. In the tests of this crate a scheduler can decide who gets them: `cache::schedules`, `layer::schedules`.

#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, feature = "l1"))]
pub(crate) use self::scheduled::point;
#[cfg(test)]
pub(crate) use self::scheduled::{Mutex, MutexGuard};
#[cfg(test)]
pub(crate) mod scheduled;

/// Where a scheduler may let another thread go on: nothing, outside tests.
#[cfg(all(not(test), feature = "l1"))]
pub(crate) fn point() {}
