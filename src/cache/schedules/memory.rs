//! The in-memory tier: what it holds is never older than a write that was finished before the read.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use shuttle::{
    future::{block_on, yield_now as pause},
    thread,
};

use super::{Store, record::Record};
use crate::{
    backend::Backend,
    cache::{
        Builder, Cache, L1,
        memory::Copied,
        value::{Label, Stored, Tags},
    },
    crypto::{Keyring, MasterKey},
    encrypted::EncryptedBackend,
    key::Key,
    sync::scheduled::{assert_found, at_most, below, chance, pct, random},
    testing::Clock,
};

const KEY: &str = "key";

struct Scene {
    cache: Cache,
    clock: Clock,
    record: Record,
}

impl Scene {
    fn new(settings: impl Fn(Builder) -> Builder) -> Arc<Self> {
        let keys = Keyring::new(
            MasterKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| at as u8 * 7)).unwrap(),
        );
        let keys = keys.unwrap().tenant("acme").unwrap();
        let clock = Clock::at(1_790_000_000_000);
        let cache = Cache::builder(EncryptedBackend::new(Store::default(), keys)).clock(&clock);
        let cache = settings(cache).build().unwrap();
        Arc::new(Self { cache, clock, record: Record::default() })
    }

    /// One call of a random kind, dropped at a random await or not at all.
    async fn call(&self) {
        self.clock.advance(Duration::from_millis(1));
        let patience = if chance(3) { 1 + below(6) } else { u64::MAX };
        match below(8) {
            0 | 1 => at_most(patience, self.set()).await,
            2 => at_most(patience, self.delete()).await,
            3 => at_most(patience, self.clear()).await,
            4 => at_most(patience, self.get_many()).await,
            5 => at_most(patience, self.get()).await,
            _ => at_most(patience, self.compute()).await,
        };
    }

    async fn set(&self) {
        let value = self.record.begin(true);
        self.cache.set(KEY, value).await.unwrap();
        self.record.end(value);
    }

    async fn delete(&self) {
        let write = self.record.begin(true);
        self.cache.delete(KEY).await.unwrap();
        self.record.end(write);
    }

    async fn clear(&self) {
        let write = self.record.begin(true);
        self.cache.clear().await.unwrap();
        self.record.end(write);
    }

    async fn get(&self) {
        let since = self.record.now();
        if let Some(value) = self.cache.get::<u64>(KEY).await.unwrap() {
            self.record.check(value, since);
        }
    }

    async fn get_many(&self) {
        let since = self.record.now();
        for value in self.cache.get_many::<u64>([KEY, KEY]).await.unwrap().into_iter().flatten() {
            self.record.check(value, since);
        }
    }

    async fn compute(&self) {
        let since = self.record.now();
        let compute = async || {
            let value = self.record.begin(false);
            pause().await;
            Ok::<_, Infallible>(value)
        };
        let Ok(value) = self.cache.get_or_compute(KEY, compute).await;
        self.record.check(value, since);
    }

    /// A read that puts into memory what it has read, whatever was written meanwhile: what `Seat::still` prevents.
    async fn get_carelessly(&self) {
        let store = self.cache.store.as_ref().unwrap();
        let seat = self.cache.seat_at(&KEY.to_cache_key().unwrap());
        let place = store.entry_place(&seat.key().key);
        let Some(entry) = store.backend().get(&place.name).await.unwrap() else { return };
        let Some(loaded) = store.load(&place.locator, entry, self.clock.now()).unwrap() else { return };
        let (times, sealed_by) = (loaded.times(), Some(loaded.key_id()));
        let label = Label { times, tags: Tags::default(), sealed_by };
        let stored = Arc::new(Stored { value: loaded.decode::<u64>().unwrap(), label });
        self.cache.keep_loaded(
            seat.key(),
            &stored,
            Copied { sealed: bytes::Bytes::new(), size: 100 },
            self.clock.now(),
        );
    }
}

fn play(scene: &Arc<Scene>) {
    let calls = (0..3).map(|_| {
        let scene = Arc::clone(scene);
        thread::spawn(move || {
            block_on(async {
                scene.call().await;
                scene.call().await;
            });
        })
    });
    calls.collect::<Vec<_>>().into_iter().for_each(|call| call.join().unwrap());
    block_on(scene.get());
    assert_eq!(scene.cache.stats().in_flight, 0);
}

/// A read of what memory does not hold, beside a delete.
fn read_beside_a_delete<F: Future<Output = ()>>(read: impl FnOnce(Arc<Scene>) -> F + Send + 'static) {
    let scene = Scene::new(|cache| cache);
    block_on(scene.set());
    scene.cache.forget(scene.cache.seat_at(&KEY.to_cache_key().unwrap()).key());
    let (reading, deleting) = (Arc::clone(&scene), Arc::clone(&scene));
    let calls =
        [thread::spawn(move || block_on(read(reading))), thread::spawn(move || block_on(deleting.delete()))];
    calls.into_iter().for_each(|call| call.join().unwrap());
    block_on(scene.get());
}

#[test]
fn memory_holds_nothing_older_than_a_finished_write() {
    random(1_000, || play(&Scene::new(|cache| cache)));
    pct(1_000, || play(&Scene::new(|cache| cache)));
}

#[test]
fn memory_of_sealed_entries_holds_nothing_older_than_a_finished_write() {
    random(500, || play(&Scene::new(|cache| cache.l1_mode(L1::Sealed))));
}

#[test]
fn read_beside_a_delete_leaves_nothing_in_memory() {
    for check in [random, pct] {
        check(500, || read_beside_a_delete(|scene| async move { scene.get().await }));
    }
}

/// The control: memory that is filled past the slot of the key.
#[test]
fn memory_that_is_filled_carelessly_is_found() {
    assert_found(|| read_beside_a_delete(|scene| async move { scene.get_carelessly().await }));
}
