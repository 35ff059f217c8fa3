//! One history: calls of two processes for two tenants, and what each may return.

use std::{cell::Cell, time::Duration};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, testing::Clock};

use tokio::time::timeout;

use super::{
    liar::{Liar, Lie},
    rules::{KEYS, L1_TTL, Model, PAUSE, STALE, Sure, TTL, Who},
};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Set(Who, bool),
    Get(Who),
    Delete(Who),
    /// `get_or_compute`; tagged or not, with a function that succeeds or not.
    Compute(Who, bool, bool),
    /// The same, failing closed.
    Strict(Who, bool),
    /// `get_or_refresh`, until its background work is done.
    Refresh(Who, bool),
    ReadAll(usize, usize),
    /// `get_or_compute_many`, with a function that succeeds or not.
    ComputeAll(usize, usize, bool),
    /// A set, delete or `get_or_compute` whose future is dropped if it takes longer than 1 ms.
    GiveUp(Who, Call),
    Invalidate(usize, usize),
    Clear(usize, usize),
    Pass(u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    Set,
    Delete,
    Compute,
}

/// A bug that is planted on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// Both tenants get the keys of one.
    OneTenant,
    /// Values live longer than the model allows.
    LongerLife,
    /// Values are stored without the tag that the model thinks they carry.
    NoTags,
    /// A set reaches the store only, behind the back of the cache that reads.
    LateWrites,
}

pub(crate) fn play(steps: &[Step], lies: &[Lie], memory: usize, plant: Plant) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(steps, lies, memory, plant))
}

