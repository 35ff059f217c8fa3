//! `HttpBackend` on nginx with WebDAV, on nginx with Lua and Redis, and on a server of the tests that misbehaves.

#![allow(clippy::unwrap_used)]

mod suites;
