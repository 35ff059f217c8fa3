//! What is asked of a [`Cache`], one method for each, with its settings.

use std::future::Future;

use super::{Cache, Value, mode::Lenient};
use crate::{error::Error, key::Key, metrics::Operation};

impl Cache {
    /// The value under this key, if there is a fresh one.
    ///
    /// What cannot be read is counted and is a miss; [`entry(key).strict()`](super::Entry::strict) makes it an error.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", "hello".to_owned()).await?;
    /// assert_eq!(cache.get::<String>("greeting").await?.as_deref(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn get<T: Value>(&self, key: impl Key) -> impl Future<Output = Result<Option<T>, Error>> {
        self.look_up::<T, Lenient>(key.to_cache_key())
    }

    /// Stores a value with the cache's ttl, in memory and in the store; it is newer than whatever is being computed.
    ///
    /// Writes to a key take place in the order of their calls. A future that is dropped once its request has begun leaves
    /// that to the background, so that it does not arrive after a later one.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set(("user", 42), "Ada".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Value`], [`Error::Ttl`], [`Error::Tag`], [`Error::Random`], before anything is changed;
    /// [`Error::Backend`], after which memory holds nothing under this key.
    pub fn set<T: Value>(&self, key: impl Key, value: T) -> impl Future<Output = Result<(), Error>> {
        self.entry(key).set(value)
    }

    /// Removes the value from memory and from the store; tells whether there was one in either. What is being computed
    /// for this key is returned to its callers, and not kept.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", 1).await?;
    /// assert!(cache.delete("greeting").await?);
    /// assert!(!cache.delete("greeting").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn delete(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> {
        let key = key.to_cache_key();
        async move {
            let call = self.call(Operation::Delete);
            call.end(call.around(self.remove(&call, key)).await)
        }
    }

    /// Whether memory holds a value under this key, or the store says that it does: see
    /// [`EncryptedBackend::exists`](crate::EncryptedBackend::exists).
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// assert!(!cache.exists("greeting").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`]; [`Error::Backend`].
    pub fn exists(&self, key: impl Key) -> impl Future<Output = Result<bool, Error>> {
        let key = key.to_cache_key();
        async move {
            let call = self.call(Operation::Exists);
            call.end(call.around(self.holds(&call, key)).await)
        }
    }

    /// The value under this key: from memory, from the store, or from `f`, whose value is then kept.
    ///
    /// For one key `f` runs once at a time in a process, however many ask; the others wait and get its value. Where `f`
    /// fails, or exceeds the [`soft_timeout`](super::Builder::soft_timeout), a value within its
    /// [`stale`](super::Builder::stale) time stands in, and goes on to for the
    /// [`fail_safe_pause`](super::Builder::fail_safe_pause); else its error is returned as it is, nothing is kept, and
    /// the next who waits runs its own `f`. So does who asks after a [`delete`](Self::delete) that took place meanwhile.
    /// An `f` that asks for its own key waits for itself, and two of which each asks for the other's key wait for each
    /// other: for ever, unless the call is strict and has a [`hard_timeout`](super::Strict::hard_timeout).
    ///
    /// Trouble with the store, an unreadable entry, a refused key or ttl is counted, and the value computed all the
    /// same: [`entry(key).strict()`](super::Entry::strict) makes it an error.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # struct Db;
    /// # impl Db { async fn user(&self, _: u64) -> Result<String, std::io::Error> { Ok("Ada".into()) } }
    /// # let (db, id) = (Db, 42);
    /// let user = cache.get_or_compute(("user", id), || db.user(id)).await?;
    /// # assert_eq!(user, "Ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is.
    pub fn get_or_compute<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.find_or_compute(key.to_cache_key(), None, Lenient, f)
    }

    /// The value under this key at once, even a stale one, which `f` then refreshes in the background; only where there
    /// is none, `f` runs in this call; where memory has none and another call computes one, it waits for that. With
    /// [`refresh_ahead`](super::Builder::refresh_ahead) the refresh begins before the ttl is over.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # async fn rates() -> Result<u64, std::io::Error> { Ok(7) }
    /// let rates = cache.get_or_refresh("rates", || rates()).await?;
    /// # assert_eq!(rates, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is, where it ran in this call.
    pub fn get_or_refresh<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.entry(key).get_or_refresh(f)
    }

    /// Computes the value now, whatever there is, and keeps it.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # async fn rates() -> Result<u64, std::io::Error> { Ok(7) }
    /// let rates = cache.refresh("rates", || rates()).await?;
    /// # assert_eq!(rates, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is.
    pub fn refresh<T, E, F, Fut>(&self, key: impl Key, f: F) -> impl Future<Output = Result<T, E>>
    where
        T: Value,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.entry(key).refresh(f)
    }

    /// Makes every value that was stored with this tag, in this namespace, a miss: in this process at once, in others
    /// within their [`marker_ttl`](super::Builder::marker_ttl).
    ///
    /// A process that has made or seen an invalidation goes by it even if the store takes it back, as long as it remembers
    /// it: of the 65,536 tags that it used last, and of 65,536 more.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.entry(("user", 42)).tags(["users"]).set(1).await?;
    /// cache.invalidate_tag("users").await?;
    /// assert_eq!(cache.get::<i32>(("user", 42)).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Tag`] unless the tag has 1 to 255 bytes; [`Error::Backend`] if other processes will not see it: call again.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<(), Error> {
        let call = self.call(Operation::InvalidateTag);
        let tag = (1..=255).contains(&tag.len()).then_some(tag.as_bytes()).ok_or(Error::Tag);
        call.end(call.around(async { self.invalidate(&call, tag?).await }).await)
    }

    /// Makes every value of this tenant, namespace and epoch a miss, as [`invalidate_tag`](Self::invalidate_tag) does.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("greeting", 1).await?;
    /// cache.clear().await?;
    /// assert_eq!(cache.get::<i32>("greeting").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`] if other processes will not see it: call again.
    pub async fn clear(&self) -> Result<(), Error> {
        let call = self.call(Operation::Clear);
        call.end(call.around(self.invalidate(&call, b"")).await)
    }
}
