//! What `EncryptedBackend` promises over any store: the round trip, and what a store can do to an entry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

mod common;

use std::time::Duration;

use blindcache::{
    Backend, Cache, EncryptedBackend, Error, Keyring, MasterKey, MemoryBackend, Padding, Sealed,
    SettingError, StoreKey, Unreadable, ValueError, testing::Clock,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

const NOW: u64 = 1_790_000_000_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<Option<String>>,
    score: f64,
}

fn ada() -> User {
    User { id: 42, name: "Ada".into(), tags: vec![Some("admin".into()), None], score: 0.5 }
}

const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// One of the tenants of a fixed master key, on any backend.
fn tenant<B: Backend>(id: &str, backend: B, clock: &Clock) -> EncryptedBackend<B> {
    let keys = Keyring::new(MasterKey::parse(MASTER).unwrap()).unwrap();
    EncryptedBackend::new(backend, keys.tenant(id).unwrap()).clock(clock)
}

/// The tenant "acme" on a store that the test can look into.
fn acme() -> (EncryptedBackend<MemoryBackend>, MemoryBackend, Clock) {
    let (store, clock) = (MemoryBackend::new(), Clock::at(NOW));
    (tenant("acme", store.clone(), &clock), store, clock)
}

/// "acme" on a store that answers every `get` with this.
fn served(entry: impl Into<Bytes>) -> EncryptedBackend<common::Always> {
    tenant("acme", common::Always(entry.into()), &Clock::at(NOW))
}

fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Unreadable {
    match result {
        Err(Error::Unreadable(reason)) => reason,
        other => panic!("not unreadable: {other:?}"),
    }
}

