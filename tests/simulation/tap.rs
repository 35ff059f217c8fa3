//! A tap on the simulated wire: every byte that a process sends is searched for what no store may see.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Stands in every value, key and tag.
pub(crate) const CANARY: &str = "CANARY-7d1f";
/// The tenants, whose names are as secret.
pub(crate) const TENANTS: [&str; 2] = ["tenant-acme", "tenant-globex"];

#[derive(Debug, Default)]
pub(crate) struct Tap {
    bytes: AtomicU64,
    seen: Mutex<Option<String>>,
}

impl Tap {
    pub(crate) fn search(&self, sent: &[u8]) {
        self.bytes.fetch_add(sent.len() as u64, Relaxed);
        for secret in [CANARY].into_iter().chain(TENANTS) {
            if sent.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                *self.seen.lock().unwrap() = Some(format!("{secret} went over the wire"));
            }
        }
    }

    /// How many bytes were searched.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn seen(&self) -> Option<String> {
        self.seen.lock().unwrap().clone()
    }
}
