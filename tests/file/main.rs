//! `FileBackend`: its directory, what else stands there, other processes, the sweep.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers, which clippy does not take for tests

mod contract;
mod hostile;
mod processes;
mod sweep;
mod tools;