/// The only entry in the store.
fn only(store: &MemoryBackend) -> (StoreKey, Bytes) {
    let mut entries = store.entries();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

#[tokio::test]
async fn a_value_comes_back_as_it_was_set() {
    let (acme, _, _) = acme();
    acme.set("user:42", &ada(), Duration::from_secs(600)).await.unwrap();
    assert_eq!(acme.get("user:42").await.unwrap(), Some(ada()));
    acme.set(("user", 42), &ada(), None).await.unwrap();
    assert_eq!(acme.get(("user", 42)).await.unwrap(), Some(ada()));
    assert_eq!(acme.get::<User>("user:43").await.unwrap(), None);
}

#[tokio::test]
async fn bytes_come_back_as_they_were_set() {
    let (acme, _, _) = acme();
    for length in [0, 1, 63, 64, 1000, 100_000] {
        let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
        acme.set_bytes("k", &value, None).await.unwrap();
        assert_eq!(acme.get_bytes("k").await.unwrap().unwrap(), value);
    }
}

#[tokio::test]
async fn values_and_bytes_are_misses_to_each_other() {
    let (acme, _, _) = acme();
    acme.set_bytes("raw", b"\xA5hello", None).await.unwrap();
    assert_eq!(acme.get::<String>("raw").await.unwrap(), None);
    acme.set("value", "hello", None).await.unwrap();
    assert_eq!(acme.get_bytes("value").await.unwrap(), None);
}

#[tokio::test]
async fn delete_and_exists_ask_the_store() {
    let (acme, _, _) = acme();
    assert!(!acme.exists("k").await.unwrap());
    assert!(!acme.delete("k").await.unwrap());
    acme.set("k", &1, None).await.unwrap();
    assert!(acme.exists("k").await.unwrap());
    assert!(acme.delete("k").await.unwrap());
    assert_eq!(acme.get::<i32>("k").await.unwrap(), None);
}

#[tokio::test]
async fn batches_do_what_the_single_calls_do() {
    let (acme, store, _) = acme();
    acme.set(("n", 5), &25, None).await.unwrap();
    let (five, _) = only(&store);
    acme.set_many((0..10).map(|n| (("n", n), n * n)), Duration::from_secs(1)).await.unwrap();
    assert_eq!(acme.get::<i32>(("n", 3)).await.unwrap(), Some(9));

    store.set(&five, Sealed::parse([b"\xC1bc\x01", &[7; 196][..]].concat()).unwrap(), None).await.unwrap();
    let found = acme.get_many::<i32>([("n", 9), ("n", 100), ("n", 5), ("n", 0), ("n", 9)]).await.unwrap();
    assert_eq!(found, [Ok(Some(81)), Ok(None), Err(Unreadable::UnknownKey), Ok(Some(0)), Ok(Some(81))]);
    acme.set(("n", 5), &25, None).await.unwrap();
    assert_eq!(acme.get::<i32>(("n", 5)).await.unwrap(), Some(25));

    let deleted = acme.delete_many([("n", 1), ("n", 100), ("n", 2)]).await.unwrap();
    assert_eq!(deleted, [true, false, true]);
    assert_eq!(store.len(), 8);
    assert!(acme.get_many::<i32>([("n", 0); 0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_of_another_number_of_answers_is_rejected() {
    struct Miscounting(usize);
    impl Backend for Miscounting {
        async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, blindcache::BackendError> {
            Ok(None)
        }
        async fn set(
            &self,
            _: &StoreKey,
            _: Sealed,
            _: Option<Duration>,
        ) -> Result<(), blindcache::BackendError> {
            Ok(())
        }
        async fn delete(&self, _: &StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(true)
        }
        async fn exists(&self, _: &StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(true)
        }
        async fn get_many(&self, _: &[StoreKey]) -> Result<Vec<Option<Bytes>>, blindcache::BackendError> {
            Ok(vec![None; self.0])
        }
        async fn delete_many(&self, _: &[StoreKey]) -> Result<Vec<bool>, blindcache::BackendError> {
            Ok(vec![true; self.0])
        }
    }
    for answers in [0, 2, 3, 4] {
        let acme = tenant("acme", Miscounting(answers), &Clock::at(NOW));
        let found = acme.get_many::<i32>([1, 2, 3]).await.map(|found| found.len());
        let deleted = acme.delete_many([1, 2, 3]).await.map(|deleted| deleted.len());
        let cache = Cache::builder(acme).build().unwrap();
        let deleted_too = cache.delete_many([1, 2, 3]).await.map(|deleted| deleted.len());
        for result in [found, deleted, deleted_too] {
            match result {
                Ok(length) => assert_eq!((length, answers), (3, 3)),
                Err(Error::Backend(error)) => {
                    assert_eq!(error.kind(), blindcache::BackendErrorKind::Rejected);
                    assert_ne!(answers, 3);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn futures_of_writes_do_not_borrow_their_values() {
    let (acme, _, _) = acme();
    let writes: Vec<_> = (0..3).map(|n| acme.set(("n", n), &n.to_string(), None)).collect();
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(acme.get::<String>(("n", 2)).await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn every_flipped_bit_truncation_and_extension_is_refused() {
    let (acme, store, _) = acme();
    acme.set("k", &ada(), Duration::from_secs(60)).await.unwrap();
    let (_, entry) = only(&store);

    let mut changed: Vec<Vec<u8>> = (0..entry.len()).map(|length| entry[..length].to_vec()).collect();
    changed.extend((0..=255).map(|byte| [&entry[..], &[byte]].concat()));
    changed.extend((0..entry.len() * 8).map(|bit| {
        let mut flipped = entry.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    println!("{} changed entries", changed.len());
    for changed in changed {
        // FORMAT.md, "Opening": what cannot be seen without a key is for the commitment and the tag to refuse.
        let expected = match &changed[..] {
            [0xC1, b'b', b'c', version, rest @ ..] if rest.len() >= 112 => match *version == 1 {
                true if rest[..4] == entry[4..8] => Unreadable::Tampered,
                true => Unreadable::UnknownKey,
                false => Unreadable::UnknownFormat,
            },
            _ => Unreadable::NotSealed,
        };
        assert_eq!(reason(served(changed).get::<User>("k").await), expected);
    }
    assert_eq!(served(entry).get("k").await.unwrap(), Some(ada()));
}

#[tokio::test]
async fn an_entry_copied_to_another_place_is_refused() {
    let (acme, store, clock) = acme();
    let acme = acme.namespace("users").unwrap();
    acme.set("k", &ada(), None).await.unwrap();
    let (_, entry) = only(&store);
    let serving = |id| tenant(id, common::Always(entry.clone()), &clock);
    let here = serving("acme").namespace("users").unwrap();
    assert_eq!(here.get("k").await.unwrap(), Some(ada()));

    assert_eq!(reason(here.get::<User>("l").await), Unreadable::Tampered);
    assert_eq!(reason(here.clone().epoch(1).get::<User>("k").await), Unreadable::Tampered);
    for namespace in ["", "user", "userss"] {
        let there = serving("acme").namespace(namespace).unwrap();
        assert_eq!(reason(there.get::<User>("k").await), Unreadable::Tampered);
    }
    let globex = serving("globex").namespace("users").unwrap();
    assert_eq!(reason(globex.get::<User>("k").await), Unreadable::Tampered);
    let other_master = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let stranger = here.for_tenant(other_master.tenant("acme").unwrap());
    assert_eq!(reason(stranger.get::<User>("k").await), Unreadable::UnknownKey);
}

#[tokio::test]
async fn the_prefix_keeps_nothing_apart() {
    let (acme, store, _) = acme();
    let prefixed = acme.clone().prefix("app:").unwrap();
    prefixed.set("k", &1, None).await.unwrap();
    let (name, entry) = only(&store);
    assert!(name.as_str().starts_with("app:b1."));
    assert_eq!(acme.get::<i32>("k").await.unwrap(), None);
    assert_eq!(served(entry).get::<i32>("k").await.unwrap(), Some(1));
}

#[tokio::test]
async fn tenants_namespaces_and_epochs_share_no_name() {
    let (acme, store, clock) = acme();
    let handles = [
        acme.clone(),
        tenant("globex", store.clone(), &clock),
        acme.clone().namespace("users").unwrap(),
        acme.clone().epoch(1),
    ];
    for (at, handle) in handles.iter().enumerate() {
        handle.set("k", &at, None).await.unwrap();
    }
    assert_eq!(store.len(), handles.len());
    for (at, handle) in handles.iter().enumerate() {
        assert_eq!(handle.get("k").await.unwrap(), Some(at));
    }
}

#[tokio::test]
async fn rotation_keeps_names_and_reads_what_the_old_key_sealed() {
    let (acme, store, clock) = acme();
    acme.set("old", &1, None).await.unwrap();
    let new = MasterKey::generate().unwrap().to_text();
    let master = |text: &str| MasterKey::parse(text).unwrap();
    let rotated = Keyring::with_accepted(master(&new), [master(MASTER)], master(MASTER)).unwrap();
    let rotated = acme.for_tenant(rotated.tenant("acme").unwrap()).clock(&clock);
    assert_eq!(rotated.get::<i32>("old").await.unwrap(), Some(1));
    rotated.set("old", &2, None).await.unwrap();
    assert_eq!(store.len(), 1);
    assert_eq!(reason(acme.get::<i32>("old").await), Unreadable::UnknownKey);

    let dropped = Keyring::with_accepted(master(&new), [], master(MASTER)).unwrap();
    let dropped = acme.for_tenant(dropped.tenant("acme").unwrap());
    assert_eq!(dropped.get::<i32>("old").await.unwrap(), Some(2));
    acme.set("old", &3, None).await.unwrap();
    assert_eq!(reason(dropped.get::<i32>("old").await), Unreadable::UnknownKey);
}

#[tokio::test]
async fn roots_of_a_key_management_service_are_as_good_as_masters() {
    let (store, roots) = (MemoryBackend::new(), || MasterKey::parse(MASTER).unwrap());
    let roots = Keyring::with_accepted(roots(), [], MasterKey::generate().unwrap()).unwrap();
    let acme = EncryptedBackend::new(store.clone(), blindcache::TenantKeys::from_roots(&roots));
    acme.set("k", &1, None).await.unwrap();
    assert_eq!(acme.get::<i32>("k").await.unwrap(), Some(1));
    let (name, entry) = only(&store);

    // FORMAT.md: Expand(root, "key-id", 4) and Expand(root, "seal"), by the second implementation.
    let root: Vec<u8> = (0..32).collect();
    assert_eq!(entry[4..8], common::expand(&root, &[b"blindcache/v1/key-id\0"])[..4]);
    let seal_key = common::expand(&root, &[b"blindcache/v1/seal\0"]);
    let digits = name.as_str()[3..].to_uppercase();
    let locator: [u8; 32] =
        data_encoding::BASE32_NOPAD.decode(digits.as_bytes()).unwrap().try_into().unwrap();
    let inner = common::inner(1, [NOW, NOW, u64::MAX], b"\x02");
    let theirs = common::seal(&seal_key, entry[4..8].try_into().unwrap(), [9; 24], &locator, &inner);
    store.set(&name, Sealed::parse(theirs).unwrap(), None).await.unwrap();
    assert_eq!(acme.get::<i32>("k").await.unwrap(), Some(2));
}

#[tokio::test]
async fn the_sealed_expiry_decides_whatever_the_store_does() {
    let (acme, _, clock) = acme();
    acme.set("k", &1, Duration::from_millis(100)).await.unwrap();
    for (at, alive) in [(0, true), (99, true), (100, false), (1_000_000, false)] {
        clock.set(NOW + at);
        assert_eq!(acme.get::<i32>("k").await.unwrap().is_some(), alive, "after {at} ms");
    }
}

#[tokio::test]
async fn a_ttl_is_rounded_up_to_a_millisecond() {
    let (acme, _, clock) = acme();
    acme.set("k", &1, Duration::from_nanos(1)).await.unwrap();
    assert_eq!(acme.get::<i32>("k").await.unwrap(), Some(1));
    acme.set("k", &1, Duration::from_nanos(1_000_001)).await.unwrap();
    clock.advance(Duration::from_millis(1));
    assert_eq!(acme.get::<i32>("k").await.unwrap(), Some(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(acme.get::<i32>("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_ttl_of_zero_or_beyond_the_end_of_time_is_refused() {
    let (acme, store, _) = acme();
    let longest = u64::MAX - 1 - NOW;
    for (ttl, fits) in [
        (Duration::ZERO, false),
        (Duration::from_nanos(1), true),
        (Duration::from_millis(longest - 1), true),
        (Duration::from_millis(longest), true),
        (Duration::from_millis(longest + 1), false),
        (Duration::MAX, false),
    ] {
        store.clear();
        let set = [
            acme.set("k", &1, ttl).await,
            acme.set_bytes("k", b"1", ttl).await,
            acme.set_many([("k", 1)], ttl).await,
        ];
        for set in set {
            assert!(if fits { set.is_ok() } else { matches!(set, Err(Error::Ttl)) }, "{ttl:?}");
        }
        assert_eq!(store.is_empty(), !fits);
    }
}

#[tokio::test]
async fn the_store_gets_the_ttl_as_a_hint() {
    struct Hints(std::sync::Mutex<Vec<Option<Duration>>>);
    impl Backend for Hints {
        async fn get(&self, _: &StoreKey) -> Result<Option<Bytes>, blindcache::BackendError> {
            Ok(None)
        }
        async fn set(
            &self,
            _: &StoreKey,
            _: Sealed,
            ttl: Option<Duration>,
        ) -> Result<(), blindcache::BackendError> {
            self.0.lock().unwrap().push(ttl);
            Ok(())
        }
        async fn delete(&self, _: &StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(false)
        }
        async fn exists(&self, _: &StoreKey) -> Result<bool, blindcache::BackendError> {
            Ok(false)
        }
    }
    let acme = tenant("acme", Hints(Default::default()), &Clock::at(NOW));
    acme.set("k", &1, Duration::from_micros(1500)).await.unwrap();
    acme.set_many([("k", 1)], Duration::from_secs(7)).await.unwrap();
    acme.set_bytes("k", b"", None).await.unwrap();
    let hints = acme.backend().0.lock().unwrap().clone();
    assert_eq!(hints, [Some(Duration::from_millis(2)), Some(Duration::from_secs(7)), None]);
}

#[tokio::test]
async fn an_entry_of_another_schema_is_a_miss() {
    let (acme, _, _) = acme();
    let next = acme.clone().schema(1);
    acme.set("k", &1, None).await.unwrap();
    assert_eq!(next.get::<i32>("k").await.unwrap(), None);
    next.set("k", &2, None).await.unwrap();
    assert_eq!(acme.get::<i32>("k").await.unwrap(), None);
    assert_eq!(next.get::<i32>("k").await.unwrap(), Some(2));
}

#[tokio::test]
async fn an_entry_from_more_than_5_minutes_ahead_is_refused() {
    let (acme, _, clock) = acme();
    acme.set("k", &1, None).await.unwrap();
    clock.set(NOW - 300_000);
    assert_eq!(acme.get::<i32>("k").await.unwrap(), Some(1));
    clock.set(NOW - 300_001);
    assert_eq!(reason(acme.get::<i32>("k").await), Unreadable::FromTheFuture);
}

#[tokio::test]
async fn a_value_is_stored_up_to_the_cap_and_refused_above_it() {
    let (acme, store, _) = acme();
    let acme = acme.max_value(1000);
    // 3 bytes of MessagePack in front of a string of 256 to 65,535 bytes.
    for (length, fits) in [(996, true), (997, true), (998, false), (100_000, false)] {
        store.clear();
        let set = acme.set("k", &"x".repeat(length), None).await;
        let many = acme.set_many([("k", "x".repeat(length))], None).await;
        let bytes = acme.set_bytes("b", &vec![0; length + 3], None).await;
        for set in [set, many, bytes] {
            let refused = matches!(set, Err(Error::Value(ValueError::TooLarge { limit: 1000 })));
            assert!(if fits { set.is_ok() } else { refused }, "{length}");
        }
        assert_eq!(store.is_empty(), !fits);
    }
}

/// Of zeros, which the system gives without filling them.
#[tokio::test]
async fn the_cap_is_64_mib_unless_set() {
    const CAP: u32 = 67_108_864;
    let (acme, _, _) = acme();
    let set = acme.set_bytes("k", &vec![0; CAP as usize + 1], None).await;
    assert!(matches!(set, Err(Error::Value(ValueError::TooLarge { limit: CAP }))));
    // Padded to 80 MiB at most, with 80 bytes around that.
    for (length, reason) in [
        (83_886_159, Unreadable::NotSealed),
        (83_886_160, Unreadable::NotSealed),
        (83_886_161, Unreadable::TooLarge),
    ] {
        let found = served(vec![0; length]).get::<i32>("k").await;
        assert_eq!(self::reason(found), reason, "{length}");
    }
}

#[tokio::test]
async fn a_reader_accepts_any_padding() {
    let (acme, _, _) = acme();
    let acme = acme.max_value(1 << 20);
    for writer in [Padding::None, Padding::Padme, Padding::Fixed(16 << 20)] {
        for length in [1, 1 << 20] {
            acme.clone().padding(writer).unwrap().set_bytes("k", &vec![7; length], None).await.unwrap();
            for reader in [Padding::None, Padding::Padme, Padding::Fixed(1000)] {
                let read = acme.clone().padding(reader).unwrap().get_bytes("k").await.unwrap();
                assert_eq!(read.unwrap().len(), length, "{writer:?}, {reader:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_entry_above_the_cap_is_refused_unread() {
    let (acme, _, _) = acme();
    acme.set_bytes("k", &vec![0; 20 << 20], None).await.unwrap();
    let small = acme.clone().max_value(1000);
    assert_eq!(reason(small.get_bytes("k").await), Unreadable::TooLarge);
    let garbage = served(vec![0; 100 << 20]);
    assert_eq!(reason(garbage.get::<i32>("k").await), Unreadable::TooLarge);
}

#[tokio::test]
async fn a_value_nested_deeper_than_64_is_refused_before_it_is_stored() {
    let nested = |depth| (1..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
    let (acme, store, _) = acme();
    acme.set("k", &nested(64), None).await.unwrap();
    assert_eq!(acme.get("k").await.unwrap(), Some(nested(64)));
    store.clear();
    let refused = acme.set("k", &nested(65), None).await;
    assert!(matches!(refused, Err(Error::Value(ValueError::TooDeep))));
    assert!(store.is_empty());
}

#[tokio::test]
async fn a_value_of_another_type_is_undecodable() {
    let (acme, _, _) = acme();
    acme.set("k", "text", None).await.unwrap();
    assert_eq!(reason(acme.get::<User>("k").await), Unreadable::Undecodable);
}

#[tokio::test]
async fn what_a_type_says_of_its_own_failure_is_not_repeated() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the secret is swordfish"))
        }
    }
    let (acme, store, _) = acme();
    let value = acme.set("k", &Failing, None).await.unwrap_err();
    assert!(matches!(value, Error::Value(ValueError::Serialize)));
    let key = acme.set(Failing, &1, None).await.unwrap_err();
    assert!(matches!(key, Error::Key(blindcache::KeyError::Serialize)));
    assert!(!format!("{value:?} {value} {key:?} {key}").contains("swordfish"));
    assert!(store.is_empty());
}

#[tokio::test]
async fn a_refused_key_stops_every_call_before_the_store() {
    let (acme, store, _) = acme();
    let refused = |error: Error| matches!(error, Error::Key(blindcache::KeyError::Float));
    assert!(refused(acme.get::<i32>(1.5).await.unwrap_err()));
    assert!(refused(acme.get_bytes(1.5).await.unwrap_err()));
    assert!(refused(acme.get_many::<i32>([1.5]).await.unwrap_err()));
    assert!(refused(acme.set(1.5, &1, None).await.unwrap_err()));
    assert!(refused(acme.set_bytes(1.5, b"", None).await.unwrap_err()));
    assert!(refused(acme.set_many([(1.5, 1)], None).await.unwrap_err()));
    assert!(refused(acme.delete(1.5).await.unwrap_err()));
    assert!(refused(acme.delete_many([1.5]).await.unwrap_err()));
    assert!(refused(acme.exists(1.5).await.unwrap_err()));
    assert!(store.is_empty());
}

#[tokio::test]
async fn padding_hides_the_length_as_it_says() {
    let (acme, store, _) = acme();
    for (padding, value, entry) in [
        (Padding::Padme, 0, 64 + 64 + 16),
        (Padding::Padme, 28, 64 + 64 + 16),
        (Padding::Padme, 29, 64 + 72 + 16),
        (Padding::Padme, 1000, 64 + 1088 + 16),
        (Padding::None, 0, 116),
        (Padding::None, 1000, 1116),
        (Padding::Fixed(4096), 0, 64 + 4096 + 16),
        (Padding::Fixed(4096), 4060, 64 + 4096 + 16),
        (Padding::Fixed(4096), 4061, 64 + 8192 + 16),
    ] {
        store.clear();
        let acme = acme.clone().padding(padding).unwrap();
        acme.set_bytes("k", &vec![1; value], None).await.unwrap();
        assert_eq!(only(&store).1.len(), entry, "{padding:?}, {value}");
        assert_eq!(acme.get_bytes("k").await.unwrap().unwrap().len(), value);
    }
}

#[tokio::test]
async fn two_writes_of_one_value_look_unrelated() {
    let (acme, store, _) = acme();
    acme.set("k", &ada(), None).await.unwrap();
    let (name, first) = only(&store);
    acme.set("k", &ada(), None).await.unwrap();
    let (same, second) = only(&store);
    assert_eq!(name, same);
    assert_eq!(first[..8], second[..8]);
    for part in [8..20, 20..32, 32..64] {
        assert_ne!(first[part.clone()], second[part.clone()], "{part:?}"); // salt, IV, commitment
    }
    let equal = first[8..].iter().zip(&second[8..]).filter(|(one, other)| one == other).count();
    assert!(equal < 16, "{equal} of {} bytes are equal", first.len() - 8);
}

#[test]
fn settings_outside_their_limits_are_refused() {
    let (acme, _, _) = acme();
    let namespace = |length| acme.clone().namespace(&"n".repeat(length)).map(drop);
    assert!(namespace(254).is_ok() && namespace(255).is_ok());
    assert!(matches!(namespace(256), Err(Error::Setting(SettingError::Namespace))));
    for (prefix, fits) in [
        ("", true),
        ("aZ09._:-", true),
        (&"p".repeat(63), true),
        (&"p".repeat(64), true),
        (&"p".repeat(65), false),
        ("a/b", false),
    ] {
        let set = acme.clone().prefix(prefix).map(drop);
        assert!(if fits { set.is_ok() } else { matches!(set, Err(Error::Setting(SettingError::Prefix))) });
    }
    for (bucket, fits) in
        [(0, false), (1, true), (2, true), (16_777_215, true), (16_777_216, true), (16_777_217, false)]
    {
        let set = acme.clone().padding(Padding::Fixed(bucket)).map(drop);
        assert!(if fits { set.is_ok() } else { matches!(set, Err(Error::Setting(SettingError::Padding))) });
    }
}

#[tokio::test]
async fn a_failing_store_is_an_error_of_its_kind() {
    let (store, clock) = (MemoryBackend::with_limits(10, 1000), Clock::at(NOW));
    let acme = tenant("acme", store, &clock);
    let error = acme.set_bytes("k", &[0; 5000], None).await.unwrap_err();
    let Error::Backend(error) = error else { panic!("{error:?}") };
    assert_eq!((error.backend(), error.kind()), ("memory", blindcache::BackendErrorKind::TooLarge));
}

#[test]
fn futures_are_send_whatever_the_value_and_the_key_are() {
    fn send<T: Send>(_: T) {}
    let (acme, _, _) = acme();
    let value = std::cell::Cell::new(1); // not Sync
    send(acme.set("k", &value, None));
    send(acme.set(std::rc::Rc::<str>::from("k").as_ref(), &1, None));
    send(acme.get::<i32>(("a", 1)));
    send(acme.get_many::<i32>(["a"]));
    send(acme.set_many([("a", 1)], None));
}

#[test]
fn debug_shows_no_tenant_namespace_or_key() {
    let (acme, _, _) = acme();
    let shown = format!("{:?}", acme.namespace("secret-namespace").unwrap());
    let id = MasterKey::parse(MASTER).unwrap().id();
    let expected = format!(
        "EncryptedBackend {{ backend: \"memory\", keys: TenantKeys {{ key_ids: [KeyId({id})], .. }}, .. }}"
    );
    assert_eq!(shown, expected);
}
