//! Futures dropped anywhere harm no other call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use blindcache::Backend;
use tokio::task::JoinSet;

use crate::{Store, entry, in_time, key};

/// Futures that are dropped, in all.
pub const DROPPED: u64 = 1_000;
/// Entries that the calls are about. No two are alike, and one in ten is longer than a read.
const ENTRIES: u64 = 64;
/// Calls at the same time.
const WAVE: usize = 40;

fn size(number: u64) -> usize {
    if number.is_multiple_of(10) { 100_000 } else { 116 + number as usize * 7 }
}

/// What the store holds under `key(number)`.
pub(super) fn stored(number: u64) -> Vec<u8> {
    entry(number, size(number)).as_bytes().to_vec()
}

/// Stores each entry, and gives how many they are.
pub(super) async fn fill(backend: &impl Backend) -> u64 {
    let writes = (0..ENTRIES).map(|number| (key(number), entry(number, size(number)), None)).collect();
    backend.set_many(writes).await.unwrap();
    ENTRIES
}

/// Polls a future at most so many times. `None` means that it is dropped unfinished.
pub struct Drops<'a, T> {
    pub future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    pub polls: u32,
}

impl<T> Future for Drops<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        if self.polls == 0 {
            context.waker().wake_by_ref(); // to be dropped soon, whatever it waits for
        }
        self.future.as_mut().poll(context).map(Some)
    }
}

/// Makes one call at random and drops it after `polls`; checks the answer if it came. Says whether it was dropped.
async fn call<B: Backend>(backend: B, mut random: fastrand::Rng, polls: u32) -> bool {
    let numbers: Vec<u64> = (0..random.u64(1..8)).map(|_| random.u64(0..ENTRIES)).collect();
    let keys: Vec<_> = numbers.iter().map(|&number| key(number)).collect();
    let check = |number: u64, found: Option<_>| assert_eq!(found.as_deref(), Some(&*stored(number)));
    let writes = || numbers.iter().map(|&number| (key(number), entry(number, size(number)), None)).collect();
    macro_rules! drops {
        ($call:expr) => {
            match (Drops { future: Box::pin($call), polls }).await {
                Some(answer) => answer.unwrap(),
                None => return true,
            }
        };
    }
    match random.u8(0..6) {
        0 => assert!(drops!(backend.exists(&keys[0]))),
        1 => drops!(backend.set(&keys[0], entry(numbers[0], size(numbers[0])), None)),
        2 => drops!(backend.set_many(writes())),
        3 => {
            let found = drops!(backend.get_many(&keys));
            numbers.into_iter().zip(found).for_each(|(number, found)| check(number, found));
        }
        4 => assert_eq!(drops!(backend.delete_many(&[key(ENTRIES), key(ENTRIES + 1)])), [false, false]),
        _ => check(numbers[0], drops!(backend.get(&keys[0]))),
    }
    false
}

/// 1,000 futures dropped at random points, among as many that are waited for: each of these has its own answer.
pub async fn dropped_futures_harm_no_other_call<S: Store>() {
    let store = S::start().await;
    let backend = store.backend();
    fill(&backend).await;

    let mut random = fastrand::Rng::with_seed(7);
    let (mut dropped, mut answered) = (0, 0);
    while dropped < DROPPED {
        let mut wave = JoinSet::new();
        for at in 0..WAVE {
            // Every other call is waited for, among those that are dropped.
            let polls = if at % 2 == 0 { u32::MAX } else { random.u32(1..5) };
            wave.spawn(call(backend.clone(), random.fork(), polls));
        }
        for was_dropped in in_time(wave.join_all()).await {
            if was_dropped { dropped += 1 } else { answered += 1 }
        }
    }
    assert!(answered >= DROPPED / 2);
    for number in 0..ENTRIES {
        assert_eq!(*backend.get(&key(number)).await.unwrap().unwrap(), stored(number));
    }
}
