//! A store that lies, and a boundary that believes nothing: what is returned was written for exactly that place, by an
//! accepted key, and has not expired, whatever is called in whatever order.
//!
//! `BLINDCACHE_SEED=7` plays that one history, `BLINDCACHE_SEEDS=100000` so many.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers, which clippy does not take for tests

#[path = "common/seeds.rs"]
mod seeds;

use std::{collections::BTreeMap, time::Duration};

use blindcache::{
    Backend, BackendErrorKind, EncryptedBackend, Error, Keyring, MasterKey, MemoryBackend, Sealed, StoreKey,
    testing::{Clock, Fault, FaultBackend, HostileBackend, Lie, fuzz::History},
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

/// Histories, unless the environment says otherwise.
const SEEDS: u64 = 300;
/// Calls of one history.
const STEPS: usize = 60;

const TENANTS: [&str; 2] = ["acme", "globex"];

/// What a history came to: what was wrong, how many lies were told, and what else happened.
type Played = (Result<(), String>, u64, BTreeMap<&'static str, u64>);

/// Plays the history of this seed.
fn play(seed: u64, tenants: [&str; 2]) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let store = HostileBackend::seeded(MemoryBackend::new(), seed);
    let mut history = History::new(store.clone(), tenants, |end| rng.next_u64() % end).unwrap();
    let outcome = runtime.unwrap().block_on(history.play(STEPS));
    (outcome, store.told(), history.outcomes)
}

#[test]
fn what_is_returned_was_written_for_that_place_by_an_accepted_key_and_has_not_expired() {
    let seeds = seeds::seeds(SEEDS);
    let (count, mut outcomes, mut told) = (seeds.end - seeds.start, BTreeMap::<_, u64>::new(), 0);
    for seed in seeds {
        let (outcome, lies, what_else) = play(seed, TENANTS);
        if let Err(wrong) = outcome {
            panic!("{wrong}\n{}", seeds::replay(seed));
        }
        told += lies;
        what_else.into_iter().for_each(|(what, times)| *outcomes.entry(what).or_default() += times);
    }
    println!("{count} histories, {told} lies: {outcomes:?}");
    if count >= 100 {
        // The control: everything that can happen did.
        for what in ["found", "miss", "failed", "tampered", "not_sealed", "unknown_key", "too_large"] {
            assert!(outcomes.contains_key(what), "never: {what}");
        }
    }
}

/// The control: two tenants with the same keys.
#[test]
fn planted_fault_is_found() {
    let found = (0..100).find_map(|seed| play(seed, ["acme", "acme"]).0.err()).unwrap();
    assert!(found.starts_with("at ("), "{found}");
}

fn key(letter: &str) -> StoreKey {
    StoreKey::parse(&format!("b1.{}a", letter.repeat(51))).unwrap()
}

fn entry(byte: u8) -> Sealed {
    Sealed::parse([b"\xC1bc\x01", &[byte; 112][..]].concat()).unwrap()
}

/// What a read finds under "a", where entry 3 was written over entry 1, and entry 2 under another name.
async fn read_under(lie: Lie) -> Option<Vec<u8>> {
    let store = HostileBackend::script(MemoryBackend::new(), [Lie::None, Lie::None, Lie::None, lie]);
    store.set(&key("a"), entry(1), None).await.unwrap();
    store.set(&key("b"), entry(2), None).await.unwrap();
    store.set(&key("a"), entry(3), None).await.unwrap();
    store.get(&key("a")).await.unwrap().map(Vec::from)
}

#[tokio::test]
async fn each_lie_about_a_read_is_the_one_it_says() {
    let whole = entry(3).as_bytes().to_vec();
    assert_eq!(read_under(Lie::None).await.as_ref(), Some(&whole));
    assert_eq!(read_under(Lie::Lose).await, None);
    assert_eq!(read_under(Lie::Contrary).await, None);
    assert_eq!(read_under(Lie::Replay(1)).await.unwrap(), entry(1).as_bytes());
    assert_eq!(read_under(Lie::Swap(0)).await.unwrap(), entry(2).as_bytes());
    assert_eq!(read_under(Lie::Truncate(7)).await.unwrap(), whole[..7]);
    assert_eq!(read_under(Lie::Extend(2)).await.unwrap(), [&whole[..], &[0, 0]].concat());
    let mut flipped = whole.clone();
    flipped[1] ^= 0b100;
    assert_eq!(read_under(Lie::Flip(10)).await.unwrap(), flipped);
    assert_eq!(read_under(Lie::Flip(10 + 116 * 8)).await.unwrap(), flipped);
    assert_eq!(read_under(Lie::Flood).await.unwrap().len(), 100_000_000);
}

#[tokio::test(start_paused = true)]
async fn each_lie_about_a_write_is_the_one_it_says() {
    let told = |lies: &[Lie]| HostileBackend::script(MemoryBackend::new(), lies.to_vec());
    let a = key("a");

    let store = told(&[Lie::Lose]);
    store.set(&a, entry(1), None).await.unwrap();
    assert!(store.inner().is_empty());

    let store = told(&[Lie::Delay, Lie::None, Lie::None]);
    store.set(&a, entry(1), None).await.unwrap();
    assert!(store.inner().is_empty());
    store.set(&a, entry(2), None).await.unwrap(); // and then the first takes place
    assert_eq!(store.get(&a).await.unwrap().unwrap(), entry(1).as_bytes());

    let store = told(&[Lie::None, Lie::None, Lie::Replay(0)]);
    store.set(&a, entry(1), Some(Duration::from_secs(1))).await.unwrap();
    assert!(store.delete(&a).await.unwrap());
    assert_eq!(store.get(&a).await.unwrap().unwrap(), entry(1).as_bytes()); // back from the dead

    let store = told(&[Lie::None, Lie::Contrary, Lie::Contrary, Lie::Contrary]);
    store.set(&a, entry(1), Some(Duration::from_secs(1))).await.unwrap();
    tokio::time::advance(Duration::from_secs(2)).await; // and yet it stays
    assert!(!store.exists(&a).await.unwrap());
    assert!(!store.delete(&a).await.unwrap());
    assert!(store.inner().is_empty());
    assert!(store.ping().await.is_err());
    assert_eq!(store.told(), 3);

    let second = Duration::from_secs(1);
    let store = told(&[Lie::Fail(BackendErrorKind::Denied), Lie::Dawdle(second)]);
    let failed = store.set(&a, entry(1), None).await.unwrap_err();
    assert_eq!((failed.kind(), store.inner().is_empty()), (BackendErrorKind::Denied, true));
    let start = tokio::time::Instant::now();
    store.ping().await.unwrap();
    assert_eq!(start.elapsed(), second);
}

#[tokio::test(start_paused = true)]
async fn same_seed_tells_the_same_lies() {
    async fn answers(seed: u64) -> Vec<Option<usize>> {
        let store = HostileBackend::seeded(MemoryBackend::new(), seed);
        let mut answers = Vec::new();
        for at in 0..200 {
            let name = key(["a", "b", "c"][at % 3]);
            let _ = store.set(&name, entry(at as u8), None).await;
            answers.push(store.get(&name).await.ok().flatten().map(|entry| entry.len()));
        }
        answers
    }
    let first = answers(1).await;
    assert_eq!(first, answers(1).await);
    assert_ne!(first, answers(2).await);
}

#[tokio::test(start_paused = true)]
async fn faults_come_in_the_order_of_the_script_and_then_always() {
    let store = FaultBackend::new(MemoryBackend::new());
    let second = Duration::from_secs(1);
    let throttled = Fault::error(BackendErrorKind::Throttled).retry_after(second);
    store.script([throttled, Fault::none().after(second), Fault::none()]);
    store.always(Fault::error(BackendErrorKind::Denied).after(second));

    let failed = store.set(&key("a"), entry(1), None).await.unwrap_err();
    assert_eq!((failed.kind(), failed.retry_after()), (BackendErrorKind::Throttled, Some(second)));
    assert!(store.inner().is_empty());
    let start = tokio::time::Instant::now();
    store.set_many(vec![(key("a"), entry(1), None)]).await.unwrap();
    assert_eq!(start.elapsed(), second);
    assert!(store.get(&key("a")).await.unwrap().is_some());
    assert_eq!(store.exists(&key("a")).await.unwrap_err().kind(), BackendErrorKind::Denied);
    assert_eq!(start.elapsed(), second * 2);
    store.always(Fault::hang());
    assert!(tokio::time::timeout(second * 1_000_000, store.ping()).await.is_err());
    assert_eq!(store.calls(), ["set", "set_many", "get", "exists", "ping"]);
}

#[tokio::test]
async fn contrary_store_says_that_there_is_what_is_not() {
    let store = HostileBackend::script(MemoryBackend::new(), [Lie::Contrary, Lie::Contrary]);
    assert!(store.exists(&key("a")).await.unwrap());
    assert!(store.delete(&key("a")).await.unwrap());
}

#[tokio::test]
async fn batch_is_told_a_lie_for_each_name() {
    let lies = [Lie::None, Lie::Lose, Lie::Swap(0), Lie::Replay(0), Lie::Contrary, Lie::None];
    let store = HostileBackend::script(MemoryBackend::new(), lies);
    let (a, b) = (key("a"), key("b"));
    store.set_many(vec![(a.clone(), entry(1), None), (b.clone(), entry(2), None)]).await.unwrap();
    let read = store.get_many(&[a.clone(), b.clone()]).await.unwrap();
    assert_eq!(read, [Some(entry(2).into_bytes()), Some(entry(2).into_bytes())]); // b's was lost, and comes back
    assert_eq!(store.delete_many(&[a, b]).await.unwrap(), [false, false]);
    assert_eq!(store.told(), 4);
}

/// What the boundary makes of the third call, a read of a value that replaced another, after this lie.
async fn told(lie: Lie) -> Result<Option<String>, &'static str> {
    let store = HostileBackend::script(MemoryBackend::new(), [Lie::None, Lie::None, Lie::None, lie]);
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let acme = EncryptedBackend::new(store, keys.tenant("acme").unwrap());
    let globex = acme.for_tenant(keys.tenant("globex").unwrap());
    acme.set("key", "older", None).await.unwrap();
    globex.set("key", "another tenant's", None).await.unwrap();
    acme.set("key", "newer", None).await.unwrap();
    acme.get("key").await.map_err(|error| match error {
        Error::Unreadable(reason) => reason.as_str(),
        Error::Backend(_) => "failed",
        _ => "another error",
    })
}

