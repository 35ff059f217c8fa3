//! What keys and values go through.

#[cfg(feature = "l1")]
mod cache;

use std::{
    convert::Infallible,
    fs,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Waker},
    time::Duration,
};

use blindcache::{
    Backend as _, BackendErrorKind, Builder, Cache, EncryptedBackend, Error, Keyring, MasterKey,
    MemoryBackend, Sealed, StoreKey, TenantKeys,
    testing::{Clock, Fault, FaultBackend},
};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Serialize, Serializer, ser::SerializeTuple as _};
use zeroize::Zeroizing;

use self as here;
use crate::child::{Given, Own, Pause, keys};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether it pauses where everything has been used and is alive.
    pub(crate) rests: bool,
    pub(crate) work: for<'a> fn(&'a Given, &'a mut Pause) -> Work<'a>,
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! scenarios {
    ($($(#[$on:meta])? $room:ident::$name:ident $rests:literal)*) => {
        pub(crate) const SCENARIOS: &[Scenario] = &[$($(#[$on])? Scenario {
            name: stringify!($name),
            rests: $rests,
            work: |given, pause| Box::pin($room::$name(given, pause)),
        }),*];
    };
}

scenarios! {
    here::values_written_and_read false
    here::batches false
    here::refused_values_and_entries false
    here::master_keys_in_every_form false
    here::keyrings_and_roots false
    here::keys_of_variables_and_files false
    here::futures_fresh_and_dropped false
    #[cfg(feature = "l1")] cache::cache_that_keeps_values false
    #[cfg(feature = "l1")] cache::cache_that_keeps_sealed_entries true
}

/// Values of every length, in buffers that grow on the way.
async fn values_written_and_read(given: &Given, _: &mut Pause) {
    let (acme, text) = (&given.acme, given.text());
    for round in 0..100 {
        acme.set(round, &vec![text; 1 + round], MINUTE).await.unwrap();
        let back: Vec<Own> = acme.get(round).await.unwrap().unwrap();
        assert_eq!(back.len(), 1 + round);
        acme.set_bytes(round, &given.value, None).await.unwrap();
        let bytes = acme.get_bytes(round).await.unwrap().unwrap();
        bytes.try_into_mut().unwrap().fill(0); // from here on the caller's
    }
}

async fn batches(given: &Given, _: &mut Pause) {
    let items = (0..50).map(|at| (at, vec![given.text(); 1 + at]));
    given.acme.set_many(items, MINUTE).await.unwrap();
    for found in given.acme.get_many::<Vec<Own>>(0..50).await.unwrap() {
        found.unwrap().unwrap();
    }
    for found in given.acme.get_many::<u64>(0..50).await.unwrap() {
        found.unwrap_err(); // of another type
    }
}

/// A value that is written in part, and then fails or panics.
struct Failing<'a>(&'a str, bool);

impl Serialize for Failing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(40)?;
        for _ in 0..20 {
            parts.serialize_element(self.0)?;
        }
        assert!(!self.1, "planted");
        Err(serde::ser::Error::custom("planted"))
    }
}

async fn refused_values_and_entries(given: &Given, _: &mut Pause) {
    let (acme, text) = (&given.acme, given.text());
    let small = acme.clone().max_value(1_000);
    assert!(small.set("large", &vec![text; 200], None).await.is_err()); // on the way
    let long = Zeroizing::new(text.repeat(40));
    assert!(small.set_bytes("large", long.as_bytes(), None).await.is_err());
    assert!(acme.set("failing", &Failing(text, false), None).await.is_err());
    std::panic::set_hook(Box::new(|_| ()));
    let panics = AssertUnwindSafe(|| polled(acme.set("panics", &Failing(text, true), None)));
    assert!(catch_unwind(panics).is_err());
    drop(std::panic::take_hook());

    // Authentic, and not what was asked for.
    let clock = Clock::at(1_800_000_000_000);
    let acme = acme.clone().clock(&clock);
    acme.set("entry", &given.own(), MINUTE).await.unwrap();
    assert!(acme.get::<u64>("entry").await.is_err());
    assert!(acme.get_bytes("entry").await.unwrap().is_none());
    assert!(acme.clone().schema(1).get::<Own>("entry").await.unwrap().is_none());
    clock.advance(MINUTE);
    assert!(acme.get::<Own>("entry").await.unwrap().is_none());

    // Not authentic, which shows only after all of it was decrypted.
    let store = MemoryBackend::new();
    let acme = EncryptedBackend::new(store.clone(), keys(given.master()));
    for size in [1, 100] {
        acme.set("entry", &vec![text; size], None).await.unwrap();
        let (name, entry) = store.entries().remove(0);
        let mut entry = entry.to_vec();
        *entry.last_mut().unwrap() ^= 1;
        put(&store, &name, entry).await;
        assert!(matches!(acme.get::<Vec<Own>>("entry").await, Err(Error::Unreadable(_))));
    }
}

async fn put(store: &MemoryBackend, name: &StoreKey, entry: Vec<u8>) {
    store.set(name, Sealed::parse(entry).unwrap(), None).await.unwrap();
}

