//! One history, from the first call to the last.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use blindcache::{
    Key as _, MemoryBackend,
    testing::{Clock, HostileBackend, Place as At},
};
use turmoil::{Builder, Sim};

use super::{
    Plant,
    dice::Dice,
    faults::{Faults, host},
    keys::Masters,
    meter::Overrun,
    process::{Process, Watch},
    rules::Model,
    store::{HOST, Mood, Store},
    tap::Tap,
    work::{OWN, logical},
};

const PROCESSES: usize = 3;
/// How far simulated time goes at a step.
const TICK: Duration = Duration::from_millis(10);
/// How long there are faults.
const TROUBLE: Duration = Duration::from_secs(45);
/// A batch that was sent during the trouble times out 4 s later, and opens the breaker for 5 s; its probe can take a
/// connection that died meanwhile, and open it for 5 s more.
const RECOVERS: Duration = Duration::from_secs(15);
const BEGINNING: u64 = 1_790_000_000_000;

/// What histories came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Came {
    simulated: Duration,
    calls: u64,
    values: u64,
    bytes: u64,
    lies: u64,
    faults: BTreeMap<String, u64>,
    outcomes: BTreeMap<&'static str, u64>,
    overrun: Duration,
    longest: Duration,
    recovery: Duration,
}

pub(crate) fn play(seed: u64, plant: Plant) -> Result<Came, String> {
    let mut dice = Dice::new(seed);
    let mut sim = Builder::new()
        .rng_seed(dice.next())
        .simulation_duration(Duration::from_secs(1 << 20))
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(dice.ms(5, 60))
        .tcp_capacity(1024)
        .build();
    let honest = !dice.one_in(4);
    let disk = if honest {
        HostileBackend::script(MemoryBackend::new(), [])
    } else {
        HostileBackend::seeded(MemoryBackend::new(), dice.next())
    };
    let store = Arc::new(Store {
        disk: Mutex::new(disk),
        mood: Mutex::new(Mood::Well),
        dice: Mutex::new(dice.apart(1)),
    });
    let mut faults = Faults::new(dice.apart(2), PROCESSES);
    faults.persistent |= !honest;
    let watch = watch(honest && faults.persistent, plant);
    let serving = store.clone();
    sim.host(HOST, move || serving.clone().serve());
    let clocks = (0..PROCESSES).map(|number| {
        // Clocks that differ by up to two seconds either way.
        let clock = Clock::at(BEGINNING + dice.below(4_001));
        let starts = AtomicU64::new(dice.below(4));
        let process = Process {
            watch: watch.clone(),
            number,
            clock: clock.clone(),
            dice: dice.apart(3 + number as u64),
        };
        sim.host(host(number), move || process.clone().run(starts.fetch_add(1, Relaxed)));
        clock
    });
    let clocks: Vec<Clock> = clocks.collect();
    while sim.elapsed() < TROUBLE {
        step(&mut sim, &clocks)?;
        faults.step(&mut sim, &store, false);
        verdict(&watch)?;
    }
    faults.step(&mut sim, &store, true);
    *watch.healed.lock().unwrap() = true;
    let recovered = || watch.recovered.lock().unwrap().iter().all(Option::is_some);
    while honest && !recovered() {
        step(&mut sim, &clocks)?;
        verdict(&watch)?;
        if sim.elapsed() > TROUBLE + RECOVERS {
            return Err(format!("a process has not recovered: {:?}", watch.recovered));
        }
    }
    let lies = store.disk.lock().unwrap().told();
    Ok(came(sim.elapsed(), &watch, faults.injected, lies))
}