async fn run(steps: &[Step], lies: &[Lie], memory: usize, plant: Plant) -> Result<(), String> {
    let clock = Clock::at(1_790_000_000_000);
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let liar = Liar::new(lies);
    let tenant = |name| keys.tenant(if plant == Plant::OneTenant { "acme" } else { name }).unwrap();
    let over = |store: EncryptedBackend<Liar>| {
        let longer = if plant == Plant::LongerLife { 1_000 } else { 0 };
        let builder = Cache::builder(store).ttl(Duration::from_millis(TTL + longer));
        let builder =
            builder.stale(Duration::from_millis(STALE)).fail_safe_pause(Duration::from_millis(PAUSE));
        builder.l1(memory).l1_ttl(Duration::from_millis(L1_TTL)).build().unwrap()
    };
    let process = || {
        let acme = EncryptedBackend::new(liar.clone(), tenant("acme")).clock(&clock);
        let elsewhere = over(acme.clone().namespace("elsewhere").unwrap());
        let cache = over(acme);
        let globex = cache.for_tenant(tenant("globex"));
        [cache, globex, elsewhere]
    };
    let processes = [process(), process()];
    let behind = process();
    let honest = lies.iter().all(|lie| matches!(lie, Lie::Honest | Lie::Slow));
    let sure = |process: usize, tenant: usize| match (honest, memory) {
        (true, _) => Sure::Honest,
        // So much that nothing is pushed out.
        (false, 100) => Sure::Memory(&processes[process][tenant]),
        (false, _) => Sure::Nothing,
    };
    let mut model = Model::default();
    let slow = lies.iter().any(|lie| matches!(lie, Lie::Slow));
    for step in steps {
        model.now += 1;
        // Between processes an invalidation is as exact as the clock, which counts milliseconds.
        clock.advance(Duration::from_millis(1));
        let wall = clock.now();
        match *step {
            Step::Set(who @ (process, tenant, key), tagged) => {
                let value = model.write(who, tagged, wall);
                let cache = match plant {
                    Plant::LateWrites => &behind[tenant],
                    _ => &processes[process][tenant],
                };
                model.in_memory.remove(&who);
                if cache.entry(key).tags(tags(tagged, plant)).set(value).await.is_ok() {
                    model.wrote(who);
                    model.keeps(who, tagged, wall, cache);
                }
            }
            Step::Get(who @ (process, tenant, key)) => {
                if let Ok(Some(value)) = processes[process][tenant].get::<usize>(key).await {
                    model.check(who, value, wall, false, sure(process, tenant))?;
                }
            }
            Step::Delete(who @ (process, tenant, key)) => {
                model.in_memory.remove(&who);
                if processes[process][tenant].delete(key).await.is_ok() {
                    model.wrote(who);
                }
            }
            Step::Compute(who @ (process, tenant, key), tagged, ok) => {
                let next = model.written.len();
                let ran = Cell::new(false);
                let compute = async || {
                    ran.set(true);
                    if ok { Ok(next) } else { Err(()) }
                };
                let entry = processes[process][tenant].entry(key).tags(tags(tagged, plant));
                let computed = entry.get_or_compute(compute).await;
                let stale = ran.get() || model.pauses(who, wall);
                if ran.get() {
                    model.ran(who, tagged, ok, wall);
                }
                if ran.get() && ok {
                    model.keeps(who, tagged, wall, &processes[process][tenant]);
                }
                match computed {
                    Ok(value) => model.check(who, value, wall, stale, sure(process, tenant))?,
                    Err(()) if ran.get() && !ok => {}
                    Err(()) => return Err("an error from nowhere".into()),
                }
                processes[process][tenant].clone().settled().await;
            }
            Step::Refresh(who @ (process, tenant, key), ok) => {
                let next = model.written.len();
                let (ran, run) = std::sync::mpsc::channel();
                let compute = move || async move {
                    ran.send(()).unwrap();
                    if ok { Ok(next) } else { Err(()) }
                };
                let cache = &processes[process][tenant];
                let value = cache.get_or_refresh(key, compute).await;
                cache.clone().settled().await;
                let ran = run.try_recv().is_ok();
                let own = model.written.len();
                // What comes at once is judged by what was finished before.
                if let Ok(value) = value.as_ref().copied().map_err(drop)
                    && !(ran && value == own)
                {
                    model.check(who, value, wall, true, sure(process, tenant))?;
                }
                if ran {
                    model.ran(who, false, ok, wall);
                }
                if ran && ok {
                    model.keeps(who, false, wall, cache);
                }
                if let Ok(value) = value
                    && ran
                    && value == own
                {
                    model.check(who, value, wall, true, sure(process, tenant))?;
                }
            }
            Step::ReadAll(process, tenant) => {
                if let Ok(values) = processes[process][tenant].get_many::<usize>(0..KEYS).await {
                    for (key, value) in (0..KEYS).zip(values) {
                        value.map_or(Ok(()), |value| {
                            model.check((process, tenant, key), value, wall, false, sure(process, tenant))
                        })?;
                    }
                }
            }
            Step::Strict(who @ (process, tenant, key), ok) => {
                let next = model.written.len();
                let ran = Cell::new(false);
                let compute = async || {
                    ran.set(true);
                    if ok { Ok(next) } else { Err(()) }
                };
                let computed = processes[process][tenant].entry(key).strict().get_or_compute(compute).await;
                if ran.get() && ok {
                    model.ran(who, false, ok, wall);
                    model.keeps(who, false, wall, &processes[process][tenant]);
                }
                if let Ok(value) = computed {
                    model.check(who, value, wall, false, sure(process, tenant))?;
                }
            }
            Step::ComputeAll(process, tenant, ok) => {
                let first = model.written.len();
                let missing = Cell::new(vec![]);
                let compute = async |keys: Vec<u8>| {
                    missing.set(keys.clone());
                    if ok { Ok(keys.into_iter().zip(first..)) } else { Err(()) }
                };
                let cache = &processes[process][tenant];
                let values = cache.get_or_compute_many(0..KEYS, compute).await;
                let missing = missing.take();
                let pauses =
                    (0..KEYS).map(|key| model.pauses((process, tenant, key), wall)).collect::<Vec<_>>();
                for key in &missing {
                    model.ran((process, tenant, *key), false, ok, wall);
                    if ok {
                        model.keeps((process, tenant, *key), false, wall, cache);
                    }
                }
                let values = match values {
                    Ok(values) => values,
                    Err(()) if !missing.is_empty() && !ok => vec![],
                    Err(()) => return Err("an error from nowhere".into()),
                };
                for (key, value) in (0..KEYS).zip(values) {
                    let value = value.ok_or("a value is missing")?;
                    let stale = !ok && missing.contains(&key) || pauses[usize::from(key)];
                    model.check((process, tenant, key), value, wall, stale, sure(process, tenant))?;
                }
                cache.clone().settled().await;
            }
            Step::GiveUp(who @ (process, tenant, key), call) => {
                let (cache, next, ran) = (&processes[process][tenant], model.written.len(), Cell::new(false));
                let limit = Duration::from_millis(1);
                model.in_memory.remove(&who);
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
                    model.write(who, false, wall);
                    model.written[next].given_up = (!ended).then_some(process);
                }
                match call {
                    _ if !ended => _ = model.under_way.insert(who),
                    Call::Set | Call::Delete => model.wrote(who),
                    Call::Compute if ran.get() && !model.under_way.contains(&who) => {
                        model.finished.insert(who, model.now);
                    }
                    Call::Compute => {}
                }
            }
            Step::Invalidate(process, tenant) => {
                drop(processes[process][tenant].invalidate_tag("tag").await);
                model.invalid.insert((process, tenant, false), model.now);
            }
            Step::Clear(process, tenant) => {
                drop(processes[process][tenant].clear().await);
                model.invalid.insert((process, tenant, true), model.now);
            }
            Step::Pass(time) => {
                clock.advance(Duration::from_millis(time));
                tokio::time::advance(Duration::from_millis(time)).await;
            }
        }
        // What was given up over a slow store is at it for some time.
        if !slow {
            for cache in processes.iter().flatten() {
                cache.clone().settled().await;
            }
            nothing_in_flight(&processes)?;
        }
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_in_flight(&processes)
}

fn nothing_in_flight(processes: &[[Cache; 3]]) -> Result<(), String> {
    match processes.iter().flatten().map(|cache| cache.stats().in_flight).sum() {
        0 => Ok(()),
        in_flight => Err(format!("{in_flight} keys are still in flight")),
    }
}

fn tags(tagged: bool, plant: Plant) -> Option<&'static str> {
    (tagged && plant != Plant::NoTags).then_some("tag")
}

/// Waits for background work without ending it for good.
trait Settled {
    async fn settled(self);
}

impl Settled for Cache {
    async fn settled(self) {
        for _ in 0..50 {
            if self.stats().in_flight == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