async fn master_keys_in_every_form(given: &Given, _: &mut Pause) {
    let master = given.master();
    let text = master.to_text();
    let hex = Zeroizing::new(HEXLOWER.encode(given.master.as_slice()));
    let base64 = Zeroizing::new(BASE64.encode(given.master.as_slice()));
    for text in [&text, &hex, &base64] {
        let key = MasterKey::parse(text).unwrap();
        assert_eq!(key.id(), master.id());
        drop(keys(key));
        // Refused once most of it was read.
        let mut wrong = text.clone();
        let last = wrong.pop().unwrap();
        assert!(MasterKey::parse(&wrong).is_err());
        wrong.push(if last == 'b' { 'c' } else { 'b' });
        let _ = MasterKey::parse(&wrong);
    }
    assert!(MasterKey::from_bytes(&given.master[..31]).is_err());
}

async fn keyrings_and_roots(given: &Given, _: &mut Pause) {
    let with_both = || Keyring::with_accepted(given.other(), [given.master()], given.master()).unwrap();
    for keys in [
        with_both().tenant("acme").unwrap(),
        Keyring::with_accepted(given.master(), [given.other()], given.other())
            .unwrap()
            .tenant("acme")
            .unwrap(),
        TenantKeys::from_roots(&with_both()),
    ] {
        let other = given.acme.for_tenant(keys);
        other.set("key", &given.own(), None).await.unwrap();
        let _: Own = other.get("key").await.unwrap().unwrap();
    }
    assert!(Keyring::with_accepted(given.master(), [given.master()], given.other()).is_err());
    assert!(with_both().tenant("").is_err());
}

async fn keys_of_variables_and_files(given: &Given, _: &mut Pause) {
    let hex = Zeroizing::new(HEXLOWER.encode(given.master.as_slice()));
    let other = given.other().to_text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("naming");
    fs::write(&file, &*other).unwrap();
    let listed = Zeroizing::new([&*other, ","].concat());
    let lookup = |name: &str| match name {
        "BLINDCACHE_MASTER_KEY" => Some(hex.to_string()),
        "BLINDCACHE_ACCEPTED_KEYS" => Some(listed.to_string()),
        "BLINDCACHE_NAMING_KEY_FILE" => Some(file.to_str().unwrap().to_owned()),
        _ => None,
    };
    let keys = Keyring::from_vars(lookup).unwrap();
    assert_eq!(keys.key_ids().len(), 2);
    drop(keys.tenant("acme").unwrap());
    let both = |name: &str| name.starts_with("BLINDCACHE_MASTER_KEY").then(|| hex.to_string());
    assert!(Keyring::from_vars(both).is_err());
    let store = blindcache::AnyBackend::new(MemoryBackend::new());
    let cache = Builder::from_vars(Some(store), lookup).unwrap().build().unwrap();
    cache.set("key", given.own()).await.unwrap();
    cache.close().await;
}

/// Polls a future once.
fn polled<F: Future>(future: F) {
    let mut future = pin!(future);
    let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// Futures that are dropped before they began, and while the store has not answered.
async fn futures_fresh_and_dropped(given: &Given, _: &mut Pause) {
    let store = FaultBackend::new(MemoryBackend::new());
    let acme = EncryptedBackend::new(store.clone(), keys(given.master()));
    let long = vec![given.text(); 100];
    acme.set("key", &given.own(), None).await.unwrap();
    store.always(Fault::hang());
    let cache = Cache::builder(acme.clone()).build().unwrap();
    let compute = || async { Ok::<_, Infallible>(given.own()) };
    for poll in [false, true] {
        let run =
            |future: Pin<Box<dyn Future<Output = ()> + '_>>| if poll { polled(future) } else { drop(future) };
        run(Box::pin(async { drop(acme.set("key", &long, None).await) }));
        run(Box::pin(async { drop(acme.set_bytes("key", &given.value, None).await) }));
        run(Box::pin(async { drop(acme.get::<Own>("key").await) }));
        run(Box::pin(async { drop(acme.set_many([("key", &long)], None).await) }));
        run(Box::pin(async { drop(cache.set("key", given.own()).await) }));
        run(Box::pin(async { drop(cache.set_many([("key", given.own())]).await) }));
        run(Box::pin(async { drop(cache.get_or_compute("key", compute).await) }));
        run(Box::pin(async { drop(cache.refresh("another", compute).await) }));
        run(Box::pin(async { drop(cache.entry("key").strict().get_or_compute(compute).await) }));
    }
    // The same without a block around them: what a future holds from its making on.
    drop(acme.set("key", &long, None));
    drop(cache.set("key", given.own()));
    drop(cache.get_or_compute("key", compute));
    store.always(Fault::error(BackendErrorKind::Transient));
    assert!(acme.set("key", &given.own(), None).await.is_err());
    assert!(cache.set("other", given.own()).await.is_err());
    let _: Own = cache.get_or_compute("last", compute).await.unwrap();
}
