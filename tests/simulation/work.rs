//! What a task of a process does, one call after another, and what it makes of what it gets.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::Error;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Plant,
    keys::{LAST, seals},
    process::{Handles, Process},
    rules::{Look, Model, Place, STALE},
    tap::CANARY,
};

/// Keys of each process alone, and of all, for each tenant.
pub(crate) const OWN: u8 = 2;
pub(crate) const SHARED: u8 = 3;
/// No call takes longer, by simulated time: it is several calls to the store, one after the other, and waits for those of
/// others.
const RETURNS: Duration = Duration::from_secs(60);

/// A value: its number, and what no store may see.
type Value = (usize, String);

pub(crate) fn logical((_, owner, key): Place) -> String {
    format!("{CANARY}:{owner:?}:{key}")
}

#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) process: Process,
    pub(crate) handles: Arc<Mutex<Handles>>,
}

/// What one call goes by.
struct Call {
    handles: Handles,
    place: Place,
    tagged: bool,
    look: Look,
}

impl Work {
    /// One call of some kind.
    pub(crate) async fn one(&mut self) {
        let dice = &mut self.process.dice;
        let owner = dice.one_in(2).then_some(self.process.number);
        let key = dice.below(u64::from(if owner.is_some() { OWN } else { SHARED })) as u8;
        let place = (dice.below(2) as usize, owner, key);
        let (kind, tagged) = (dice.below(24), dice.one_in(3));
        let handles = self.handles.lock().unwrap().clone();
        let look = self.model().look((self.process.number, handles.stage), place.0, self.process.clock.now());
        let call = Call { handles, place, tagged, look };
        let done = timeout(RETURNS, async {
            match kind {
                0..=3 => self.set(&call).await,
                4..=7 => self.get(&call).await,
                8..=11 => self.compute(call).await,
                12 => self.compute_in_background(call).await,
                13 => self.bare_get(&call).await,
                14 => self.bare_set(&call).await,
                15..=16 => self.get_many(&call).await,
                17 => self.set_many(&call).await,
                18 => self.compute_many(call).await,
                19 => self.delete(&call).await,
                20 => self.invalidate(&call).await,
                21 => self.give_up(&call).await,
                22 => drop(call.handles.caches[place.0].exists(logical(place)).await),
                _ => self.rotate(),
            }
        });
        let (start, done) = (Instant::now(), done.await.is_ok());
        let mut longest = self.process.watch.longest.lock().unwrap();
        *longest = start.elapsed().max(*longest);
        if !done {
            self.model().wrong.get_or_insert(format!("a call of kind {kind} has not returned"));
        }
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.process.watch.model.lock().unwrap()
    }

    /// A value of which it is known from now on that it may be found at this place.
    fn written(&self, call: &Call, place: Place, tagged: bool, stale: u64) -> Value {
        let by = (self.process.number, seals(call.handles.stage));
        let number = self.model().write(place, by, tagged, self.process.clock.now(), stale);
        (number, format!("{CANARY} {number}"))
    }

    fn judge(&self, call: &Call, place: Place, value: Option<Value>, outcome: &'static str) {
        let mut model = self.model();
        model.tally(outcome);
        if let Some((number, _)) = value {
            model.judge(&call.look, place, number);
        }
    }

