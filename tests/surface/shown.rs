//! What `Debug` shows of every public type that has it, made of marked secrets: nothing of them.

#![cfg(all(
    feature = "cloudflare-kv",
    feature = "dynamodb",
    feature = "file",
    feature = "http",
    feature = "l1",
    feature = "macros",
    feature = "memcached",
    feature = "redis-cluster",
    feature = "upstash",
))]

use std::{collections::BTreeSet, convert::Infallible, fmt::Debug, future::pending, time::Duration};

use blindcache::{
    AnyBackend, BackendErrorKind, BackendExt as _, Builder, Cache, CloudflareKvBackend, ComputeError,
    DynamoDbBackend, EncryptedBackend, Error, FileBackend, FunctionKey, HttpBackend, Key as _, Keyring,
    KeyringError, L1, MasterKey, MasterKeyError, MemcachedBackend, MemoryBackend, Padding, RedisBackend,
    Sealed, StoreKey, Swept, Unreadable, UpstashBackend, ValueError, cached,
    conformance::{Expiry, Subject, run_all},
    testing::{Clock, Fault, FaultBackend, HostileBackend, Lie},
};
use serde::{Serialize, Serializer, ser::Error as _};

use super::{api::api, is_kept, source::modules};

/// Stands in every secret. Not shown may be what is not plaintext by design too, such as a user's name.
const MARK: &str = "hunter2";
/// A master key, with bytes that would show.
const KEY: &str = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf";
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Shown(Vec<(&'static str, String)>);

impl Shown {
    fn add(&mut self, name: &'static str, value: impl Debug) {
        self.0.push((name, format!("{value:?}")));
    }
}

#[tokio::test(start_paused = true)]
async fn debug_of_every_public_type_shows_what_was_kept_and_no_secret() {
    let mut shown = Shown::default();
    keys(&mut shown);
    boundary(&mut shown).await;
    cache(&mut shown).await;
    layers(&mut shown);
    backends(&mut shown);
    web(&mut shown);
    errors(&mut shown).await;
    tools(&mut shown).await;
    shown.0.sort();

    let named: BTreeSet<&str> = shown.0.iter().map(|(name, _)| *name).collect();
    let all = with_debug();
    assert!(all.len() > 50, "{all:?}");
    assert_eq!(
        all.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        named,
        "a public type has no snapshot"
    );
    let text: String = shown.0.iter().map(|(name, shown)| format!("{name}: {shown}\n")).collect();
    assert!(!holds_a_secret(&text), "{text}");
    is_kept("shown.txt", &text);
}

#[test]
fn planted_secret_is_found() {
    for planted in [KEY[..16].to_uppercase(), "[192, 193, 194, 195]".into(), format!("{:?}", Some(MARK))] {
        assert!(holds_a_secret(&format!("Type {{ field: {planted} }}")), "{planted}");
    }
}

/// The mark, or the first bytes of the key, in hex or as a list.
fn holds_a_secret(text: &str) -> bool {
    let text = text.to_lowercase();
    [MARK, &KEY[..8], "192, 193, 194", "bcmk1-"].iter().any(|secret| text.contains(secret))
}

/// The public types that have a `Debug`, as the sources say.
fn with_debug() -> BTreeSet<String> {
    let has_it = |lines: &Vec<String>| {
        let derived = lines[0].split("pub ").next().is_some_and(|before| before.contains("Debug"));
        derived || lines.iter().any(|line| line.contains("impl") && line.contains("Debug for"))
    };
    let types = api(&modules()).into_iter().filter(|(_, lines)| has_it(lines));
    types.map(|(path, _)| path["blindcache::".len()..].to_owned()).collect()
}

fn master() -> MasterKey {
    MasterKey::parse(KEY).unwrap()
}

fn store() -> EncryptedBackend<MemoryBackend> {
    let keys = Keyring::new(master()).unwrap().tenant(MARK).unwrap();
    EncryptedBackend::new(MemoryBackend::new(), keys).namespace(MARK).unwrap()
}

fn keys(shown: &mut Shown) {
    shown.add("MasterKey", master());
    shown.add("KeyId", master().id());
    let keys = Keyring::new(master()).unwrap();
    shown.add("TenantKeys", keys.tenant(MARK).unwrap());
    shown.add("Keyring", keys);
    shown.add("CacheKey", MARK.to_cache_key().unwrap());
    shown.add("StoreKey", StoreKey::parse(&format!("{MARK}:b1.{}", "a".repeat(52))).unwrap());
    shown.add("NotAStoreKey", StoreKey::parse(MARK).unwrap_err());
}

async fn boundary(shown: &mut Shown) {
    let store = store();
    store.set(MARK, MARK, MINUTE).await.unwrap();
    let (_, entry) = store.backend().entries().remove(0);
    shown.add("Sealed", Sealed::parse(entry).unwrap());
    shown.add("NotSealed", Sealed::parse(MARK.as_bytes()).unwrap_err());
    shown.add("MemoryBackend", store.backend());
    shown.add("AnyBackend", AnyBackend::new(store.backend().clone()));
    shown.add("Padding", Padding::Fixed(512));
    shown.add("EncryptedBackend", store);
}

#[cached(cache = cache, skip(cache))]
async fn function(cache: &Cache, id: &str) -> String {
    id.to_owned()
}

async fn cache(shown: &mut Shown) {
    let cache = Cache::builder(store()).l1(10).build().unwrap();
    cache.entry(MARK).tags([MARK]).set(MARK.to_owned()).await.unwrap();
    function(&cache, MARK).await;
    let key: FunctionKey = function_key(&cache, MARK);
    shown.add("FunctionKey", key);
    let stats = cache.stats();
    // Times differ from run to run.
    shown.0.push(("Requests", without_times(&format!("{:?}", stats.requests[0]))));
    shown.0.push(("Stats", without_times(&format!("{stats:?}"))));
    shown.add("L1", L1::Sealed);
    shown.add("Cache", cache);
}

fn without_times(shown: &str) -> String {
    let mut parts = shown.split("time: ");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| format!("{text}time: …{}", &part[part.find([' ', ',', '}']).unwrap()..]))
}

fn layers(shown: &mut Shown) {
    let store = || RedisBackend::new(&format!("redis://user:{MARK}@localhost")).unwrap();
    shown.add("Timeout", store().timeout(MINUTE).unwrap());
    shown.add("Retry", store().retry());
    shown.add("Limit", store().limit(1, 2).unwrap());
    let breaker = store().breaker();
    shown.add("BreakerState", breaker.state());
    shown.add("Breaker", breaker);
}

fn backends(shown: &mut Shown) {
    let url = format!("rediss://user:{MARK}@localhost");
    let redis = || RedisBackend::builder(&url).client_certificate(MARK, MARK);
    shown.add("RedisBuilder", redis().ca_certificates(MARK));
    shown.add("RedisBackend", RedisBackend::new(&url).unwrap());
    let seed = format!("redis://user:{MARK}@localhost");
    shown.add("RedisBuilder", RedisBackend::cluster_builder([&seed]));
    shown.add("RedisBackend", RedisBackend::cluster([&seed]).unwrap());
    let service = format!("redis://user:{MARK}@service");
    shown.add("RedisBackend", RedisBackend::sentinel(&service, [&seed]).unwrap());
    let url = format!("memcache://user:{MARK}@localhost");
    shown.add("MemcachedBuilder", MemcachedBackend::builder(&url).client_certificate(MARK, MARK));
    shown.add("MemcachedBackend", MemcachedBackend::new("memcache://localhost").unwrap());
    shown.add("FileBuilder", FileBackend::builder("/nowhere"));
    shown.add("FileBackend", FileBackend::new("/nowhere").unwrap());
    shown.add("Swept", Swept::default());
    let dynamodb = || DynamoDbBackend::builder("table", "eu-central-1").endpoint_url("http://localhost:1");
    shown.add("DynamoDbBuilder", dynamodb().client_certificate(MARK, MARK));
    shown.add("DynamoDbBackend", dynamodb().build().unwrap());
}

fn web(shown: &mut Shown) {
    let url = format!("https://user:{MARK}@localhost");
    let http = || HttpBackend::builder(&url).header("Authorization", MARK);
    shown.add("HttpBuilder", http().client_certificate(MARK, MARK));
    shown.add("HttpBackend", http().build().unwrap());
    let upstash = || UpstashBackend::builder("https://localhost", MARK);
    shown.add("UpstashBuilder", upstash().client_certificate(MARK, MARK));
    shown.add("UpstashBackend", upstash().build().unwrap());
    let cloudflare = || CloudflareKvBackend::builder(&"a".repeat(32), &"b".repeat(32), MARK);
    shown.add("CloudflareKvBuilder", cloudflare().client_certificate(MARK, MARK));
    shown.add("CloudflareKvBackend", cloudflare().build().unwrap());
}

/// A value whose own error quotes it.
struct Quoting;

impl Serialize for Quoting {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(MARK))
    }
}

