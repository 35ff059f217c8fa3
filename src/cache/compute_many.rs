//! Many keys in one call: one batch, and one computation for what is missing.

use std::{collections::HashMap, future::Future};

use super::{
    Cache, Value,
    call::Settings,
    members::{Member, Members},
    source::in_time,
};
use crate::{
    crypto::StoreKey,
    error::Error,
    key::{CacheKey, Key},
    metrics::{Call, Operation, Outcome},
};

impl Cache {
    /// The values under these keys, in order: from memory, from the store in one batch, as [`get_many`](Self::get_many) asks,
    /// and the missing ones from `f`, which runs once, with exactly the keys that are missing, each once. `None` where `f` has
    /// none for a key either.
    ///
    /// `f` gives pairs of a key and its value, in any order; what it was not asked for is ignored. A key that another
    /// call is computing just now is waited for, and shared the other way too; where again and again another call takes one of
    /// them first, that one is computed beside it at last, and not kept. Where `f` fails, or exceeds the
    /// [`soft_timeout`](super::Builder::soft_timeout), values within their [`stale`](super::Builder::stale) time stand in
    /// if there is one for each missing key; else its error is returned. A key that is refused is counted, and given to
    /// `f`; its value cannot be told from others, and is `None`.
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
        call.end(call.around(self.compute_many(&call, keys, f)).await)
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
        let settings = Settings::of(self);
        let keys: Vec<K> = keys.into_iter().collect();
        let names: Vec<Option<CacheKey>> = keys.iter().map(|key| self.named(key)).collect();
        let firsts = firsts(&names);
        let is_first = |at: &usize| names[*at].as_ref().is_none_or(|name| firsts[name] == *at);
        call.keys((0..keys.len()).filter(is_first).count());
        let mut values: Vec<Option<T>> = keys.iter().map(|_| None).collect();
        let mut members = Members::new();
        for (at, name) in (0..keys.len()).filter(is_first).filter_map(|at| Some((at, names[at].as_ref()?))) {
            match self.hit(call, name.as_bytes(), true) {
                Some(value) => values[at] = Some(value),
                None => _ = members.insert(at, Member::new(self.seat_at(name))),
            }
        }
        if (0..keys.len()).any(|at| is_first(&at) && values[at].is_none()) {
            call.beyond(|| None::<StoreKey>);
        }
        self.lead_all(call, &mut members, &mut values).await;
        let well = self.find_all(call, &mut members, &mut values).await;
        let missing = (0..keys.len()).filter(|at| is_first(at) && values[*at].is_none());
        let missing: Vec<usize> = missing.collect();
        if !missing.is_empty() {
            let beginning = self.beginning(&settings);
            let computing = f(missing.iter().map(|at| keys[*at].clone()).collect());
            let stand_ins = || self.stand_ins(&members, &missing);
            let stale = match in_time(settings.policy.soft_timeout, stand_ins, computing).await {
                Ok(Ok(computed)) => {
                    for (key, value) in computed {
                        let name = key.to_cache_key().ok();
                        let at = name.and_then(|name| firsts.get(&name).copied());
                        let Some(at) = at.filter(|at| values[*at].is_none()) else { continue };
                        call.outcome(Outcome::Computed);
                        values[at] = Some(value.clone());
                        if let Some(member) = members.get_mut(&at) {
                            self.take_in(member, value, &settings, beginning, well);
                        }
                    }
                    self.write_all(members, well).await;
                    Vec::new()
                }
                Ok(Err(error)) => match stand_ins() {
                    Some(stale) => self.fall_back_on(members, stale, &settings),
                    None => return Err(error),
                },
                Err(stale) => self.fall_back_on(members, stale, &settings),
            };
            for (at, stale) in stale {
                call.outcome(Outcome::Stale);
                values[at] = Some(stale.value.clone());
            }
        }
        for at in (0..keys.len()).filter(|at| !is_first(at)) {
            let first = names[at].as_ref().map(|name| firsts[name]);
            values[at] = first.and_then(|first| values[first].clone());
        }
        Ok(values)
    }

    /// The canonical form of a key, if it has one; a key without is computed each time.
    fn named(&self, key: &impl Key) -> Option<CacheKey> {
        key.to_cache_key().map_err(Error::from).inspect_err(|error| self.trouble(error)).ok()
    }
}

/// Where each key stands first.
fn firsts(names: &[Option<CacheKey>]) -> HashMap<CacheKey, usize> {
    let mut firsts = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(name) = name {
            firsts.entry(name.clone()).or_insert(at);
        }
    }
    firsts
}
