//! What a history is played in: processes that share a store, for several homes, under keyrings in rotation.

use std::time::Duration;

use blindcache::{
    Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, TenantKeys,
    testing::{Clock, HostileBackend, Lie},
};

use super::rules::{HOMES, L1_TTL, PAUSE, PROCESSES, STAGES, STALE, TTL};

/// A bug that is planted on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// Both tenants get the keys of one.
    OneTenant,
    /// What the model takes for two epochs is one.
    OneEpoch,
    /// Every master key is accepted at every stage of a rotation.
    AllKeys,
    /// Values live longer than the model allows.
    LongerLife,
    /// Values are stored without the tag that the model thinks they carry.
    NoTags,
    /// A set reaches the store only, behind the back of the cache that reads.
    LateWrites,
}

type Store = HostileBackend<MemoryBackend>;

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) plant: Plant,
    /// How many entries memory has room for.
    pub(super) memory: usize,
    masters: [String; 2],
    pub(super) processes: Vec<Process>,
    /// What processes that have ended could not read, for each home.
    ended: [u64; HOMES],
    /// Reads and writes the store without the others' memory.
    pub(super) behind: Process,
}

/// A cache for each home, and the boundary without one.
pub(super) struct Process {
    pub(super) caches: [Cache; HOMES],
    pub(super) bare: [EncryptedBackend<Store>; HOMES],
}

impl World {
    pub(super) fn new(lies: &[Lie], memory: usize, plant: Plant) -> Self {
        let store = HostileBackend::script(MemoryBackend::new(), lies.to_vec());
        let clock = Clock::at(1_790_000_000_000);
        let masters = [(); 2].map(|()| MasterKey::generate().unwrap().to_text().to_string());
        let build = |store: &Store| Process::new(store, &clock, &masters, plant, memory);
        let processes = (0..PROCESSES).map(|_| build(&store)).collect();
        let behind = build(&store);
        Self { clock, store, plant, memory, masters, processes, ended: [0; HOMES], behind }
    }

    /// The process goes on with the keys of this stage: as it is, or started anew, with nothing in memory.
    pub(super) async fn rotate(&mut self, process: usize, stage: usize, live: bool) {
        if live {
            let Process { caches, bare } = &mut self.processes[process];
            for home in 0..HOMES {
                caches[home] = caches[home].for_tenant(tenant(&self.masters, stage, home, self.plant));
                bare[home] = bare[home].for_tenant(tenant(&self.masters, stage, home, self.plant));
            }
            return;
        }
        for (cache, ended) in self.processes[process].caches.iter().zip(&mut self.ended) {
            cache.close().await;
            *ended += cache.stats().unreadable;
        }
        let mut anew = Process::new(&self.store, &self.clock, &self.masters, self.plant, self.memory);
        for home in 0..HOMES {
            anew.caches[home] = anew.caches[home].for_tenant(self.keys(stage, home));
            anew.bare[home] = anew.bare[home].for_tenant(self.keys(stage, home));
        }
        self.processes[process] = anew;
    }

    fn keys(&self, stage: usize, home: usize) -> TenantKeys {
        tenant(&self.masters, stage, home, self.plant)
    }

    /// How many entries and markers of this home the processes could not read so far.
    pub(super) fn unreadable(&self, home: usize) -> u64 {
        let caches = self.processes.iter().map(|process| &process.caches[home]);
        self.ended[home] + caches.map(|cache| cache.stats().unreadable).sum::<u64>()
    }

    pub(super) fn caches(&self) -> impl Iterator<Item = &Cache> {
        self.processes.iter().flat_map(|process| &process.caches)
    }
}

impl Process {
    fn new(store: &Store, clock: &Clock, masters: &[String; 2], plant: Plant, memory: usize) -> Self {
        let bare = |home| {
            let keys = tenant(masters, 0, home, plant);
            let epoch = u64::from(home == 3 && plant != Plant::OneEpoch);
            let namespace = if home == 2 { "elsewhere" } else { "" };
            let bare = EncryptedBackend::new(store.clone(), keys).clock(clock);
            bare.namespace(namespace).unwrap().epoch(epoch)
        };
        let bare: [_; HOMES] = std::array::from_fn(bare);
        let cache = |home: usize| {
            let longer = if plant == Plant::LongerLife { 1_000 } else { 0 };
            let builder = Cache::builder(bare[home].clone()).ttl(Duration::from_millis(TTL + longer));
            let builder = builder.stale(Duration::from_millis(STALE)).l1(memory);
            let builder = builder.fail_safe_pause(Duration::from_millis(PAUSE));
            builder.l1_ttl(Duration::from_millis(L1_TTL)).build().unwrap()
        };
        let acme = cache(0);
        let globex = acme.for_tenant(tenant(masters, 0, 1, plant));
        Self { caches: [acme, globex, cache(2), cache(3)], bare }
    }
}

fn tenant(masters: &[String; 2], stage: usize, home: usize, plant: Plant) -> TenantKeys {
    let master = |at: usize| MasterKey::parse(&masters[at]).unwrap();
    let (seals, mut accepted) = STAGES[stage];
    if plant == Plant::AllKeys {
        accepted = if seals == 0 { &[1] } else { &[0] };
    }
    let accepted: Vec<_> = accepted.iter().map(|at| master(*at)).collect();
    let keyring = Keyring::with_accepted(master(seals), accepted, master(0)).unwrap();
    keyring.tenant(if home == 1 && plant != Plant::OneTenant { "globex" } else { "acme" }).unwrap()
}
