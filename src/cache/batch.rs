//! Many keys in one call: one round trip, and one computation for what is missing.

use std::{future::Future, sync::Arc};

use super::{
    Cache, Value,
    call::{Entry, Settings},
    engine::{Spot, hand_fresh},
    flight::Leader,
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
    error::Error,
    key::{CacheKey, Key},
    metrics::{Call, Operation, Outcome},
};

/// One key of a batch, once it has a place to wait or to lead.
struct Member {
    /// Where in the batch its results go.
    at: usize,
    spot: Spot,
    leader: Option<Leader>,
}

impl Cache {
    /// [`get`](Self::get) for each key, in order, in one round trip.
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
    /// [`Error::Key`] for the first key refused; [`Error::Backend`]. What cannot be read is a miss.
    pub fn get_many<T: Value>(
        &self,
        keys: impl IntoIterator<Item = impl Key>,
    ) -> impl Future<Output = Result<Vec<Option<T>>, Error>> {
        let keys = canonical(keys);
        async move {
            let call = self.call(Operation::GetMany);
            call.watch(self.read_many(&call, keys)).await
        }
    }

    /// [`set`](Self::set) for each key and value, in one round trip. After an error some may have been stored, and
    /// memory holds none of them.
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
            call.watch(self.write_many(&call, items)).await
        }
    }

    /// [`delete`](Self::delete) for each key, in order, in one round trip. After an error some may have been removed.
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
            call.watch(self.remove_many(&call, keys)).await
        }
    }

    /// The values under these keys, in order: from memory, from the store in one round trip, and the missing ones from
    /// `f`, which runs once, with exactly the keys that are missing, each once. `None` where `f` has none for a key either.
    ///
    /// `f` gives pairs of a key and its value, in any order; what it was not asked for is ignored. A key that another
    /// call is computing just now is waited for, and shared the other way too. If `f` fails, its error is returned.
    ///
    /// ```
    /// # use blindcache::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::in_memory().build()?;
    /// # async fn select(ids: Vec<u64>) -> Result<Vec<(u64, String)>, std::io::Error> {
    /// #     Ok(ids.into_iter().filter(|id| *id < 9).map(|id| (id, format!("user {id}"))).collect())
    /// # }
    /// let users = cache.get_or_compute_many([1_u64, 2, 9], |missing| select(missing)).await?;
    /// assert_eq!(users, [Some("user 1".to_owned()), Some("user 2".to_owned()), None]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The function's own, as it is.
    pub async fn get_or_compute_many<K, T, E, F, Fut, I>(
        &self,
        keys: impl IntoIterator<Item = K>,
        f: F,
    ) -> Result<Vec<Option<T>>, E>
    where
        K: Key + Clone,
        T: Value,
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
    {
        let call = self.call(Operation::GetOrComputeMany);
        call.watch(self.compute_many(&call, keys, f)).await
    }

    async fn compute_many<K, T, E, F, Fut, I>(
        &self,
        call: &Call<'_>,
        keys: impl IntoIterator<Item = K>,
        f: F,
    ) -> Result<Vec<Option<T>>, E>
    where
        K: Key + Clone,
        T: Value,
        F: FnOnce(Vec<K>) -> Fut,
        Fut: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, T)>,
    {
        let settings = Entry::new(self, ()).into_settings();
        let keys: Vec<(K, Option<CacheKey>)> = keys.into_iter().map(|key| self.named(key)).collect();
        let unique = first_of_each(&keys);
        call.keys(unique.len());
        let mut values: Vec<Option<T>> = keys.iter().map(|_| None).collect();
        for at in &unique {
            if let Some(stored) = keys[*at].1.as_ref().and_then(|key| self.hit::<T>(call, key)) {
                values[*at] = Some(stored.value.clone());
            }
        }
        let members = unique.iter().filter(|at| values[**at].is_none());
        let members = members.filter_map(|at| Some((*at, self.spot_at(keys[*at].1.as_ref()?))));
        let mut members: Vec<Member> = members.map(|(at, spot)| Member { at, spot, leader: None }).collect();
        if values.iter().any(Option::is_none) {
            call.beyond(|| None::<StoreKey>);
        }
        // Before this call leads anything: nobody waits for it while it waits.
        for member in &members {
            member.spot.seat.other_is_done().await;
            member.spot.note_wait();
        }
        for member in &mut members {
            member.leader = member.spot.seat.try_lead();
        }
        let spots: Vec<&Spot> = members.iter().map(|member| &member.spot).collect();
        let (found, _) = self.load::<T>(&spots).await;
        let created_at = self.creation_time(&settings);
        for (member, stored) in members.iter_mut().zip(found) {
            let Some(stored) = stored.filter(|stored| stored.label.is_fresh(self.now())) else { continue };
            call.outcome(Outcome::Hit);
            values[member.at] = Some(stored.value.clone());
            if let Some(mut leader) = member.leader.take() {
                leader.publish(hand_fresh(&stored), || ());
            }
        }
        members.retain(|member| values[member.at].is_none());
        let missing: Vec<K> =
            unique.iter().filter(|at| values[**at].is_none()).map(|at| keys[*at].0.clone()).collect();
        if !missing.is_empty() {
            let computed = f(missing).await?;
            self.take_in(call, computed, &keys, &unique, members, &settings, created_at, &mut values).await;
        }
        for at in 0..keys.len() {
            if values[at].is_none() {
                let first = unique.iter().find(|first| same(&keys[**first], &keys[at]));
                values[at] = first.and_then(|first| values[*first].clone());
            }
        }
        Ok(values)
    }

    async fn read_many<T: Value>(
        &self,
        call: &Call<'_>,
        keys: Result<Vec<CacheKey>, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        let keys = keys?;
        call.keys(keys.len());
        let mut found: Vec<Option<Arc<Stored<T>>>> =
            keys.iter().map(|key| self.hit::<T>(call, key)).collect();
        let missing: Vec<(usize, Spot)> = (0..keys.len())
            .filter(|at| found[*at].is_none())
            .map(|at| (at, self.spot_at(&keys[at])))
            .collect();
        if !missing.is_empty() {
            call.beyond(|| None::<StoreKey>);
            let spots: Vec<&Spot> = missing.iter().map(|(_, spot)| spot).collect();
            let (loaded, trouble) = self.load::<T>(&spots).await;
            if let Some(error) = trouble.filter(|error| !matches!(error, Error::Unreadable(_))) {
                return Err(error);
            }
            for ((at, _), stored) in missing.iter().zip(loaded) {
                found[*at] = stored.filter(|stored| stored.label.is_fresh(self.now()));
                call.found(found[*at].is_some());
            }
        }
        Ok(found.into_iter().map(|stored| Some(stored?.value.clone())).collect())
    }

    /// A key with its canonical form, if it has one; a key without is computed each time.
    fn named<K: Key>(&self, key: K) -> (K, Option<CacheKey>) {
        let name = key.to_cache_key().map_err(Error::from).inspect_err(|error| self.trouble(error));
        (key, name.ok())
    }

    async fn write_many<T: Value>(
        &self,
        call: &Call<'_>,
        items: Result<Vec<(CacheKey, T)>, Error>,
    ) -> Result<(), Error> {
        let items = items?;
        call.keys(items.len());
        let settings = Entry::new(self, ()).into_settings();
        settings.check(self)?;
        let created_at = self.creation_time(&settings);
        let mut sealed = Vec::with_capacity(items.len());
        for (key, value) in items {
            let (label, write) = self.seal(key.as_bytes(), &value, &settings, created_at)?;
            sealed.push((key, Arc::new(Stored { value, label }), write));
        }
        // The last of equal keys counts; in one order for all, so that two batches do not wait for each other.
        sealed.reverse();
        sealed.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        sealed.dedup_by(|(one, ..), (other, ..)| one == other);
        call.beyond(|| None::<StoreKey>);
        let spots: Vec<Spot> = sealed.iter().map(|(key, ..)| self.spot_at(key)).collect();
        let mut writing = Vec::with_capacity(spots.len());
        for (spot, (key, ..)) in spots.iter().zip(&sealed) {
            writing.push(spot.seat.write().await);
            self.forget(key);
        }
        if let Some(store) = &self.store {
            let writes: Vec<Write> = sealed.iter().filter_map(|(.., write)| write.clone()).collect();
            let written = store.backend().set_many(writes).await.map_err(Error::from);
            written.inspect_err(|error| self.trouble(error))?;
        }
        for ((writing, spot), (_, stored, write)) in writing.into_iter().zip(&spots).zip(&sealed) {
            writing.finish(|| self.keep(&spot.key, stored, write.as_ref()));
        }
        Ok(())
    }

    async fn remove_many(
        &self,
        call: &Call<'_>,
        keys: Result<Vec<CacheKey>, Error>,
    ) -> Result<Vec<bool>, Error> {
        let keys = &keys?;
        call.keys(keys.len());
        call.beyond(|| None::<StoreKey>);
        let mut ordered: Vec<&CacheKey> = keys.iter().collect();
        ordered.sort();
        ordered.dedup();
        let spots: Vec<Spot> = ordered.iter().map(|key| self.spot_at(key)).collect();
        let mut writing = Vec::with_capacity(spots.len());
        for spot in &spots {
            writing.push(spot.seat.write().await);
        }
        let in_memory: Vec<bool> = keys.iter().map(|key| self.forget(key)).collect();
        let in_store = match &self.store {
            Some(store) => {
                let names: Vec<StoreKey> =
                    keys.iter().map(|key| store.entry_place(key.as_bytes()).name).collect();
                let deleted = store.backend().delete_many(&names).await.map_err(Error::from);
                deleted.inspect_err(|error| self.trouble(error))?
            }
            None => keys.iter().map(|_| false).collect(),
        };
        writing.into_iter().zip(ordered).for_each(|(writing, key)| writing.finish(|| _ = self.forget(key)));
        let found = in_memory.into_iter().zip(in_store).map(|(memory, store)| memory || store);
        Ok(found.inspect(|found| call.found(*found)).collect())
    }

    /// Keeps what was computed for the members of a batch, and writes it to the store in one round trip.
    #[allow(clippy::too_many_arguments)] // one use, of what the caller holds
    async fn take_in<K: Key, T: Value>(
        &self,
        call: &Call<'_>,
        computed: impl IntoIterator<Item = (K, T)>,
        keys: &[(K, Option<CacheKey>)],
        unique: &[usize],
        mut members: Vec<Member>,
        settings: &Settings,
        created_at: u64,
        values: &mut [Option<T>],
    ) {
        let mut writes = Vec::new();
        for (key, value) in computed {
            let name = key.to_cache_key().ok();
            let asked = unique.iter().find(|at| name.is_some() && keys[**at].1 == name);
            let Some(at) = asked.copied().filter(|at| values[*at].is_none()) else { continue };
            call.outcome(Outcome::Computed);
            values[at] = Some(value.clone());
            let Some(member) = members.iter_mut().find(|member| member.at == at) else { continue };
            let Some(leader) = &mut member.leader else { continue };
            match self.seal(&member.spot.key.key, &value, settings, created_at) {
                Ok((label, write)) => {
                    let stored = Arc::new(Stored { value, label });
                    let keep = || self.keep(&member.spot.key, &stored, write.as_ref());
                    if leader.publish(hand_fresh(&stored), keep) {
                        writes.extend(write);
                    }
                }
                Err(error) => self.trouble(&error),
            }
        }
        let Some(store) = self.store.as_ref().filter(|_| !writes.is_empty()) else { return };
        let mut turns = Vec::new();
        let mut current = Vec::new();
        for leader in
            members.iter().filter_map(|member| member.leader.as_ref().map(|leader| (leader, member)))
        {
            let name = store.entry_place(&leader.1.spot.key.key).name;
            let Some(write) = writes.iter().find(|(written, ..)| *written == name) else { continue };
            if let Some(turn) = leader.0.write().await {
                turns.push(turn);
                current.push(write.clone());
            }
        }
        if let Err(error) = store.backend().set_many(current).await.map_err(Error::from) {
            self.trouble(&error);
        }
    }
}

fn canonical(keys: impl IntoIterator<Item = impl Key>) -> Result<Vec<CacheKey>, Error> {
    keys.into_iter().map(|key| Ok(key.to_cache_key()?)).collect()
}

/// Where each different key stands first; a key without a canonical form is like no other.
fn first_of_each<K>(keys: &[(K, Option<CacheKey>)]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    (0..keys.len()).filter(|at| keys[*at].1.as_ref().is_none_or(|key| seen.insert(key))).collect()
}

fn same<K>(one: &(K, Option<CacheKey>), other: &(K, Option<CacheKey>)) -> bool {
    one.1.is_some() && one.1 == other.1
}
