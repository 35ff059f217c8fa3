//! Handles of one cache with the keyrings of a rotation: they share memory, and each returns what its own keys open.

use std::convert::Infallible;

use blindcache::{
    Cache, EncryptedBackend, Keyring, L1, MasterKey, MemoryBackend, TenantKeys,
    testing::{Clock, HostileBackend},
};
use tokio::sync::oneshot;

use super::store::{Store, ms};

struct Masters([String; 2]);

impl Masters {
    fn new() -> Self {
        Self([(); 2].map(|()| MasterKey::generate().unwrap().to_text().to_string()))
    }

    /// Keys of the tenant: the one at this place seals, these others are accepted too, and the first names.
    fn tenant(&self, seals: usize, accepted: &[usize]) -> TenantKeys {
        let master = |at: usize| MasterKey::parse(&self.0[at]).unwrap();
        let accepted: Vec<_> = accepted.iter().map(|at| master(*at)).collect();
        Keyring::with_accepted(master(seals), accepted, master(0)).unwrap().tenant("acme").unwrap()
    }

    fn cache(&self, mode: L1) -> Cache {
        let store = EncryptedBackend::new(MemoryBackend::new(), self.tenant(0, &[]));
        Cache::builder(store).l1_mode(mode).build().unwrap()
    }
}

#[tokio::test]
async fn memory_gives_nothing_that_was_sealed_by_a_key_no_longer_accepted() {
    for mode in [L1::Values, L1::Sealed] {
        let masters = Masters::new();
        let old = masters.cache(mode);
        let [both, new] = [&[0][..], &[]].map(|accepted| old.for_tenant(masters.tenant(1, accepted)));
        old.set("key", 1).await.unwrap();
        assert_eq!(both.get("key").await.unwrap(), Some(1));
        assert_eq!(new.get::<i32>("key").await.unwrap(), None);
        assert_eq!(new.get_many::<i32>(["key"]).await.unwrap(), [None]);
        let Ok(value) = new.get_or_compute("key", async || Ok::<_, Infallible>(2)).await;
        assert_eq!(value, 2);
        // And memory has it then, for those who accept the new key.
        assert_eq!((both.get("key").await.unwrap(), new.get("key").await.unwrap()), (Some(2), Some(2)));
        assert_eq!(old.get::<i32>("key").await.unwrap(), None);
    }
}

/// Once one handle has found a value valid, another does not go by that alone.
#[tokio::test]
async fn hit_of_one_handle_is_none_of_another_whose_keys_do_not_open_it() {
    let (masters, clock) = (Masters::new(), Clock::at(1_790_000_000_000));
    let store = EncryptedBackend::new(MemoryBackend::new(), masters.tenant(0, &[])).clock(&clock);
    let old = Cache::builder(store).build().unwrap();
    let new = old.for_tenant(masters.tenant(1, &[]));
    old.set("key", 1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(old.get("key").await.unwrap(), Some(1));
    }
    assert_eq!(old.stats().l1_hits, 2);
    assert_eq!(new.get::<i32>("key").await.unwrap(), None);
}

#[tokio::test]
async fn memory_answers_no_question_for_a_key_that_is_not_accepted() {
    let masters = Masters::new();
    let store = HostileBackend::script(MemoryBackend::new(), []);
    let old = EncryptedBackend::new(store.clone(), masters.tenant(0, &[]));
    let old = Cache::builder(old).build().unwrap();
    let new = old.for_tenant(masters.tenant(1, &[]));
    old.set("key", 1).await.unwrap();
    assert_eq!(old.get("key").await.unwrap(), Some(1));
    store.inner().clear();
    assert!(old.exists("key").await.unwrap());
    assert!(!new.exists("key").await.unwrap());
    assert!(!new.delete("key").await.unwrap());
}

/// What a leader hands over may come from the store, where whoever has the old key can write.
#[tokio::test]
async fn value_of_a_key_that_is_not_accepted_is_not_handed_over() {
    let masters = Masters::new();
    let old = masters.cache(L1::Values);
    let new = old.for_tenant(masters.tenant(1, &[]));
    let (go, gone) = oneshot::channel();
    let leading = tokio::spawn(async move {
        let compute = async || {
            gone.await.unwrap();
            Ok::<_, Infallible>(1)
        };
        old.get_or_compute("key", compute).await
    });
    tokio::task::yield_now().await;
    let waiting =
        tokio::spawn(async move { new.get_or_compute("key", async || Ok::<_, Infallible>(2)).await });
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    assert_eq!((leading.await.unwrap(), waiting.await.unwrap()), (Ok(1), Ok(2)));
}

/// Also where a store shows what was there before.
#[tokio::test]
async fn newer_value_in_memory_that_another_handle_opens_stays_there() {
    for mode in [L1::Values, L1::Sealed] {
        let (masters, clock, store) = (Masters::new(), Clock::at(1_790_000_000_000), Store::default());
        let boundary = EncryptedBackend::new(store.clone(), masters.tenant(0, &[])).clock(&clock);
        let old = Cache::builder(boundary).l1_mode(mode).build().unwrap();
        let both = old.for_tenant(masters.tenant(1, &[0]));
        old.set("key", 1).await.unwrap();
        let (name, first) = store.entries().remove(0);
        clock.advance(ms(1));
        both.set("key", 2).await.unwrap();
        store.plant(&name, Some(first));
        assert_eq!(old.get("key").await.unwrap(), Some(1), "it cannot know better");
        assert_eq!(both.get("key").await.unwrap(), Some(2));
    }
}