#[tokio::test]
async fn boundary_believes_no_lie_but_those_that_nobody_can_tell() {
    assert_eq!(told(Lie::None).await, Ok(Some("newer".into())));
    assert_eq!(told(Lie::Replay(1)).await, Ok(Some("older".into())));
    for lie in [Lie::Lose, Lie::Contrary] {
        assert_eq!(told(lie).await, Ok(None));
    }
    for lie in [Lie::Swap(0), Lie::Truncate(143), Lie::Extend(1), Lie::Flip(8 * 64)] {
        assert_eq!(told(lie).await, Err("tampered"), "{lie:?}");
    }
    for lie in [Lie::Truncate(115), Lie::Truncate(0), Lie::Flip(0)] {
        assert_eq!(told(lie).await, Err("not_sealed"), "{lie:?}");
    }
    assert_eq!(told(Lie::Flip(8 * 3)).await, Err("unknown_format"));
    assert_eq!(told(Lie::Flip(8 * 4)).await, Err("unknown_key"));
    assert_eq!(told(Lie::Flood).await, Err("too_large"));
    assert_eq!(told(Lie::Fail(BackendErrorKind::Denied)).await, Err("failed"));
}

#[tokio::test]
async fn entry_that_is_kept_past_its_ttl_is_not_returned() {
    let (store, clock) = (HostileBackend::script(MemoryBackend::new(), []), Clock::at(1_790_000_000_000));
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap().tenant("acme").unwrap();
    let acme = EncryptedBackend::new(store, keys).clock(&clock);
    acme.set("key", "value", Duration::from_secs(1)).await.unwrap();
    clock.advance(Duration::from_millis(999));
    assert_eq!(acme.get::<String>("key").await.unwrap().as_deref(), Some("value"));
    clock.clone().advance(Duration::from_millis(1));
    assert!(acme.exists("key").await.unwrap());
    assert_eq!(acme.get::<String>("key").await.unwrap(), None);
    clock.set(clock.now() - 1);
    assert_eq!(acme.get::<String>("key").await.unwrap().as_deref(), Some("value"));
}
