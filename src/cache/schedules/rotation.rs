//! Keyrings that are swapped while calls are under way: with the order that the documentation gives, nothing is lost.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use shuttle::{future::block_on, sync::RwLock, thread};

use super::Store;
use crate::{
    cache::Cache,
    crypto::{Keyring, MasterKey, TenantKeys},
    encrypted::EncryptedBackend,
    error::{Error, Unreadable},
    sync::scheduled::{assert_found, chance, pct, random},
};

/// The stages of a rotation: the master key that seals, and those that are accepted beside it.
const STAGES: [(u8, &[u8]); 4] = [(1, &[]), (1, &[2]), (2, &[1]), (2, &[])];

fn keys(stage: usize) -> TenantKeys {
    let master = |fill: &u8| {
        MasterKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| at as u8 * 3 + fill)).unwrap()
    };
    let (seals, accepted) = STAGES[stage];
    let keyring = Keyring::with_accepted(master(&seals), accepted.iter().map(master), master(&1));
    keyring.unwrap().tenant("acme").unwrap()
}

/// Two processes over one store. A value is the master key that sealed it.
struct Scene {
    processes: [RwLock<(usize, Cache)>; 2],
    written: AtomicBool,
    /// Whether a swap waits for the calls that are under way.
    waits: bool,
}

impl Scene {
    fn new(stage: usize, memory: usize, waits: bool) -> Arc<Self> {
        let store = Store::default();
        let cache = |()| {
            let store = EncryptedBackend::new(store.clone(), keys(stage));
            RwLock::new((stage, Cache::builder(store).l1(memory).build().unwrap()))
        };
        Arc::new(Self { processes: [(); 2].map(cache), written: AtomicBool::new(false), waits })
    }

    fn swap(&self, process: usize, stage: usize) {
        let mut held = self.processes[process].write().unwrap();
        let cache = held.1.for_tenant(keys(stage));
        *held = (stage, cache);
    }

    fn call(&self, process: usize, set: bool) {
        let held = self.processes[process].read().unwrap();
        let (stage, cache) = held.clone();
        let _under_way = self.waits.then_some(held);
        if set {
            block_on(cache.set("key", STAGES[stage].0)).unwrap();
            self.written.store(true, SeqCst);
            return;
        }
        let written = self.written.load(SeqCst);
        match block_on(cache.entry("key").strict().get::<u8>()) {
            Ok(Some(master)) => {
                let (seals, accepted) = STAGES[stage];
                assert!(seals == master || accepted.contains(&master), "of key {master} at stage {stage}");
            }
            Ok(None) => assert!(!written, "an entry was lost"),
            Err(Error::Unreadable(reason)) => {
                // After the last stage, what is left of the old key is no longer read.
                let over = stage == 3 && reason == Unreadable::UnknownKey;
                assert!(over, "{reason:?} at stage {stage}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Calls of both processes, while these swaps are made one after the other.
fn play(scene: &Arc<Scene>, swaps: &'static [(usize, usize)]) {
    let callers = [0, 1].map(|process| {
        let scene = Arc::clone(scene);
        thread::spawn(move || (0..3).for_each(|_| scene.call(process, chance(2))))
    });
    for (process, stage) in swaps {
        scene.swap(*process, *stage);
    }
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn rotation_in_order_loses_nothing() {
    const IN_ORDER: &[(usize, usize)] = &[(0, 1), (1, 1), (1, 2), (0, 2)];
    for memory in [0, 100] {
        random(500, move || play(&Scene::new(0, memory, true), IN_ORDER));
        pct(500, move || play(&Scene::new(0, memory, true), IN_ORDER));
    }
}

/// Also not from a memory that handles of earlier stages still fill.
#[test]
fn key_that_has_left_the_keyring_opens_nothing() {
    const LAST: &[(usize, usize)] = &[(0, 2), (0, 3)];
    random(1_000, || play(&Scene::new(1, 100, false), LAST));
    pct(1_000, || play(&Scene::new(1, 100, false), LAST));
}

/// The control: a process seals with a key that another does not accept yet.
#[test]
fn rotation_out_of_order_is_found() {
    assert_found(|| play(&Scene::new(0, 0, true), &[(0, 2)]));
}

/// The control: a swap that does not wait for calls under way with the keys before.
#[test]
fn swap_under_a_call_is_found() {
    assert_found(|| play(&Scene::new(0, 0, false), &[(0, 1), (1, 1), (1, 2), (0, 2)]));
}