fn watch(honest: bool, plant: Plant) -> Arc<Watch> {
    let (masters, mut model) = (Masters::new(), Model::new(honest));
    for tenant in 0..2 {
        let keys = masters.tenant(0, tenant, plant);
        for (owner, key) in (0..PROCESSES).flat_map(|process| (0..OWN).map(move |key| (process, key))) {
            let place = (tenant, Some(owner), key);
            let name = logical(place).to_cache_key().unwrap();
            let at = At { keys: &keys, marker: false, epoch: 0, namespace: "", name: name.as_bytes() };
            model.names.insert(place, at.store_key("").as_str().to_owned());
        }
    }
    Arc::new(Watch {
        model: Mutex::new(model),
        tap: Arc::new(Tap::default()),
        overrun: Arc::new(Overrun::default()),
        masters,
        plant,
        longest: Mutex::default(),
        healed: Mutex::new(false),
        recovered: Mutex::new(vec![None; PROCESSES]),
    })
}

fn step(sim: &mut Sim<'_>, clocks: &[Clock]) -> Result<(), String> {
    sim.step().map_err(|error| format!("a host ended: {error}"))?;
    clocks.iter().for_each(|clock| clock.advance(TICK));
    Ok(())
}

fn verdict(watch: &Watch) -> Result<(), String> {
    if let Some(seen) = watch.tap.seen() {
        return Err(seen);
    }
    // A timer may be a millisecond late.
    let late = watch.overrun.longest();
    if late > Duration::from_millis(1) {
        return Err(format!("a call ended {late:?} too late"));
    }
    watch.model.lock().unwrap().wrong.take().map_or(Ok(()), Err)
}

fn came(simulated: Duration, watch: &Watch, faults: BTreeMap<String, u64>, lies: u64) -> Came {
    let model = watch.model.lock().unwrap();
    let recovery = watch.recovered.lock().unwrap().iter().flatten().max().copied();
    Came {
        simulated,
        calls: watch.overrun.calls.load(Relaxed),
        values: model.values,
        bytes: watch.tap.bytes(),
        lies,
        faults,
        outcomes: model.outcomes.clone(),
        overrun: watch.overrun.longest(),
        longest: *watch.longest.lock().unwrap(),
        recovery: recovery.unwrap_or_default(),
    }
}

impl Came {
    pub(crate) fn add(&mut self, other: Self) {
        self.simulated += other.simulated;
        self.calls += other.calls;
        self.values += other.values;
        self.bytes += other.bytes;
        self.lies += other.lies;
        other.faults.into_iter().for_each(|(fault, count)| *self.faults.entry(fault).or_default() += count);
        other.outcomes.into_iter().for_each(|(what, count)| *self.outcomes.entry(what).or_default() += count);
        self.overrun = self.overrun.max(other.overrun);
        self.longest = self.longest.max(other.longest);
        self.recovery = self.recovery.max(other.recovery);
    }

    /// The control of the harness itself: whatever can happen did.
    pub(crate) fn saw_everything(&self) {
        let faults = [
            "Partition",
            "Hold",
            "Latency",
            "CrashOfStore",
            "CrashOfProcess",
            "Slow",
            "Silent",
            "Cutting",
            "Babbling",
            "Failing",
            "Miscounting",
        ];
        for fault in faults {
            assert!(self.faults.contains_key(fault), "never: {fault}");
        }
        for outcome in
            ["set", "read", "computed", "refreshed", "read in a batch", "computed in a batch", "failed"]
        {
            assert!(self.outcomes.contains_key(outcome), "never: {outcome}");
        }
        assert!(self.values > 0 && self.bytes > 0 && self.lies > 0);
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { simulated, calls, values, bytes, lies, faults, outcomes, overrun, longest, recovery } =
            self;
        let (hours, injected) = (simulated.as_secs_f64() / 3600.0, faults.values().sum::<u64>());
        writeln!(
            f,
            "{hours:.2} simulated hours, {calls} calls on the store, {values} values, none of them wrong"
        )?;
        writeln!(f, "{injected} faults {faults:?}, {lies} lies; {outcomes:?}")?;
        writeln!(f, "longest overrun of a deadline {overrun:?}, longest call of a cache {longest:?}")?;
        write!(f, "longest recovery {recovery:?}, {bytes} bytes of the wire searched for plaintext")
    }
}
