//! Two tenants cache through one store: what the application sees, and what the store holds.
//!
//!     cargo run --example quickstart
//!
//! On `MemoryBackend`, without any server; or on the Redis of `CACHEKIT_REDIS_URL`, else of `REDIS_URL`, where one of
//! them is set.

use std::{
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blindcache::{
    AnyBackend, Backend, BackendError, EncryptedBackend, Keyring, MasterKey, MemoryBackend, Sealed, StoreKey,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    ssn: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Witness { store: store()?, last: Arc::default() };
    println!("The store is {:?}.\n", store.name());

    // In production: Keyring::from_env(). What a key that was generated here sealed, no later run can read.
    let keys = Keyring::new(MasterKey::generate()?)?;
    let acme = EncryptedBackend::new(store.clone(), keys.tenant("acme")?).namespace("users")?;
    let globex = acme.for_tenant(keys.tenant("globex")?);

    let minute = Duration::from_secs(60);
    let ada = User { name: "Ada".into(), ssn: "078-05-1120".into() };
    let bob = User { name: "Bob".into(), ssn: "219-09-9999".into() };
    for (id, tenant, user) in [("acme", &acme, &ada), ("globex", &globex, &bob)] {
        tenant.set("user:42", user, minute).await?;
        let (name, entry) = store.last_written().await?;
        println!("{id} sets \"user:42\" to {user:?}");
        println!("  and the store holds {}\n  = {}\n", name.as_str(), hex(&entry));
    }

    println!("Read back, each by its own tenant:");
    println!("  acme    {:?}", acme.get::<User>("user:42").await?);
    println!("  globex  {:?}\n", globex.get::<User>("user:42").await?);
    assert_eq!(acme.get("user:42").await?, Some(ada));
    assert_eq!(globex.get("user:42").await?, Some(bob));

    println!("The store changes one bit of what globex wrote:");
    let (name, mut entry) = store.last_written().await?;
    entry[100] ^= 1;
    store.set(&name, Sealed::parse(entry)?, Some(minute)).await?;
    match globex.get::<User>("user:42").await {
        Err(blindcache::Error::Unreadable(reason)) => println!("  globex  refused: {reason}"),
        other => return Err(format!("a changed entry was not refused: {other:?}").into()),
    }

    acme.delete("user:42").await?;
    globex.delete("user:42").await?;
    Ok(())
}

/// `CACHEKIT_REDIS_URL`, then `REDIS_URL`, then memory.
fn store() -> Result<AnyBackend, BackendError> {
    let url = ["CACHEKIT_REDIS_URL", "REDIS_URL"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|url| !url.is_empty()));
    match url {
        #[cfg(feature = "redis")]
        Some(url) => Ok(AnyBackend::new(blindcache::RedisBackend::new(&url)?)),
        _ => Ok(AnyBackend::new(MemoryBackend::new())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A store that can tell which name was written last.
#[derive(Clone)]
struct Witness {
    store: AnyBackend,
    last: Arc<Mutex<Option<StoreKey>>>,
}

impl Witness {
    async fn last_written(&self) -> Result<(StoreKey, Vec<u8>), Box<dyn Error>> {
        let name = self.last.lock().map_err(|_| "poisoned")?.clone().ok_or("nothing was written")?;
        let entry = self.get(&name).await?.ok_or("the store lost it")?;
        Ok((name, entry.to_vec()))
    }
}

impl Backend for Witness {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.store.get(key).await
    }
    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(key.clone());
        self.store.set(key, entry, ttl).await
    }
    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.store.delete(key).await
    }
    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.store.exists(key).await
    }
    fn name(&self) -> &'static str {
        self.store.name()
    }
}
