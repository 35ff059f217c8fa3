//! What `Cache` promises. Waits are tokio's paused time, wall time is a clock set by hand.
#![cfg(feature = "l1")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers, which clippy does not take for tests

mod absence;
mod basics;
mod batch;
mod batch_flight;
mod dropped;
mod flight;
mod freshness;
mod given_up;
mod invalidate;
mod limits;
mod memory;
mod newest;
mod pause;
mod races;
mod refresh;
mod rotation;
mod store;
mod strict;
mod tags;
mod tenants;
mod trouble;
mod untrusted;
