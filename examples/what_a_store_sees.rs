//! Six writes into a Redis, under master keys that are published here: SECURITY.md, "What leaks", shows what it then holds.
//!
//!     redis-server --port 7001 --save '' &
//!     REDIS_URL=redis://127.0.0.1:7001 cargo run --example what_a_store_sees
//!     for name in $(redis-cli -p 7001 --scan | sort); do redis-cli -p 7001 GET $name | xxd; done

use std::{env, error::Error, time::Duration};

use blindcache::{Backend, Cache, EncryptedBackend, Keyring, MasterKey, RedisBackend};
use serde::{Deserialize, Serialize};

/// For this example alone: with fixed keys the names are the same in every run. The rest of an entry is not.
const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
    ssn: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set")?;
    writes(RedisBackend::new(&url)?).await
}

pub(crate) async fn writes(store: impl Backend + Clone) -> Result<(), Box<dyn Error>> {
    let key = MasterKey::parse;
    let old = Keyring::new(key(OLD)?)?;
    let new = Keyring::with_accepted(key(NEW)?, [key(OLD)?], key(OLD)?)?;
    let acme = EncryptedBackend::new(store, old.tenant("acme")?).namespace("users")?;
    let globex = acme.for_tenant(old.tenant("globex")?);
    let rotated = acme.for_tenant(new.tenant("acme")?);
    let user = |name: &str| User { name: name.into(), ssn: "078-05-1120".into() };

    println!("1. acme    \"user:42\"  Ada, for an hour");
    acme.set("user:42", &user("Ada"), HOUR).await?;
    println!("2. globex  \"user:42\"  Ada, for an hour");
    globex.set("user:42", &user("Ada"), HOUR).await?;
    println!("3. acme    \"user:43\"  a name of 400 bytes, without an expiry");
    acme.set("user:43", &user(&"a".repeat(400)), None).await?;
    println!("4. acme    \"user:44\"  Bob, for an hour, sealed by a new master key");
    rotated.set("user:44", &user("Bob"), HOUR).await?;
    println!("5. acme    \"user:45\"  Eve, for an hour, tagged \"staff\"");
    let cache = Cache::builder(acme).build()?;
    cache.entry("user:45").tags(["staff"]).ttl(HOUR).set(user("Eve")).await?;
    println!("6. acme    the tag \"staff\" is invalidated");
    cache.invalidate_tag("staff").await?;
    cache.close().await;
    Ok(())
}
