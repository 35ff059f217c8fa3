//! What the tests of every store ask of it.

use std::future::Future;

use blindcache::{Backend, BackendErrorKind, MemoryBackend, RedisBackend, conformance::Expiry};

use crate::{Server, impatient};

/// A store of one test, by itself and empty, and the backend for it. Gone when dropped.
pub trait Store: Sized + Send + Sync + 'static {
    type Backend: Backend + Clone;

    /// What the backend calls itself.
    const NAME: &'static str;
    /// What becomes of its entries' ttls.
    const EXPIRY: Expiry;
    /// The largest entry in bytes that it takes, or more.
    const LARGEST: usize = 1 << 20;

    fn start() -> impl Future<Output = Self> + Send;

    /// A backend with limits that a busy machine does not meet.
    fn backend(&self) -> Self::Backend;

    /// All that the store holds, names and entries, as raw as it can be had.
    fn contents(&self) -> impl Future<Output = Vec<u8>> + Send;
}

/// A store that is a server on a loopback port, so that a proxy can stand before it.
pub trait Remote: Store {
    /// What garbage in place of an answer may be called.
    const GARBAGE: &'static [BackendErrorKind] = &[BackendErrorKind::Rejected];

    fn port(&self) -> u16;

    /// A backend that connects to this port, a proxy's, with [`LIMIT`](crate::LIMIT) as the limit on every call.
    fn impatient(&self, port: u16) -> Self::Backend;

    /// Ends the server at once, as a crash would.
    fn stop(&mut self) -> impl Future<Output = ()> + Send;

    /// Starts a stopped server again on the same port.
    fn start_again(&mut self) -> impl Future<Output = ()> + Send;
}

/// The store in this process.
pub struct Memory(MemoryBackend);

impl Store for Memory {
    type Backend = MemoryBackend;

    const NAME: &'static str = "memory";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Self(MemoryBackend::new())
    }

    fn backend(&self) -> MemoryBackend {
        self.0.clone()
    }

    async fn contents(&self) -> Vec<u8> {
        let entries = self.0.entries();
        entries.iter().flat_map(|(name, entry)| [name.as_str().as_bytes(), entry].concat()).collect()
    }
}

impl Store for Server {
    type Backend = RedisBackend;

    const NAME: &'static str = "redis";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Server::start()
    }

    fn backend(&self) -> RedisBackend {
        RedisBackend::new(&self.url()).unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        let mut contents = Vec::new();
        for key in self.admin::<Vec<Vec<u8>>>(&["KEYS", "*"]) {
            let dump: Vec<u8> = self.admin(&["GET", std::str::from_utf8(&key).unwrap()]);
            contents.extend([key, dump].concat());
        }
        contents
    }
}

impl Remote for Server {
    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> RedisBackend {
        impatient(&format!("redis://127.0.0.1:{port}"))
    }

    async fn stop(&mut self) {
        Server::stop(self);
    }

    async fn start_again(&mut self) {
        Server::start_again(self);
    }
}
