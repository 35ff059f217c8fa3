//! Reading, setting and deleting many keys in one batch.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use super::{
    Cache, Value,
    call::Settings,
    engine::is_well,
    flight::{Seat, SlotKey},
    search::Way,
    tags::Trust,
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
    error::Error,
    key::{CacheKey, Key},
    metrics::{Call, Operation},
};

impl Cache {
    /// [`get`](Self::get) for each key, in order, in one batch; and one more where the markers of their tags have to be asked for.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set_many([("a", 1), ("b", 2)]).await?;
    /// assert_eq!(cache.get_many::<i32>(["b", "c", "a"]).await?, [Some(2), None, Some(1)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`] for the first key refused; [`Error::Backend`] unless memory has them all. What cannot be read is a
    /// miss.
    pub fn get_many<T: Value>(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> impl Future<Output = Result<Vec<Option<T>>, Error>> {
        let keys = canonical(keys);
        async move {
            let call = self.call(Operation::GetMany);
            call.end(call.around(self.find_many(&call, keys)).await)
        }
    }

    /// [`set`](Self::set) for each key and value, in one batch; of equal keys the last counts. After an error some may
    /// have been stored, and memory holds none of them.
    ///
    /// It waits for its turn at one key after another: while it waits for that of one, a later write to another takes place
    /// before it.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set_many([(("user", 1), "Ada".to_owned()), (("user", 2), "Bob".to_owned())]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set), for the first refused.
    pub fn set_many<K: Key, T: Value>(
        &self,
        items: impl IntoIterator<Item = (K, T)>,
    ) -> impl Future<Output = Result<(), Error>> {
        let items: Result<Vec<(CacheKey, T)>, Error> =
            items.into_iter().map(|(key, value)| Ok((key.to_cache_key()?, value))).collect();
        async move {
            let call = self.call(Operation::SetMany);
            call.end(call.around(self.write_many(&call, items)).await)
        }
    }

    /// [`delete`](Self::delete) for each key, in order, in one batch. After an error some may have been removed. It
    /// waits for its turns as [`set_many`](Self::set_many).
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// cache.set("a", 1).await?;
    /// assert_eq!(cache.delete_many(["a", "b"]).await?, [true, false]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`] for the first key refused; [`Error::Backend`].
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> impl Future<Output = Result<Vec<bool>, Error>> {
        let keys = canonical(keys);
        async move {
            let call = self.call(Operation::DeleteMany);
            call.end(call.around(self.remove_many(&call, keys)).await)
        }
    }

    async fn find_many<T: Value>(
        &self,
        call: &Call<'_>,
        keys: Result<Vec<CacheKey>, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        let keys = keys?;
        call.keys(keys.len());
        let mut values: Vec<Option<T>> =
            keys.iter().map(|key| self.hit(call, key.as_bytes(), false)).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|at| values[*at].is_none()).collect();
        if missing.is_empty() {
            return Ok(values);
        }
        call.beyond(|| None::<StoreKey>);
        let seats: Vec<Seat> = missing.iter().map(|at| self.seat_at(&keys[*at])).collect();
        let (found, Way { trouble, now, .. }) = self.find_each::<T>(&seats, Trust::Asked).await;
        let found = found.into_iter().map(|found| found.filter(|stored| stored.label.is_fresh(now)));
        let found: Vec<Option<Arc<Stored<T>>>> = found.collect();
        if let Some(error) =
            trouble.filter(|error| !is_well(Some(error)) && found.iter().any(Option::is_none))
        {
            return Err(error);
        }
        for (at, fresh) in missing.into_iter().zip(found) {
            call.found(fresh.is_some());
            values[at] = fresh.map(Stored::into_value);
        }
        Ok(values)
    }

    async fn write_many<T: Value>(
        &self,
        call: &Call<'_>,
        items: Result<Vec<(CacheKey, T)>, Error>,
    ) -> Result<(), Error> {
        let items = items?;
        call.keys(items.len());
        let settings = Settings::of(self);
        if items.is_empty() {
            return Ok(());
        }
        let beginning = self.beginning(&settings);
        let mut sealed = Vec::with_capacity(items.len());
        for (key, value) in items {
            let label = settings.label(beginning, &value)?;
            let stored = Arc::new(Stored { value, label });
            let write = self.seal(key.as_bytes(), None, &stored, beginning)?;
            let copy = self.copied::<T>(write.as_ref());
            sealed.push((key, stored, copy, write));
        }
        // The last of equal keys counts; in one order for all, so that two batches do not wait for each other.
        sealed.reverse();
        sealed.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        sealed.dedup_by(|(one, ..), (other, ..)| one == other);
        call.beyond(|| None::<StoreKey>);
        let seats: Vec<Seat> = sealed.iter().map(|(key, ..)| self.seat_at(key)).collect();
        let mut writing = Vec::with_capacity(seats.len());
        for seat in &seats {
            writing.push(seat.write().await);
        }
        seats.iter().for_each(|seat| _ = self.forget(seat.key()));
        let cache = self.clone();
        let work = async move {
            if let Some(store) = &cache.store {
                let writes: Vec<Write> = sealed.iter_mut().filter_map(|(.., write)| write.take()).collect();
                let written = store.backend().set_many(writes).await.map_err(Error::from);
                written.inspect_err(|error| cache.trouble(error))?;
            }
            for ((writing, seat), (_, stored, copy, _)) in writing.into_iter().zip(&seats).zip(sealed) {
                writing.finish(|| cache.keep(seat.key(), &stored, copy));
            }
            Ok(())
        };
        self.unbroken(work).await
    }

    async fn remove_many(
        &self,
        call: &Call<'_>,
        keys: Result<Vec<CacheKey>, Error>,
    ) -> Result<Vec<bool>, Error> {
        let keys = keys?;
        call.keys(keys.len());
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        call.beyond(|| None::<StoreKey>);
        // In one order for all, as in `write_many`.
        let ordered: BTreeSet<&CacheKey> = keys.iter().collect();
        let seats: Vec<Seat> = ordered.into_iter().map(|key| self.seat_at(key)).collect();
        let mut writing = Vec::with_capacity(seats.len());
        for seat in &seats {
            writing.push(seat.write().await);
        }
        let forget =
            |key: &CacheKey| self.forget_usable(&SlotKey { scope: self.scope, key: key.as_bytes().into() });
        let in_memory: Vec<bool> = keys.iter().map(forget).collect();
        let cache = self.clone();
        let work = async move {
            let in_store = match &cache.store {
                Some(store) => {
                    let name = |key: &CacheKey| store.entry_place(key.as_bytes()).name;
                    let names: Vec<StoreKey> = keys.iter().map(name).collect();
                    let deleted = store.backend().delete_many(&names).await.map_err(Error::from);
                    let deleted = deleted.and_then(|deleted| store.one_each(deleted, names.len()));
                    deleted.inspect_err(|error| cache.trouble(error))?
                }
                None => keys.iter().map(|_| false).collect(),
            };
            let writing = writing.into_iter().zip(&seats);
            writing.for_each(|(writing, seat)| writing.finish(|| _ = cache.forget(seat.key())));
            Ok::<_, Error>(in_store)
        };
        let in_store = self.unbroken(work).await?;
        let found = in_memory.into_iter().zip(in_store).map(|(memory, store)| memory || store);
        Ok(found.inspect(|found| call.found(*found)).collect())
    }
}

fn canonical(keys: impl IntoIterator<Item = impl Key>) -> Result<Vec<CacheKey>, Error> {
    keys.into_iter().map(|key| Ok(key.to_cache_key()?)).collect()
}