    /// What a call gave, unless the store failed it; no store can cause another error.
    fn sort<T>(&self, outcome: Result<T, Error>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Error::Backend(_) | Error::Unreadable(_)) => {
                self.model().tally("failed");
                None
            }
            Err(error) => {
                self.model().wrong.get_or_insert(format!("an error that no store can cause: {error:?}"));
                None
            }
        }
    }

    async fn set(&self, call: &Call) {
        let (place, cache) = (call.place, &call.handles.caches[call.place.0]);
        let value = self.written(call, place, call.tagged, STALE);
        let number = value.0;
        if self.process.watch.plant == Plant::Echo {
            call.handles.wire.echo(&logical(place)).await;
        }
        let tags = call.tagged.then_some(CANARY);
        let set = match self.process.watch.plant {
            // Past the memory of the cache, which goes on to believe what it holds.
            Plant::LateWrites => {
                let bare = &call.handles.bare[place.0];
                bare.set(logical(place), &value, Duration::from_secs(8)).await
            }
            _ => cache.entry(logical(place)).tags(tags).set(value).await,
        };
        if self.sort(set).is_some() {
            self.model().finish(number);
            self.model().tally("set");
        }
    }

    async fn get(&self, call: &Call) {
        let found = call.handles.caches[call.place.0].get::<Value>(logical(call.place)).await;
        if let Some(found) = self.sort(found) {
            self.judge(call, call.place, found, "read");
        }
    }

    /// A function that takes its time, and fails sometimes.
    async fn source(&mut self, call: &Call, place: Place, number: &AtomicUsize) -> Result<Value, ()> {
        let (takes, fails) = (self.process.dice.ms(0, 300), self.process.dice.one_in(4));
        let value = self.written(call, place, call.tagged, STALE);
        number.store(value.0, SeqCst);
        sleep(takes).await;
        if fails { Err(()) } else { Ok(value) }
    }

    async fn compute(&mut self, mut call: Call) {
        call.look.stale = true;
        let (place, tags) = (call.place, call.tagged.then_some(CANARY));
        let cache = call.handles.caches[place.0].clone();
        let computing = cache.entry(logical(place)).tags(tags);
        let number = AtomicUsize::new(usize::MAX);
        let computed = computing.get_or_compute(|| self.source(&call, place, &number)).await;
        if computed.as_ref().is_ok_and(|value| value.0 == number.load(SeqCst)) {
            self.model().end(number.load(SeqCst));
        }
        self.judge(&call, place, computed.ok(), "computed");
    }

    async fn compute_in_background(&mut self, mut call: Call) {
        call.look.stale = true;
        let (place, cache) = (call.place, call.handles.caches[call.place.0].clone());
        let mut work = self.clone();
        work.process.dice = self.process.dice.apart(self.process.dice.clone().next());
        let other = Call { handles: call.handles.clone(), look: call.look.clone(), tagged: false, ..call };
        let source = move || async move { work.source(&other, place, &AtomicUsize::default()).await };
        let computed = cache.get_or_refresh(logical(place), source).await;
        self.judge(&call, place, computed.ok(), "refreshed");
    }

    async fn bare_get(&self, call: &Call) {
        let found = call.handles.bare[call.place.0].get::<Value>(logical(call.place)).await;
        let mut look = call.look.clone();
        (look.stale, look.cached) = (true, false);
        if let Some(Some((number, _))) = self.sort(found) {
            self.model().judge(&look, call.place, number);
        }
    }

    /// To keys of all: those of a process keep the order of its cache.
    async fn bare_set(&self, call: &Call) {
        let place = (call.place.0, None, call.place.2);
        let value = self.written(call, place, false, 0);
        let set = call.handles.bare[place.0].set(logical(place), &value, Duration::from_secs(8)).await;
        self.sort(set);
    }

    fn places(&self, call: &Call) -> Vec<Place> {
        let own = (0..OWN).map(|key| (call.place.0, Some(self.process.number), key));
        own.chain((0..SHARED).map(|key| (call.place.0, None, key))).collect()
    }

    async fn get_many(&self, call: &Call) {
        let places = self.places(call);
        let keys = places.iter().copied().map(logical);
        let found = call.handles.caches[call.place.0].get_many::<Value>(keys).await;
        for (place, value) in places.into_iter().zip(self.sort(found).unwrap_or_default()) {
            self.judge(call, place, value, "read in a batch");
        }
    }

    async fn set_many(&self, call: &Call) {
        let places = self.places(call).into_iter();
        let items: Vec<(Place, Value)> =
            places.map(|place| (place, self.written(call, place, false, STALE))).collect();
        let writes = items.iter().map(|(place, value)| (logical(*place), value.clone()));
        let set = call.handles.caches[call.place.0].set_many(writes.collect::<Vec<_>>()).await;
        if self.sort(set).is_some() {
            items.into_iter().for_each(|(_, (number, _))| self.model().finish(number));
        }
    }

    async fn compute_many(&mut self, mut call: Call) {
        call.look.stale = true;
        let (places, fails) = (self.places(&call), self.process.dice.one_in(4));
        let takes = self.process.dice.ms(0, 300);
        let cache = call.handles.caches[call.place.0].clone();
        let numbers = Mutex::new(Vec::new());
        let source = async |missing: Vec<String>| {
            let place = |key: &String| *places.iter().find(|place| logical(**place) == *key).unwrap();
            let value = |key: String| (key.clone(), self.written(&call, place(&key), false, STALE));
            let values: Vec<(String, Value)> = missing.into_iter().map(value).collect();
            *numbers.lock().unwrap() = values.iter().map(|(_, value)| value.0).collect();
            sleep(takes).await;
            if fails { Err(()) } else { Ok(values) }
        };
        let found = cache.get_or_compute_many(places.iter().copied().map(logical), source).await;
        if found.is_ok() {
            numbers.into_inner().unwrap().into_iter().for_each(|number| self.model().end(number));
        }
        for (place, value) in places.iter().zip(found.unwrap_or_default()) {
            self.judge(&call, *place, value, "computed in a batch");
        }
    }

    async fn delete(&self, call: &Call) {
        let number = self.written(call, call.place, false, 0).0;
        if self.sort(call.handles.caches[call.place.0].delete(logical(call.place)).await).is_some() {
            self.model().finish(number);
        }
    }

    /// All of a tenant, or what carries the tag; in this process it counts from then on, whatever the store answers.
    async fn invalidate(&self, call: &Call) {
        let (tenant, below) = (call.place.0, self.model().count());
        let cache = &call.handles.caches[tenant];
        let told = if call.tagged { cache.clear().await } else { cache.invalidate_tag(CANARY).await };
        self.model().invalidated(self.process.number, tenant, below, call.tagged);
        self.sort(told);
    }

    /// A write whose caller does not wait for its end.
    async fn give_up(&self, call: &Call) {
        let value = self.written(call, call.place, false, STALE);
        let set = call.handles.caches[call.place.0].set(logical(call.place), value);
        drop(timeout(Duration::from_millis(15), set).await);
    }

    /// The next stage of the rotation, with all that is in memory.
    fn rotate(&mut self) {
        let mut handles = self.handles.lock().unwrap();
        handles.stage = (handles.stage + 1) % (LAST + 1);
        for tenant in 0..2 {
            let keys = || self.process.watch.masters.tenant(handles.stage, tenant, self.process.watch.plant);
            let (bare, cache) =
                (handles.bare[tenant].for_tenant(keys()), handles.caches[tenant].for_tenant(keys()));
            (handles.bare[tenant], handles.caches[tenant]) = (bare, cache);
        }
    }
}
