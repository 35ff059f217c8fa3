//! `FileBackend`: its directory, what else stands there, other processes, the sweep.
#![cfg(unix)]

mod contract;
mod hostile;
mod processes;
mod sweep;
mod tools;
