//! Servers of the contract of `HttpBackend`: nginx with WebDAV, nginx with Lua and a Redis, and one of the tests.

mod contract;
mod dav;
mod lua;
mod misdeed;
mod nginx;

use std::time::Duration;

use blindcache::{HttpBackend, HttpBuilder};

pub use self::{
    contract::{Contract, Speaks},
    dav::Dav,
    lua::Lua,
    misdeed::Misdeed,
};
use crate::LIMIT;

/// A limit that a busy machine does not meet.
const PATIENT: Duration = Duration::from_secs(20);

/// The limit of the fault tests: those on connecting and on a response are one here.
const IMPATIENT: Duration = LIMIT.saturating_mul(2);

/// A backend for plain HTTP on this port, with the short limit of the fault tests.
pub fn impatient(port: u16) -> HttpBackend {
    plain(port).timeout(IMPATIENT).build().unwrap()
}

fn plain(port: u16) -> HttpBuilder {
    HttpBackend::builder(&format!("http://127.0.0.1:{port}")).timeout(PATIENT)
}
