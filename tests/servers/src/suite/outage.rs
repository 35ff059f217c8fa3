//! An application goes on while its store is killed and started again.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::{BackendExt, Cache, EncryptedBackend, Keyring, MasterKey};
use tokio::task::JoinSet;

use crate::{Remote, in_time, until};

/// Callers at the same time.
const TASKS: u64 = 64;
/// Keys that they ask for.
const KEYS: u64 = 16;

/// 64 tasks of `get_or_compute` over the layers while the store is killed and started again: each call gives the
/// right value, and afterwards values come from the store again.
pub async fn no_caller_sees_an_outage<S: Remote>() {
    let mut store = S::start().await;
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let backend = store.impatient(store.port()).resilient();
    let boundary = EncryptedBackend::new(backend, keys.tenant("acme").unwrap());
    let cache = Cache::builder(boundary).ttl(Duration::from_secs(600)).l1(0).build().unwrap();

    let (over, computed, calls) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (cache, over, computed, calls) = (cache.clone(), over.clone(), computed.clone(), calls.clone());
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task);
            while !over.load(SeqCst) {
                let number = random.u64(0..KEYS);
                let compute = async || {
                    computed.fetch_add(1, SeqCst);
                    Ok::<_, Infallible>(number * 1_000)
                };
                let value: u64 = in_time(cache.get_or_compute(("user", number), compute)).await.unwrap();
                assert_eq!(value, number * 1_000);
                calls.fetch_add(1, SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await; // the store's process needs a core, too
            }
        });
    }
    let some_more = async || {
        let goal = calls.load(SeqCst) + 10 * TASKS;
        until("the callers go on", async || calls.load(SeqCst) >= goal).await;
    };
    for _ in 0..2 {
        some_more().await;
        store.stop().await;
        some_more().await;
        store.start_again().await;
        until("values come from the store again", async || {
            let hits = cache.stats().hits;
            some_more().await;
            cache.stats().hits > hits
        })
        .await;
    }
    over.store(true, SeqCst);
    in_time(tasks.join_all()).await;
    println!("{}: {} calls, {} computed", S::NAME, calls.load(SeqCst), computed.load(SeqCst));
}