async fn errors(shown: &mut Shown) {
    let store = store();
    shown.add("KeyError", (MARK, 1.5).to_cache_key().unwrap_err());
    let Err(Error::Value(refused)) = store.set(MARK, &Quoting, None).await else { panic!("it fails") };
    shown.add("ValueError", refused);
    shown.add("ValueError", ValueError::TooLarge { limit: 1 });
    let refused: MasterKeyError = MasterKey::parse(MARK).unwrap_err();
    shown.add("MasterKeyError", refused);
    let refused: KeyringError = Keyring::with_accepted(master(), [master()], master()).unwrap_err();
    shown.add("KeyringError", refused);
    let variables = |name: &str| (name == "BLINDCACHE_MASTER_KEY").then(|| MARK.to_owned());
    let Err(Error::Setting(refused)) = Builder::from_vars(None, variables) else { panic!("it fails") };
    shown.add("SettingError", refused);
    store.set(MARK, MARK, None).await.unwrap();
    let refused = store.get::<u64>(MARK).await.unwrap_err();
    let Error::Unreadable(reason) = &refused else { panic!("{refused:?}") };
    shown.add("Unreadable", *reason);
    shown.add("Unreadable", Unreadable::Tampered);
    shown.add("Error", refused);
    let backend = RedisBackend::new(&format!("redis://user:{MARK}@localhost/{MARK}")).unwrap_err();
    shown.add("BackendErrorKind", backend.kind());
    shown.add("BackendError", backend);
    let keys = Keyring::new(master()).unwrap().tenant(MARK).unwrap();
    let cache = Cache::builder(EncryptedBackend::new(failing(), keys)).build().unwrap();
    let refused =
        cache.entry(MARK).strict().get_or_compute(|| async { Ok::<_, Infallible>(MARK.to_owned()) });
    shown.add("ComputeError", refused.await.unwrap_err());
    let cache = Cache::builder(store).build().unwrap();
    let late = cache.entry((MARK, 1)).strict().hard_timeout(MINUTE);
    let late: ComputeError<Infallible> = late.get_or_compute(pending::<Result<String, _>>).await.unwrap_err();
    shown.add("ComputeError", late);
}

async fn tools(shown: &mut Shown) {
    shown.add("testing::Clock", Clock::at(1_800_000_000_000));
    shown.add("testing::Fault", Fault::error(BackendErrorKind::Timeout).after(MINUTE));
    shown.add("testing::FaultBackend", FaultBackend::new(MemoryBackend::new()));
    shown.add("testing::HostileBackend", HostileBackend::seeded(MemoryBackend::new(), 1));
    shown.add("testing::Lie", Lie::Replay(1));
    shown.add("conformance::Expiry", Expiry::Exact);
    let subject = Subject::new(Expiry::Exact, || std::future::ready(failing()));
    shown.add("conformance::Failure", run_all(&subject).await.unwrap_err());
    shown.add("conformance::Subject", subject);
}

fn failing() -> FaultBackend<MemoryBackend> {
    let failing = FaultBackend::new(MemoryBackend::new());
    failing.always(Fault::error(BackendErrorKind::Denied));
    failing
}
