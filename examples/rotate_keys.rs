//! A live rotation of the master key: nothing is lost, no name changes, and the old key drains until it can go.
//!
//!     cargo run --example rotate_keys

use std::{convert::Infallible, error::Error, time::Duration};

use blindcache::{Cache, EncryptedBackend, KeyId, Keyring, MasterKey, MemoryBackend};

const ENTRIES: u32 = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryBackend::new();
    let (old, new) = (MasterKey::generate()?, MasterKey::generate()?);
    let (old_id, new_id) = (old.id(), new.id());
    let (old, new) = (old.to_text(), new.to_text());
    let key = |text: &str| MasterKey::parse(text);

    println!("1. Only the old key {old_id} is there: it seals and names.");
    let cache = cache(&store, Keyring::new(key(&old)?)?)?;
    read_all(&cache).await?;
    report(&store, old_id, new_id);

    println!("2. Every process accepts the new key {new_id}, and still seals with the old one.");
    println!("   BLINDCACHE_ACCEPTED_KEYS=<new>, BLINDCACHE_NAMING_KEY=<old>");
    let cache = self::cache(&store, Keyring::with_accepted(key(&old)?, [key(&new)?], key(&old)?)?)?;
    println!("   {} of {ENTRIES} were computed again", read_all(&cache).await?);
    report(&store, old_id, new_id);

    println!("3. Every process seals with the new key, and accepts the old one.");
    println!("   BLINDCACHE_MASTER_KEY=<new>, BLINDCACHE_ACCEPTED_KEYS=<old>, BLINDCACHE_NAMING_KEY=<old>");
    let cache = self::cache(&store, Keyring::with_accepted(key(&new)?, [key(&old)?], key(&old)?)?)?;
    println!("   {} of {ENTRIES} were computed again", read_all(&cache).await?);
    report(&store, old_id, new_id);

    println!("4. As entries are written anew, the old key drains.");
    for id in 0..ENTRIES {
        cache.set(("user", id), format!("user {id}")).await?;
        if id % 4 == 3 {
            let before = [old_id, new_id].map(|id| opened(&cache, id));
            read_all(&cache).await?;
            let [by_old, by_new] = [opened(&cache, old_id) - before[0], opened(&cache, new_id) - before[1]];
            println!(
                "   Cache::stats().opened: reading them all opened {by_old} by the old key, {by_new} by the new one"
            );
            report(&store, old_id, new_id);
        }
    }

    println!("5. Nothing is sealed by the old key any more: it leaves the accepted keys, and only names.");
    println!("   BLINDCACHE_MASTER_KEY=<new>, BLINDCACHE_NAMING_KEY=<old>");
    let cache = self::cache(&store, Keyring::with_accepted(key(&new)?, [], key(&old)?)?)?;
    println!("   {} of {ENTRIES} were computed again", read_all(&cache).await?);
    Ok(())
}

fn cache(store: &MemoryBackend, keys: Keyring) -> Result<Cache, Box<dyn Error>> {
    let acme = EncryptedBackend::new(store.clone(), keys.tenant("acme")?);
    // Nothing in memory, so that every read opens an entry of the store.
    Ok(Cache::builder(acme).ttl(Duration::from_secs(3600)).l1(0).build()?)
}

/// Asks for every entry, and counts those that had to be computed.
async fn read_all(cache: &Cache) -> Result<u32, Infallible> {
    let mut computed = 0;
    for id in 0..ENTRIES {
        let compute = || {
            computed += 1;
            async move { Ok::<_, Infallible>(format!("user {id}")) }
        };
        cache.get_or_compute(("user", id), compute).await?;
    }
    Ok(computed)
}

/// What an operator watches: how many entries were opened that this key sealed. When the old key's number stands still for as
/// long as entries live, it can go.
fn opened(cache: &Cache, id: KeyId) -> u64 {
    let opened = cache.stats().opened;
    opened.iter().find(|(by, _)| *by == Some(id)).map_or(0, |(_, count)| *count)
}

/// The key id stands in each entry, in the open: bytes 4 to 8.
fn report(store: &MemoryBackend, old: KeyId, new: KeyId) {
    let count = |id: KeyId| store.entries().iter().filter(|(_, entry)| entry[4..8] == id.to_bytes()).count();
    println!("   the store holds {} entries by the old key, {} by the new one\n", count(old), count(new));
}
