//! A process: a host that uses the library as an application does, over every layer, and judges what it gets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{AnyBackend, BackendExt as _, Cache, EncryptedBackend, Error, testing::Clock};
use tokio::time::{Instant, sleep};

use super::{
    Plant,
    dice::Dice,
    keys::{LAST, Masters},
    meter::{DEADLINE, Meter, Overrun},
    rules::{Model, STALE, TTL},
    tap::{CANARY, Tap},
    wire::Wire,
    work::Work,
};

/// Tasks of a process.
const TASKS: u64 = 3;

/// What the processes of one history share with who watches them.
pub(crate) struct Watch {
    pub(crate) model: Mutex<Model>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) overrun: Arc<Overrun>,
    pub(crate) masters: Masters,
    pub(crate) plant: Plant,
    /// The longest that a call of `Cache` took.
    pub(crate) longest: Mutex<Duration>,
    /// The network is whole again: every process is to find that out.
    pub(crate) healed: Mutex<bool>,
    /// How long it took each of them.
    pub(crate) recovered: Mutex<Vec<Option<Duration>>>,
}

/// One process, each time that it starts.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) watch: Arc<Watch>,
    pub(crate) number: usize,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
}

/// The handles that a process has just now, one of each for each tenant.
#[derive(Clone)]
pub(crate) struct Handles {
    pub(crate) stage: usize,
    pub(crate) wire: Arc<Wire>,
    pub(crate) bare: [EncryptedBackend<AnyBackend>; 2],
    pub(crate) caches: [Cache; 2],
}

impl Process {
    pub(crate) async fn run(self, start: u64) -> turmoil::Result {
        self.watch.model.lock().unwrap().started(self.number);
        let handles = Arc::new(Mutex::new(self.handles(start as usize % (LAST + 1))?));
        for task in 0..TASKS {
            let mut work = Work { process: self.clone(), handles: handles.clone() };
            work.process.dice = self.dice.apart(start * TASKS + task);
            tokio::spawn(async move {
                loop {
                    let pause = work.process.dice.ms(1, 120);
                    sleep(pause).await;
                    work.one().await;
                }
            });
        }
        while !*self.watch.healed.lock().unwrap() {
            sleep(Duration::from_millis(50)).await;
        }
        let start = Instant::now();
        let store = handles.lock().unwrap().bare[0].clone();
        let key = format!("{CANARY}:recovered:{}", self.number);
        loop {
            let set = store.set(&key, &self.number, Duration::from_secs(600)).await;
            if set.is_ok() && store.get::<usize>(&key).await.is_ok_and(|value| value == Some(self.number)) {
                self.watch.recovered.lock().unwrap()[self.number] = Some(start.elapsed());
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn handles(&self, stage: usize) -> Result<Handles, Error> {
        let Watch { masters, tap, overrun, model, plant, .. } = &*self.watch;
        let doubts = model.lock().unwrap().doubts.clone();
        // One of them leaves all limits to the layers.
        let limited = *plant != Plant::NoDeadline && self.number != 1;
        let wire = Arc::new(Wire::new(tap.clone(), doubts, limited));
        let (limit, deadline) = match plant {
            Plant::NoDeadline => (1_000 * DEADLINE, 1_000 * DEADLINE),
            _ => (DEADLINE * 2 / 3, DEADLINE),
        };
        let open_for = Duration::from_secs(if *plant == Plant::NoRecovery { 3_600 } else { 5 });
        let layered = wire.clone().timeout(limit)?.breaker().open_for(open_for)?.limit(256, 16_384)?;
        // Pauses that a timer rounds to the same millisecond, so that a seed is always the same history.
        let pause = Duration::from_millis(1);
        let layered = layered.retry().pauses(pause, pause)?.deadline(deadline)?;
        let store = AnyBackend::new(Meter { inner: layered, overrun: overrun.clone() });
        let tenant = |tenant| masters.tenant(stage, tenant, *plant);
        let bare = EncryptedBackend::new(store, tenant(0)).clock(&self.clock);
        let bare = [bare.clone(), bare.for_tenant(tenant(1))];
        let builder = Cache::builder(bare[0].clone()).ttl(Duration::from_millis(TTL));
        let cache = builder.stale(Duration::from_millis(STALE)).l1_ttl(Duration::from_secs(3)).build()?;
        let caches = [cache.clone(), cache.for_tenant(tenant(1))];
        Ok(Handles { stage, wire, bare, caches })
    }
}
