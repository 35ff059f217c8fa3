//! A store in memory that counts its calls and does what a test says: it fails, is late, hangs, lies.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{
    Backend, BackendError, BackendErrorKind, Builder, Cache, EncryptedBackend, Keyring, MasterKey,
    MemoryBackend, Sealed, StoreKey, TenantKeys, Write, testing::Clock,
};
use bytes::Bytes;

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<Inner>);

#[derive(Default)]
struct Inner {
    memory: MemoryBackend,
    calls: Mutex<Vec<&'static str>>,
    script: Mutex<Script>,
    /// What reads give instead of what is there; `None` for nothing.
    planted: Mutex<HashMap<StoreKey, Option<Bytes>>>,
}

#[derive(Clone, Copy, Default)]
struct Script {
    delay: Duration,
    transit: Duration,
    reads_late: Duration,
    fails: bool,
    hangs: Option<&'static str>,
    /// After so many more calls of this method, it fails.
    fails_after: Option<(&'static str, usize)>,
}

impl Store {
    /// Every call fails from now on.
    pub(super) fn fail(&self) {
        self.0.script.lock().unwrap().fails = true;
    }

    /// Calls of this method fail from now on, after so many more.
    pub(super) fn fail_at(&self, method: &'static str, after: usize) {
        self.0.script.lock().unwrap().fails_after = Some((method, after));
    }

    /// Every call takes so long from now on.
    pub(super) fn delay(&self, delay: Duration) {
        self.0.script.lock().unwrap().delay = delay;
    }

    /// Writes and deletes take so long from now on, and take place even if nobody waits for them any more.
    pub(super) fn transit(&self, time: Duration) {
        self.0.script.lock().unwrap().transit = time;
    }

    /// What a read gives is so old from now on when it comes.
    pub(super) fn read_late(&self, time: Duration) {
        self.0.script.lock().unwrap().reads_late = time;
    }

    /// Calls of this method never end from now on.
    pub(super) fn hang(&self, method: &'static str) {
        self.0.script.lock().unwrap().hangs = Some(method);
    }

    /// Behaves well from now on.
    pub(super) fn recover(&self) {
        *self.0.script.lock().unwrap() = Script::default();
    }

    /// Reads of this name give this until it is written.
    pub(super) fn plant(&self, name: &StoreKey, bytes: Option<Bytes>) {
        self.0.planted.lock().unwrap().insert(name.clone(), bytes);
    }

    /// Reads of every name that is in use now give this until it is written.
    pub(super) fn plant_everywhere(&self, bytes: &[u8]) {
        for (name, _) in self.entries() {
            self.plant(&name, Some(Bytes::copy_from_slice(bytes)));
        }
    }

    /// What is really there.
    pub(super) fn entries(&self) -> Vec<(StoreKey, Bytes)> {
        self.0.memory.entries()
    }

    /// The calls since this was last asked.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.calls.lock().unwrap())
    }

    async fn step(&self, method: &'static str) -> Result<(), BackendError> {
        self.0.calls.lock().unwrap().push(method);
        let (delay, hangs, fails) = {
            let mut script = self.0.script.lock().unwrap();
            let fails = match &mut script.fails_after {
                Some((failing, 0)) => *failing == method,
                Some((failing, left)) if *failing == method => {
                    *left -= 1;
                    false
                }
                _ => false,
            };
            (script.delay, script.hangs, fails || script.fails)
        };
        if hangs == Some(method) {
            pending::<()>().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if fails { Err(BackendError::new("test", BackendErrorKind::Timeout)) } else { Ok(()) }
    }

    /// What was sent arrives, whatever becomes of who sent it.
    async fn arrive<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        let transit = self.0.script.lock().unwrap().transit;
        if transit.is_zero() {
            return what.await;
        }
        let arriving = async move {
            tokio::time::sleep(transit).await;
            what.await
        };
        tokio::spawn(arriving).await.unwrap()
    }

    async fn come_late(&self) {
        let late = self.0.script.lock().unwrap().reads_late;
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
    }

    fn shown(&self, name: &StoreKey, entry: Option<Bytes>) -> Option<Bytes> {
        self.0.planted.lock().unwrap().get(name).cloned().unwrap_or(entry)
    }

    fn unplant(&self, name: &StoreKey) {
        self.0.planted.lock().unwrap().remove(name);
    }
}

impl Backend for Store {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.step("get").await?;
        let entry = self.0.memory.get(key).await?;
        self.come_late().await;
        Ok(self.shown(key, entry))
    }
    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.step("set").await?;
        let (store, key) = (self.clone(), key.clone());
        self.arrive(async move {
            store.unplant(&key);
            store.0.memory.set(&key, entry, ttl).await
        })
        .await
    }
    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.step("delete").await?;
        let (store, key) = (self.clone(), key.clone());
        self.arrive(async move {
            store.unplant(&key);
            store.0.memory.delete(&key).await
        })
        .await
    }
    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.step("exists").await?;
        self.0.memory.exists(key).await
    }
    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.step("get_many").await?;
        assert!(!keys.is_empty(), "nothing is asked for");
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "no name is asked for twice");
        let entries = self.0.memory.get_many(keys).await?;
        self.come_late().await;
        Ok(keys.iter().zip(entries).map(|(key, entry)| self.shown(key, entry)).collect())
    }
    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        self.step("set_many").await?;
        let store = self.clone();
        self.arrive(async move {
            writes.iter().for_each(|(key, ..)| store.unplant(key));
            store.0.memory.set_many(writes).await
        })
        .await
    }
    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        self.step("delete_many").await?;
        let (store, keys) = (self.clone(), keys.to_vec());
        self.arrive(async move {
            keys.iter().for_each(|key| store.unplant(key));
            store.0.memory.delete_many(&keys).await
        })
        .await
    }
    fn name(&self) -> &'static str {
        "test"
    }
}

/// Where the clock of a world begins, in Unix milliseconds.
pub(super) const NOW: u64 = 1_790_000_000_000;

/// One store, one clock, one keyring.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) clock: Clock,
    keys: Keyring,
}

impl World {
    pub(super) fn new() -> Self {
        let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
        Self { store: Store::default(), clock: Clock::at(NOW), keys }
    }

    pub(super) fn tenant(&self, tenant: &str) -> TenantKeys {
        self.keys.tenant(tenant).unwrap()
    }

    /// The boundary of the tenant `acme`.
    pub(super) fn acme(&self) -> EncryptedBackend<Store> {
        EncryptedBackend::new(self.store.clone(), self.tenant("acme")).clock(&self.clock)
    }

    /// One process's cache, with its defaults: a ttl of 5 minutes, 30 s in memory, 1 s for markers.
    pub(super) fn builder(&self) -> Builder {
        Cache::builder(self.acme())
    }

    pub(super) fn cache(&self) -> Cache {
        self.builder().build().unwrap()
    }

    /// A process that keeps nothing in memory.
    pub(super) fn without_memory(&self) -> Cache {
        self.builder().l1(0).build().unwrap()
    }

    /// Time passes: on the wall, and for those who wait.
    pub(super) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tokio::time::sleep(time).await;
    }
}

/// Lets every task that can run do so.
pub(super) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
