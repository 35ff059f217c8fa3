//! One history: calls of processes for several homes, and what each may return.

use std::{cell::Cell, time::Duration};

use blindcache::{Cache, Error, testing::Lie};

use tokio::time::timeout;

use super::{
    rules::{Model, Sure, TTL, Who},
    world::{Plant, World},
};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Set(Who, bool),
    Get(Who),
    Delete(Who),
    /// Its answer is the store's word, and means nothing.
    Exists(Who),
    /// `get_or_compute`; tagged or not, with a function that succeeds or not.
    Compute(Who, bool, bool),
    /// The same, failing closed.
    Strict(Who, bool),
    /// `get_or_refresh`, until its background work is done.
    Refresh(Who, bool),
    /// A read and a write of `EncryptedBackend`, beside the cache.
    BareGet(Who),
    BareSet(Who),
    ReadAll(usize, usize),
    SetAll(usize, usize),
    DeleteAll(usize, usize),
    /// `get_or_compute_many`, with a function that succeeds or not.
    ComputeAll(usize, usize, bool),
    /// A set, delete or `get_or_compute` whose future is dropped if it takes longer than 1 ms.
    GiveUp(Who, Call),
    Invalidate(usize, usize),
    Clear(usize, usize),
    /// A process goes on with the keyring of another stage of the rotation; as it is, or started anew.
    Rotate(usize, usize, bool),
    Pass(u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    Set,
    Delete,
    Compute,
}

/// Longer than any history takes by tokio's time, unless it hangs.
const HANGS: Duration = Duration::from_secs(24 * 3600);

/// What a history came to: how many lies were told, and how many values were returned and judged.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Played {
    pub(crate) lies: u64,
    pub(crate) values: u64,
}

pub(crate) fn play(steps: &[Step], lies: &[Lie], memory: usize, plant: Plant) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let slow = |lie: &Lie| matches!(lie, Lie::Dawdle(_));
    let mut player = Player {
        world: World::new(lies, memory, plant),
        model: Model::default(),
        honest: lies.iter().all(|lie| *lie == Lie::None || slow(lie)),
        slow: lies.iter().any(slow),
        values: Cell::new(0),
    };
    let played = runtime.unwrap().block_on(async { timeout(HANGS, player.run(steps)).await });
    played.unwrap_or_else(|_| Err("it hangs".into()))?;
    Ok(Played { lies: player.world.store.told(), values: player.values.get() })
}

pub(super) struct Player {
    pub(super) world: World,
    pub(super) model: Model,
    honest: bool,
    slow: bool,
    values: Cell<u64>,
}

