//! `#[cached]`: a function that takes a second, with the cache in front of it.
//!
//!     cargo run --example macro

use std::{
    error::Error,
    time::{Duration, Instant},
};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, cached};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
    team: String,
}

/// Slow, and down now and then.
struct Db;

impl Db {
    async fn user(&self, id: u64) -> Result<Option<User>, std::io::Error> {
        println!("      … the database looks for user {id}");
        sleep(Duration::from_secs(1)).await;
        Ok((id == 42).then(|| User { name: "Ada".into(), team: "red".into() }))
    }
}

/// The user with this id: not cached where there is none.
#[cached(ttl = "10m", skip(db), tags = ["users"])]
async fn user(db: &Db, id: u64) -> Result<Option<User>, std::io::Error> {
    let found = db.user(id).await?;
    Ok(found)
}

struct Teams {
    cache: Cache,
    db: Db,
}

impl Teams {
    /// How many of these users are in the team.
    #[cached(cache = self.cache, ttl = Duration::from_secs(60), key = (team, ids), skip(self), cache_if = |size| *size > 0)]
    async fn size(&self, team: &str, ids: &[u64]) -> Result<usize, std::io::Error> {
        let mut size = 0;
        for id in ids {
            size += usize::from(user(&self.db, *id).await?.is_some_and(|user| user.team == team));
        }
        Ok(size)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In production nothing of this is needed: the default is the cache of the environment, Cache::from_env().
    let keys = Keyring::new(MasterKey::generate()?)?;
    let cache = Cache::builder(EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme")?)).build()?;
    blindcache::set_default(cache.clone())?;
    let db = Db;

    timed("the first call runs the body", user(&db, 42)).await?;
    timed("the second does not", user(&db, 42)).await?;
    timed("two at once, of another user: neither finds one", async {
        tokio::try_join!(user(&db, 7), user(&db, 7))
    })
    .await?;

    println!("user_invalidate(&db, 42) removed something: {}", user_invalidate(&db, 42).await?);
    timed("so the body runs again", user(&db, 42)).await?;
    timed("user_uncached(&db, 42) always does", user_uncached(&db, 42)).await?;

    cache.invalidate_tag("users").await?;
    let kept: Option<Option<User>> = cache.get(user_key(&db, 42)).await?;
    println!("the tag \"users\" is invalidated; in the cache: {kept:?}");

    let teams = Teams { cache, db };
    timed("a method, whose body calls the function", teams.size("red", &[42])).await?;
    timed("the same from the cache", teams.size("red", &[42])).await?;
    Ok(())
}

async fn timed<T: std::fmt::Debug, E>(what: &str, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    println!("{what}");
    let start = Instant::now();
    let result = call.await?;
    println!("      {:>4} ms: {result:?}", start.elapsed().as_millis());
    Ok(result)
}
