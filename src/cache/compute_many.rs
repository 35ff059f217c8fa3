//! Many keys in one call: one round trip, and one computation for what is missing.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::runtime::Handle;

use super::{
    Cache, Value,
    call::{Entry, Settings},
    engine::{Spot, hand_fresh, is_well},
    flight::{Leader, Turn},
    value::Stored,
};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
    error::Error,
    key::{CacheKey, Key},
    metrics::{Call, Operation, Outcome},
};

/// How often a batch tries to lead at all its keys at once, before it computes some beside another call.
const ATTEMPTS: usize = 8;

/// The keys that are missing, by where they stand in the batch.
type Members = BTreeMap<usize, Member>;

struct Member {
    spot: Spot,
    leader: Option<Leader>,
    write: Option<Write>,
}

impl Cache {
    /// The values under these keys, in order: from memory, from the store in one round trip, and the missing ones from
    /// `f`, which runs once, with exactly the keys that are missing, each once. `None` where `f` has none for a key either.
    ///
    /// `f` gives pairs of a key and its value, in any order; what it was not asked for is ignored. A key that another
    /// call is computing just now is waited for, and shared the other way too. If `f` fails, its error is returned. A
    /// key that is refused is counted, and given to `f`; its value cannot be told from others, and is `None`.
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
        let settings = Entry::new(self, ()).into_settings();
        let keys: Vec<K> = keys.into_iter().collect();
        let names: Vec<Option<CacheKey>> = keys.iter().map(|key| self.named(key)).collect();
        let firsts = firsts(&names);
        let is_first = |at: &usize| names[*at].as_ref().is_none_or(|name| firsts[name] == *at);
        call.keys((0..keys.len()).filter(is_first).count());
        let mut values: Vec<Option<T>> = keys.iter().map(|_| None).collect();
        let mut members = Members::new();
        for (at, name) in (0..keys.len()).filter(is_first).filter_map(|at| Some((at, names[at].as_ref()?))) {
            match self.hit::<T>(call, name.as_bytes()) {
                Some(stored) => values[at] = Some(stored.value.clone()),
                None => {
                    _ = members.insert(at, Member { spot: self.spot_at(name), leader: None, write: None })
                }
            }
        }
        if (0..keys.len()).any(|at| is_first(&at) && values[at].is_none()) {
            call.beyond(|| None::<StoreKey>);
        }
        self.lead_all(call, &mut members, &mut values).await;
        let well = self.find_all(call, &mut members, &mut values).await;
        let missing = (0..keys.len()).filter(|at| is_first(at) && values[*at].is_none());
        let missing: Vec<K> = missing.map(|at| keys[at].clone()).collect();
        if !missing.is_empty() {
            let created_at = self.creation_time(&settings);
            let computed = f(missing).await?;
            for (key, value) in computed {
                let name = key.to_cache_key().ok();
                let at = name.and_then(|name| firsts.get(&name).copied());
                let Some(at) = at.filter(|at| values[*at].is_none()) else { continue };
                call.outcome(Outcome::Computed);
                values[at] = Some(value.clone());
                if let Some(member) = members.get_mut(&at) {
                    self.take_in(member, value, &settings, created_at);
                }
            }
            self.write_all(members, well).await;
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

    /// Leads at every key, or takes the value of another call that does. While this call waits it leads nowhere, so that
    /// nobody waits for it.
    async fn lead_all<T: Value>(&self, call: &Call<'_>, members: &mut Members, values: &mut [Option<T>]) {
        for attempt in 1..=ATTEMPTS {
            members.values_mut().for_each(|member| member.leader = member.spot.seat.try_lead());
            if attempt == ATTEMPTS || members.values().all(|member| member.leader.is_some()) {
                return;
            }
            let busy: Vec<usize> =
                members.iter().filter(|(_, member)| member.leader.is_none()).map(|(at, _)| *at).collect();
            members.values_mut().for_each(|member| member.leader = None);
            for at in busy {
                let spot = &members[&at].spot;
                if let Turn::Value(stored) = spot.turn(|published| self.usable::<T>(published, &[])).await {
                    call.outcome(Outcome::Waited);
                    values[at] = Some(stored.value.clone());
                }
            }
            members.retain(|at, _| values[*at].is_none());
            for (at, member) in members.iter() {
                values[*at] = self.hit::<T>(call, &member.spot.key.key).map(|stored| stored.value.clone());
            }
            members.retain(|at, _| values[*at].is_none());
        }
    }

    /// Takes from the store what is there and fresh; tells whether the store is well.
    async fn find_all<T: Value>(
        &self,
        call: &Call<'_>,
        members: &mut Members,
        values: &mut [Option<T>],
    ) -> bool {
        if members.is_empty() {
            return true;
        }
        let spots: Vec<&Spot> = members.values().map(|member| &member.spot).collect();
        let (found, trouble) = self.load::<T>(&spots).await;
        for ((at, member), stored) in members.iter_mut().zip(found) {
            let Some(stored) = stored.filter(|stored| stored.label.is_fresh(self.now())) else { continue };
            call.outcome(member.spot.found());
            values[*at] = Some(stored.value.clone());
            if let Some(mut leader) = member.leader.take() {
                leader.publish(hand_fresh(&stored), || ());
            }
        }
        members.retain(|at, _| values[*at].is_none());
        is_well(trouble.as_ref())
    }

    /// Keeps a computed value, and hands it to those who wait.
    fn take_in<T: Value>(&self, member: &mut Member, value: T, settings: &Settings, created_at: u64) {
        let Some(leader) = &mut member.leader else { return };
        let stored = match settings.label(created_at, &value) {
            Ok(label) => Arc::new(Stored { value, label }),
            Err(error) => return self.trouble(&error),
        };
        match self.seal(&member.spot.key.key, &stored) {
            Ok(write) => {
                let keep = || self.keep(&member.spot.key, &stored, write.as_ref());
                leader.publish(hand_fresh(&stored), keep);
                member.write = write;
            }
            Err(error) => {
                self.trouble(&error);
                leader.publish(hand_fresh(&stored), || ());
            }
        }
    }

    /// Writes what was computed in one round trip: in the background if the store has just failed.
    async fn write_all(&self, members: Members, well: bool) {
        let cache = self.clone();
        let write = async move { cache.write_now(members).await };
        match Handle::try_current() {
            Ok(runtime) if !well && !self.shared.tasks.is_closed() => {
                drop(self.shared.tasks.spawn_on(write, &runtime));
            }
            Ok(_) | Err(_) => write.await,
        }
    }

    async fn write_now(&self, mut members: Members) {
        let Some(store) = &self.store else { return };
        let (mut turns, mut writes) = (Vec::new(), Vec::new());
        for member in members.values_mut() {
            let (Some(leader), Some(write)) = (&member.leader, member.write.take()) else { continue };
            // Waiting here with the turn of another key could wait for ever: for a `set_many` that has the one and waits
            // for the other. Where a write is under way, it is newer, and this one is left out.
            if let Some(Some(turn)) = at_once(leader.write()) {
                turns.push(turn);
                writes.push(write);
            }
        }
        if writes.is_empty() {
            return;
        }
        if let Err(error) = store.backend().set_many(writes).await.map_err(Error::from) {
            self.trouble(&error);
        }
    }
}

/// What the future gives without waiting.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
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
