//! What the tests against real servers share: starting servers, and proxies that misbehave.

mod calls;
mod certs;
pub mod cloudflare;
pub mod cluster;
pub mod dynamodb;
mod fake;
mod file;
mod flood;
pub mod http;
mod http_fake;
mod memcached;
pub mod process;
mod proxy;
pub mod script;
pub mod sentinel;
mod server;
mod store;
pub mod suite;
pub mod upstash;
mod worker;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use blindcache::{Backend, BackendError, BackendErrorKind, RedisBackend, Sealed, StoreKey};

pub use self::{
    calls::{each_method, longest_call},
    certs::Certs,
    cloudflare::Cloudflare,
    cluster::{Cluster, Lone},
    fake::Fake,
    file::Files,
    flood::Flood,
    http_fake::{Asked, HttpFake, Said},
    memcached::{Memcached, MemcachedOptions},
    proxy::{Fault, Proxy},
    script::Script,
    sentinel::{Sentinel, Trio},
    server::{Options, Server},
    store::{Memory, Remote, Store},
    worker::{Worker, WorkerScript},
};

/// The limits that the fault tests set for connecting and for a response.
pub const LIMIT: Duration = Duration::from_millis(400);
/// What takes longer hangs: many times the limits, since the machine may be busy.
pub const HANG: Duration = Duration::from_secs(8);

/// A store key of its own for each number.
pub fn key(number: u64) -> StoreKey {
    let nibbles = (0..16).rev().map(|at| char::from(b'a' + (number >> (4 * at) & 15) as u8));
    let text: String = "b1.".chars().chain(['a'; 35]).chain(nibbles).chain(['a']).collect();
    StoreKey::parse(&text).unwrap()
}

/// An entry in shape, `size` bytes long and at least 116, that tells its number.
pub fn entry(number: u64, size: usize) -> Sealed {
    let mut bytes = b"\xC1bc\x01".to_vec();
    let pattern = number.to_le_bytes().into_iter().chain(*b"\r\n$-1\r\n");
    bytes.extend(pattern.cycle().take(size.max(116) - 4));
    Sealed::parse(bytes).unwrap()
}

/// A backend with the short limits of the fault tests.
pub fn impatient(url: &str) -> RedisBackend {
    RedisBackend::builder(url).connect_timeout(LIMIT).response_timeout(LIMIT).build().unwrap()
}

/// What the future gives, unless it hangs.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("a call hangs")
}

/// The kind of the error that the call ends with, in time.
pub async fn failing<T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendErrorKind {
    let Err(err) = in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "redis");
    err.kind()
}

/// Asks until the store answers again by itself; each call must end in time.
pub async fn healed(backend: &impl Backend) {
    until("the backend heals", async || in_time(backend.exists(&key(0))).await.is_ok()).await;
}

/// Waits for a condition to hold that is asked about without waiting.
pub async fn until_so(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for a condition to hold.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The most memory in bytes that this process ever had.
pub fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
