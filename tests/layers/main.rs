//! The layers: what each promises, and what they promise together. Time is paused throughout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers, which clippy does not take for tests

mod breaker;
mod limit;
mod probes;
mod retry;
mod script;
mod stack;
mod timeout;