impl Player {
    async fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.model.now += 1;
            // Between processes an invalidation is as exact as the clock, which counts milliseconds.
            self.world.clock.advance(Duration::from_millis(1));
            self.step(step).await?;
            // What was given up over a slow store is at it for some time.
            if !self.slow {
                self.settle().await;
                self.nothing_in_flight()?;
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.nothing_in_flight()
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Set(who, tagged) => self.set(who, tagged).await,
            Step::Get(who) => self.get(who).await,
            Step::Delete(who) => self.delete(who).await,
            Step::Exists(who) => fails_by_the_store(self.cache(who).exists(who.2).await).map(drop),
            Step::Compute(who, tagged, ok) => self.compute(who, tagged, ok).await,
            Step::Strict(who, ok) => self.strict(who, ok).await,
            Step::Refresh(who, ok) => self.refresh(who, ok).await,
            Step::BareGet(who) => self.bare_get(who).await,
            Step::BareSet(who) => self.bare_set(who).await,
            Step::ReadAll(process, home) => self.read_all(process, home).await,
            Step::SetAll(process, home) => self.set_all(process, home).await,
            Step::DeleteAll(process, home) => self.delete_all(process, home).await,
            Step::ComputeAll(process, home, ok) => self.compute_all(process, home, ok).await,
            Step::GiveUp(who, call) => self.give_up(who, call).await,
            Step::Invalidate(process, home) => self.invalidate(process, home, Some("tag")).await,
            Step::Clear(process, home) => self.invalidate(process, home, None).await,
            Step::Rotate(process, stage, live) => {
                self.world.rotate(process, stage, live).await;
                self.model.rotated(process, stage, live);
                Ok(())
            }
            Step::Pass(time) => {
                self.world.clock.advance(Duration::from_millis(time));
                tokio::time::advance(Duration::from_millis(time)).await;
                Ok(())
            }
        }
    }

    async fn set(&mut self, who: Who, tagged: bool) -> Result<(), String> {
        let wall = self.wall();
        let value = self.model.write(who, tagged, wall);
        let cache = match self.world.plant {
            Plant::LateWrites => self.world.behind.caches[who.1].clone(),
            _ => self.cache(who),
        };
        self.model.in_memory.remove(&who);
        if fails_by_the_store(cache.entry(who.2).tags(self.tags(tagged)).set(value).await)?.is_some() {
            self.model.wrote(who);
            self.keeps(who, tagged, wall);
        }
        Ok(())
    }

    async fn get(&mut self, who: Who) -> Result<(), String> {
        match fails_by_the_store(self.cache(who).get::<usize>(who.2).await)?.flatten() {
            Some(value) => self.check(who, value, false),
            None => Ok(()),
        }
    }

    async fn delete(&mut self, who: Who) -> Result<(), String> {
        self.model.in_memory.remove(&who);
        if fails_by_the_store(self.cache(who).delete(who.2).await)?.is_some() {
            self.model.wrote(who);
        }
        Ok(())
    }

    async fn compute(&mut self, who: Who, tagged: bool, ok: bool) -> Result<(), String> {
        let (cache, wall, next, ran) =
            (self.cache(who), self.wall(), self.model.written.len(), Cell::new(false));
        let compute = async || {
            ran.set(true);
            if ok { Ok(next) } else { Err(()) }
        };
        let computed = cache.entry(who.2).tags(self.tags(tagged)).get_or_compute(compute).await;
        let stale = ran.get() || self.model.pauses(who, wall);
        if ran.get() {
            self.model.ran(who, tagged, ok, wall);
        }
        if ran.get() && ok {
            self.keeps(who, tagged, wall);
        }
        match computed {
            Ok(value) => self.check(who, value, stale)?,
            Err(()) if ran.get() && !ok => {}
            Err(()) => return Err("an error from nowhere".into()),
        }
        settled(&cache).await;
        Ok(())
    }

    async fn strict(&mut self, who: Who, ok: bool) -> Result<(), String> {
        let (cache, wall, next, ran) =
            (self.cache(who), self.wall(), self.model.written.len(), Cell::new(false));
        let compute = async || {
            ran.set(true);
            if ok { Ok(next) } else { Err(()) }
        };
        let computed = cache.entry(who.2).strict().get_or_compute(compute).await;
        if ran.get() && ok {
            self.model.ran(who, false, ok, wall);
            self.keeps(who, false, wall);
        }
        computed.map_or(Ok(()), |value| self.check(who, value, false))
    }

    async fn refresh(&mut self, who: Who, ok: bool) -> Result<(), String> {
        let (cache, wall, next) = (self.cache(who), self.wall(), self.model.written.len());
        let (ran, run) = std::sync::mpsc::channel();
        let compute = move || async move {
            ran.send(()).unwrap();
            if ok { Ok(next) } else { Err(()) }
        };
        let value = cache.get_or_refresh(who.2, compute).await;
        settled(&cache).await;
        let ran = run.try_recv().is_ok();
        let own = |value: &usize| ran && *value == next;
        // What comes at once is judged by what was finished before.
        if let Some(value) = value.ok().filter(|value| !own(value)) {
            self.check(who, value, true)?;
        }
        if ran {
            self.model.ran(who, false, ok, wall);
        }
        if ran && ok {
            self.keeps(who, false, wall);
        }
        value.ok().filter(own).map_or(Ok(()), |value| self.check(who, value, true))
    }

    async fn bare_get(&mut self, who: Who) -> Result<(), String> {
        let bare = &self.world.processes[who.0].bare[who.1];
        let Some(value) = fails_by_the_store(bare.get::<usize>(who.2).await)?.flatten() else {
            return Ok(());
        };
        self.values.set(self.values.get() + 1);
        self.model.opens(who, value, self.wall(), true).map(drop)
    }

    async fn bare_set(&mut self, who: Who) -> Result<(), String> {
        let value = self.model.write(who, false, self.wall());
        self.model.written[value].stale = 0;
        let bare = &self.world.processes[who.0].bare[who.1];
        let ttl = Duration::from_millis(TTL);
        fails_by_the_store(bare.set(who.2, &value, ttl).await).map(drop)
    }

    async fn give_up(&mut self, who: Who, call: Call) -> Result<(), String> {
        let (cache, key, ran) = (self.cache(who), who.2, Cell::new(false));
        let (next, limit) = (self.model.written.len(), Duration::from_millis(1));
        self.model.in_memory.remove(&who);
        let ended = match call {
            Call::Set => {
                ran.set(true);
                matches!(timeout(limit, cache.set(key, next)).await, Ok(Ok(())))
            }
            Call::Delete => matches!(timeout(limit, cache.delete(key)).await, Ok(Ok(_))),
            Call::Compute => {
                let compute = async || {
                    ran.set(true);
                    Ok::<_, ()>(next)
                };
                timeout(limit, cache.get_or_compute(key, compute)).await.is_ok()
            }
        };
        if ran.get() {
            self.model.write(who, false, self.wall());
            self.model.written[next].given_up = (!ended).then_some(who.0);
        }
        match call {
            _ if !ended => _ = self.model.under_way.insert(who),
            Call::Set | Call::Delete => self.model.wrote(who),
            Call::Compute if ran.get() && !self.model.under_way.contains(&who) => {
                self.model.finished.insert(who, self.model.now);
            }
            Call::Compute => {}
        }
        Ok(())
    }

    async fn invalidate(&mut self, process: usize, home: usize, tag: Option<&str>) -> Result<(), String> {
        let cache = &self.world.processes[process].caches[home];
        let told = match tag {
            Some(tag) => cache.invalidate_tag(tag).await,
            None => cache.clear().await,
        };
        self.model.invalid.insert((process, home, tag.is_none()), self.model.now);
        fails_by_the_store(told).map(drop)
    }

    pub(super) fn wall(&self) -> u64 {
        self.world.clock.now()
    }

    pub(super) fn cache(&self, (process, home, _): Who) -> Cache {
        self.world.processes[process].caches[home].clone()
    }

    fn tags(&self, tagged: bool) -> Option<&'static str> {
        (tagged && self.world.plant != Plant::NoTags).then_some("tag")
    }

    pub(super) fn keeps(&mut self, who: Who, tagged: bool, wall: u64) {
        self.model.keeps(who, tagged, wall, self.world.unreadable(who.1));
    }

    /// Whether a call of now may return this value.
    pub(super) fn check(&self, who: Who, value: usize, stale: bool) -> Result<(), String> {
        self.values.set(self.values.get() + 1);
        let sure = match (self.honest, self.world.memory) {
            (true, _) => Sure::Honest,
            // So much that nothing is pushed out.
            (false, 100) => Sure::Memory { unreadable: self.world.unreadable(who.1) },
            (false, _) => Sure::Nothing,
        };
        self.model.check(who, value, self.wall(), stale, sure)
    }

    async fn settle(&self) {
        for cache in self.world.caches() {
            settled(cache).await;
        }
    }

    fn nothing_in_flight(&self) -> Result<(), String> {
        match self.world.caches().map(|cache| cache.stats().in_flight).sum() {
            0 => Ok(()),
            in_flight => Err(format!("{in_flight} keys are still in flight")),
        }
    }
}

/// What a call gave, unless the store failed it; no store can cause another error.
pub(super) fn fails_by_the_store<T>(outcome: Result<T, Error>) -> Result<Option<T>, String> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Error::Backend(_) | Error::Unreadable(_)) => Ok(None),
        Err(error) => Err(format!("an error that no store can cause: {error:?}")),
    }
}

/// Waits for background work without ending it for good.
pub(super) async fn settled(cache: &Cache) {
    for _ in 0..50 {
        if cache.stats().in_flight == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
