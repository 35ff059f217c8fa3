//! A backend of one's own: a map in this process, in place of a client of the store that you have.
//!
//!     cargo run --example custom_backend --features conformance
//!
//! It is tried against the contract of `Backend`, and then used as any other.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use blindcache::{
    Backend, BackendError, BackendErrorKind, BackendExt, EncryptedBackend, Keyring, MasterKey, Sealed,
    StoreKey,
    conformance::{self, Expiry, Subject},
};
use bytes::Bytes;

/// Each entry, and when it ends, if it does.
type Map = HashMap<StoreKey, (Sealed, Option<Instant>)>;

/// Clones share the map, as the clones of a client share its connections.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Map>>);

impl Backend for Shelf {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let map = self.map();
        let live = map.get(key).filter(|(_, end)| end.is_none_or(|end| Instant::now() < end));
        Ok(live.map(|(entry, _)| entry.clone().into_bytes()))
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        if entry.len() > Self::MAX_ENTRY {
            self.map().remove(key); // rather gone than stale
            return Err(BackendError::new("shelf", BackendErrorKind::TooLarge));
        }
        let end = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.map().insert(key.clone(), (entry, end));
        Ok(())
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let there = self.exists(key).await?;
        self.map().remove(key);
        Ok(there)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.get(key).await?.is_some())
    }

    fn name(&self) -> &'static str {
        "shelf"
    }
}

impl Shelf {
    /// In bytes.
    const MAX_ENTRY: usize = 8 << 20;

    fn map(&self) -> MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In your crate this is a test: `conformance::run_all(&subject).await.unwrap()`.
    let subject = Subject::new(Expiry::Exact, || async { Shelf::default() });
    conformance::run_all(&subject).await?;
    println!("The shelf keeps the contract of Backend.");

    let shelf = Shelf::default();
    let keys = Keyring::new(MasterKey::generate()?)?;
    let acme = EncryptedBackend::new(shelf.clone().resilient(), keys.tenant("acme")?);
    acme.set(("user", 42), "Ada", Duration::from_secs(600)).await?;
    println!("It gives back {:?}, and holds:", acme.get::<String>(("user", 42)).await?);
    for (name, (entry, _)) in shelf.map().iter() {
        println!("  {name:?} = {entry:?}");
    }
    Ok(())
}
