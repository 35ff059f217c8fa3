//! Every kind of entry that cannot be read, with marked content in clear or under the seal.

use blindcache::{
    Backend, Cache, ComputeError, EncryptedBackend, Error, Key as _, Keyring, RedisBackend, Unreadable,
    Value, testing::Place,
};
use blindcache_server_tests::Server;
use serde::{
    Deserialize, Serialize,
    de::{Deserializer, Error as _},
};

use crate::{case::Case, common};

/// More than an entry of a few bytes takes in the largest padding bucket.
const LARGE: usize = (16 << 20) + 1024;

/// Its `Deserialize` fails, with the value in the error.
#[derive(Debug, Clone, Serialize)]
struct OneWay;

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(String::deserialize(deserializer)?))
    }
}

/// serde's own error quotes the variant that it does not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Choice {
    First,
}

/// Puts each of them into the server, and reads it by every call that reads.
pub(crate) async fn every_kind(server: &Server, case: &mut Case) {
    let master = case.master("a key of unreadable entries");
    let tenant = case.tenant(std::slice::from_ref(&master));
    let keys = Keyring::new(master.key()).unwrap();
    let tenant_keys = keys.tenant(&tenant).unwrap();
    let (key, value) = (case.text("a key of an unreadable entry"), case.text("an unreadable value"));

    let canonical = key.to_cache_key().unwrap();
    let place =
        Place { keys: &tenant_keys, marker: false, epoch: 0, namespace: "", name: canonical.as_bytes() };
    let name = place.store_key("");
    let put = |entry: &[u8]| {
        let mut server = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg(name.as_str()).arg(entry).exec(&mut server).unwrap();
    };
    let key_of = |label| common::tenant_key(&master.0, &tenant, label);
    let locator = common::locator(&key_of("name"), 2, 0, "", canonical.as_bytes());
    let seal = |key_id: [u8; 4], codec: u8, created_at: u64| {
        let payload = [&[0xD9, value.len() as u8], value.as_bytes()].concat();
        let inner = common::inner(codec, [created_at, u64::MAX, u64::MAX], &payload);
        common::seal(
            &key_of("seal"),
            key_id,
            fastrand::u128(..).to_be_bytes().repeat(2)[..24].try_into().unwrap(),
            &locator,
            &inner,
        )
    };

    let id = keys.key_ids()[0].to_bytes();
    let good = seal(id, 1, 1);
    let mut other_version = good.clone();
    other_version[3] = 2;
    let mut tampered = good.clone();
    tampered[70] ^= 1;

    let backend = RedisBackend::new(&server.url()).unwrap();
    let store = EncryptedBackend::new(backend, keys.tenant(&tenant).unwrap());
    put(&good);
    assert_eq!(store.get::<String>(&key).await.unwrap(), Some(value.clone()));
    reads::<u64, _>(&store, case, &key, Unreadable::Undecodable).await;
    reads::<Choice, _>(&store, case, &key, Unreadable::Undecodable).await;
    reads::<OneWay, _>(&store, case, &key, Unreadable::Undecodable).await;
    put(value.repeat(LARGE / value.len() + 1).as_bytes());
    reads::<String, _>(&store.clone().max_value(16), case, &key, Unreadable::TooLarge).await;
    for (entry, reason) in [
        (value.repeat(10).into_bytes(), Unreadable::NotSealed),
        (other_version, Unreadable::UnknownFormat),
        (seal([9; 4], 1, 1), Unreadable::UnknownKey),
        (tampered, Unreadable::Tampered),
        (seal(id, 9, 1), Unreadable::Malformed),
        (seal(id, 1, 1 << 60), Unreadable::FromTheFuture),
    ] {
        put(&entry);
        reads::<String, _>(&store, case, &key, reason).await;
    }
}

async fn reads<T: Value, B: Backend + Clone>(
    store: &EncryptedBackend<B>,
    case: &mut Case,
    key: &str,
    reason: Unreadable,
) {
    let err = case.refused(store.get::<T>(key).await);
    assert!(matches!(err, Error::Unreadable(found) if found == reason), "{err:?} is not {reason:?}");
    for found in store.get_many::<T>([key]).await.unwrap() {
        assert_eq!(case.refused(found), reason);
    }
    case.outcome(store.get_bytes(key).await);

    let cache = Cache::builder(store.clone()).build().unwrap();
    assert!(cache.get::<T>(key).await.unwrap().is_none());
    assert!(cache.get_many::<T>([key]).await.unwrap()[0].is_none());
    let err = case.refused(cache.entry(key).strict().get::<T>().await);
    assert!(matches!(err, Error::Unreadable(found) if found == reason), "{err:?} is not {reason:?}");
    let computed = cache.entry(key).strict().get_or_compute(|| async { Err::<T, Error>(Error::Tag) }).await;
    let err = case.refused(computed);
    assert!(matches!(err, ComputeError::Cache(Error::Unreadable(found)) if found == reason), "{err:?}");
    let stats = case.show(cache.stats());
    assert!(stats.unreadable_by_reason.iter().any(|(name, _)| *name == reason.as_str()), "{stats:?}");
}
