//! Every call of `Cache`, with marked keys, tags and values; and the attribute `#[cached]` with them.

use std::{collections::BTreeMap, convert::Infallible, future::pending, io, time::Duration};

use blindcache::{
    AnyBackend, Backend, Builder, Cache, ComputeError, EncryptedBackend, Entry, Error, FunctionKey, Keyring,
    L1, MemoryBackend, Requests, SettingError, Stats, Strict, cached, set_default, testing,
};
use blindcache_server_tests::{Server, in_time};

use crate::case::{Case, Master};

const MILLI: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// What `#[cached]` puts into each key of a function.
pub(crate) const OF_FUNCTIONS: [&str; 2] = ["nsXqzvOfOurKwj", "zqx_vkw_cached_jyq"];
/// How many entries and markers [`through`] leaves in the server: by each of five caches three entries and the marker of
/// a tag; the markers of three cleared tenants; and a long value, which only the cache of variables takes.
pub(crate) const LEFT: usize = 5 * 4 + 3 + 1;

#[cached(cache = cache, skip(cache, value), namespace = "nsXqzvOfOurKwj", ttl = "1h", tags = [tag], strict)]
async fn zqx_vkw_cached_jyq(cache: &Cache, id: &str, tag: &str, value: &str) -> Result<String, Error> {
    Ok(value.to_owned())
}

#[cached(skip(value), namespace = "nsXqzvOfOurKwj", tags = [id])]
async fn by_default(id: &str, value: &str) -> String {
    value.to_owned()
}

/// A cache with every setting over this store, one of a tenant, one that keeps sealed entries, one of variables, and
/// one without a store.
pub(crate) async fn through(backend: impl Backend + Clone, url: &str, masters: &[Master], case: &mut Case) {
    OF_FUNCTIONS.iter().for_each(|name| case.marks.add("a name in a function's key", name.as_bytes()));
    let keys = Keyring::new(masters[0].key()).unwrap();
    let store = store(backend.clone(), &keys, &masters[..1], case);
    let all: Builder = Cache::builder(store.clone()).ttl(HOUR).stale(HOUR).none_ttl(MINUTE).jitter(0.1);
    let all = all.soft_timeout(MINUTE).fail_safe_pause(MINUTE).refresh_ahead(0.5);
    let all = all.marker_ttl(MINUTE).longest(24 * HOUR);
    let all = all.l1(100).l1_bytes(1 << 20).l1_mode(L1::Values).l1_ttl(MINUTE).build().unwrap();
    let tenant = case.tenant(&masters[..1]);
    let of_tenant = all.for_tenant(keys.tenant(&tenant).unwrap());
    let sealed = Cache::builder(store.clone()).l1_mode(L1::Sealed).build().unwrap();
    let none = Cache::builder(store).l1(0).build().unwrap();
    let in_memory = Cache::in_memory().clock(&testing::Clock::at(1_800_000_000_000)).build().unwrap();

    let [namespace, tenant] = [case.text("a namespace"), case.tenant(&masters[..1])];
    let variables = [
        ("BLINDCACHE_MASTER_KEY", &*masters[0].hex()),
        ("BLINDCACHE_TENANT", &tenant),
        ("BLINDCACHE_NAMESPACE", &namespace),
        ("BLINDCACHE_REDIS_URL", url),
        ("BLINDCACHE_TTL", "1h"),
    ];
    let of_variables = vars(None, &variables).unwrap().build().unwrap();
    for cache in [&all, &of_tenant, &sealed, &none, &of_variables, &in_memory] {
        assert_eq!(every_call(cache, case).await.1, 0);
        stale(cache, case).await;
        function(cache, case).await;
        refused(cache, case).await;
        let stats: Stats = case.show(cache.stats());
        let first: &Requests = &stats.requests[0];
        assert!(stats.count(first.operation, first.outcome) > 0);
        cache.close().await;
    }
    default(all, case).await;
    settings(masters, backend, case);
}

/// How many entries and markers [`over`] leaves in the store.
pub(crate) const LEFT_OVER: usize = 5;

/// A cache over one way to a store, and the attribute on it.
pub(crate) async fn over(store: EncryptedBackend<impl Backend>, case: &mut Case) {
    OF_FUNCTIONS.iter().for_each(|name| case.marks.add("a name in a function's key", name.as_bytes()));
    let cache = Cache::builder(store).l1(0).build().unwrap();
    assert_eq!(every_call(&cache, case).await.1, 0);
    stale(&cache, case).await;
    function(&cache, case).await;
    cache.close().await;
}

/// A store of a marked tenant and namespace.
fn store<B: Backend>(backend: B, keys: &Keyring, masters: &[Master], case: &mut Case) -> EncryptedBackend<B> {
    let tenant = case.tenant(masters);
    let store = EncryptedBackend::new(backend, keys.tenant(&tenant).unwrap()).max_value(1 << 16);
    store.namespace(&case.text("a namespace")).unwrap()
}

/// Makes every call; gives how many there were that may fail with the store, and how many failed.
pub(crate) async fn every_call(cache: &Cache, case: &mut Case) -> (usize, usize) {
    case.show(cache);
    let key = (case.text("a key of a cache"), 42, true);
    let [one, two] = [(); 2].map(|()| case.text("a key of a cache's batch"));
    let [value, newer] = [(); 2].map(|()| case.text("a value of a cache"));
    let tags = [(); 2].map(|()| case.text("a tag"));
    let batch = || [(&one, value.clone()), (&two, newer.clone())];
    let fine = || async { Ok::<_, Infallible>(newer.clone()) };
    let Ok(_) = cache.get_or_compute(&key, fine).await;
    let again = newer.clone();
    let Ok(_) = cache.get_or_refresh(&key, || async { Ok::<_, Infallible>(again) }).await;
    let Ok(_) = cache.refresh(&key, fine).await;
    let many = |missing: Vec<String>| async {
        Ok::<_, Infallible>(missing.into_iter().map(|key| (key, value.clone())).collect::<Vec<_>>())
    };
    let Ok(_) = cache.get_or_compute_many([one.clone(), two.clone()], many).await;
    let entry = || -> Entry<'_> {
        let entry = cache.entry(&key).ttl(HOUR).stale(HOUR).none_ttl(MINUTE).tags(&tags);
        entry.soft_timeout(MINUTE).refresh_ahead(0.5)
    };
    let strict = || -> Strict<'_> { entry().strict().hard_timeout(MINUTE) };
    let Ok(_) = entry().get_or_compute(fine).await;
    let again = newer.clone();
    let Ok(_) = entry().get_or_refresh(|| async { Ok::<_, Infallible>(again) }).await;
    let Ok(_) = entry().refresh(fine).await;

    let mut results = vec![
        in_time(cache.set(&key, value.clone())).await,
        in_time(cache.get::<String>(&key)).await.map(drop),
        in_time(cache.get::<u64>(&key)).await.map(drop), // of another type
        in_time(cache.exists(&key)).await.map(drop),
        in_time(cache.set_many(batch())).await,
        in_time(cache.get_many::<String>([&one, &two])).await.map(drop),
        in_time(cache.set(&one, None::<String>)).await,
        in_time(entry().set(value.clone())).await,
        in_time(entry().get::<String>()).await.map(drop),
        in_time(strict().get::<String>()).await.map(drop),
    ];
    match in_time(strict().get_or_compute(fine)).await {
        Err(ComputeError::Cache(err)) => results.push(Err(err)),
        other => results.push(case.show(other.map(drop)).map_err(|_| Error::Tag)),
    }
    results.extend([
        in_time(cache.invalidate_tag(&tags[0])).await,
        in_time(entry().set(value.clone())).await,
        in_time(cache.delete(&one)).await.map(drop),
        in_time(cache.delete_many([&one, &two])).await.map(drop),
        in_time(cache.clear()).await,
        in_time(entry().set(value.clone())).await,
        in_time(entry().get::<String>()).await.map(drop),
    ]);
    case.show(cache.stats());
    let (all, failed) = (results.len(), results.iter().filter(|result| result.is_err()).count());
    results.into_iter().for_each(|result| case.outcome(result));
    (all, failed)
}

/// Stale values, and functions that fail or hang: their own errors are theirs, and go nowhere but to the caller.
async fn stale(cache: &Cache, case: &mut Case) {
    let [key, value, own] = ["a key", "a stale value", "a function's own error"].map(|what| case.text(what));
    let entry = || {
        let entry = cache.entry(&key).ttl(MILLI).stale(HOUR).soft_timeout(MILLI);
        entry.fail_safe_pause(Duration::ZERO).tags([&key])
    };
    let failing = || async { Err::<String, _>(io::Error::other(own.clone())) };
    entry().set(value).await.unwrap();
    tokio::time::sleep(5 * MILLI).await;
    _ = entry().get_or_compute(failing).await;
    _ = entry().get_or_compute(pending::<Result<String, Infallible>>).await;
    let error = own.clone();
    let background = || async move { Err::<String, _>(io::Error::other(error)) };
    _ = entry().get_or_refresh(background).await;
    _ = entry().refresh(failing).await;
    let many = |_: Vec<String>| async { Err::<Vec<(String, String)>, _>(io::Error::other(own.clone())) };
    _ = cache.get_or_compute_many([case.text("a missing key")], many).await;
    let missing = case.text("a missing key");
    let Err(err) = cache.entry(&missing).strict().get_or_compute(failing).await else { panic!("it fails") };
    case.show(err.to_string()); // its Debug shows the function's error
    let strict = cache.entry(&missing).strict().hard_timeout(MILLI);
    let err = case.refused(strict.get_or_compute(pending::<Result<String, Infallible>>).await);
    assert!(matches!(err, ComputeError::TimedOut));
}

/// A function of `#[cached]`, and what goes with it.
async fn function(cache: &Cache, case: &mut Case) {
    let [id, tag, value] =
        ["an argument", "a tag of a function", "a function's value"].map(|it| case.text(it));
    let key: FunctionKey = case.show(zqx_vkw_cached_jyq_key(cache, &id, &tag, &value));
    for _ in 0..2 {
        assert_eq!(zqx_vkw_cached_jyq(cache, &id, &tag, &value).await.unwrap(), value);
    }
    assert_eq!(cache.get::<String>(key).await.unwrap(), Some(value.clone()));
    assert!(zqx_vkw_cached_jyq_invalidate(cache, &id, &tag, &value).await.unwrap());
    zqx_vkw_cached_jyq(cache, &id, &tag, &value).await.unwrap();
    let long = tag.repeat(11);
    case.refused(zqx_vkw_cached_jyq(cache, &id, &long, &value).await);
    let long = id.repeat(3_000);
    case.show(zqx_vkw_cached_jyq_key(cache, &long, &tag, &value));
    case.refused(zqx_vkw_cached_jyq(cache, &long, &tag, &value).await);
    case.refused(zqx_vkw_cached_jyq_invalidate(cache, &long, &tag, &value).await);
}

/// A function without a cache, which says so, and with the default one.
async fn default(cache: Cache, case: &mut Case) {
    let [id, value] = ["an argument", "a function's value"].map(|what| case.text(what));
    assert_eq!(by_default(&id, &value).await, value);
    set_default(cache.clone()).unwrap();
    let err = case.refused(set_default(cache));
    assert!(matches!(err, Error::Setting(SettingError::Default)));
    assert_eq!(by_default(&id, &value).await, value);
    assert!(by_default_invalidate(&id, &value).await.unwrap());
}

/// Keys, tags, values and lifetimes that are refused.
async fn refused(cache: &Cache, case: &mut Case) {
    let text = case.text("refused by a cache");
    let entry = || cache.entry(&text);
    let fine = || async { Ok::<_, Infallible>(text.clone()) };
    for err in [
        case.refused(cache.get::<String>((&text, 1.5)).await),
        case.refused(cache.set((&text, 1.5), text.clone()).await),
        case.refused(cache.delete((&text, 1.5)).await),
        case.refused(cache.exists((&text, 1.5)).await),
        case.refused(cache.get_many::<String>([(&text, 1.5)]).await),
        case.refused(cache.set_many([((&text, 1.5), text.clone())]).await),
        case.refused(cache.delete_many([(&text, 1.5)]).await),
        case.refused(cache.entry((&text, 1.5)).strict().get::<String>().await),
        case.refused(cache.invalidate_tag(&text.repeat(11)).await),
        case.refused(entry().tags([text.repeat(11)]).set(text.clone()).await),
        case.refused(entry().ttl(Duration::ZERO).set(text.clone()).await),
        case.refused(entry().stale(Duration::MAX).set(text.clone()).await),
    ] {
        assert!(matches!(err, Error::Key(_) | Error::Tag | Error::Ttl), "{err:?}");
    }
    for strict in [entry().tags([text.repeat(11)]).strict(), entry().ttl(Duration::ZERO).strict()] {
        case.refused(strict.get_or_compute(fine).await);
    }
    let Ok(_) = entry().tags([text.repeat(11)]).get_or_compute(fine).await;
    let Ok(_) = cache.get_or_compute((&text, 1.5), fine).await;
    case.outcome(cache.set(&text, text.repeat(3_000)).await); // too large for a store
    case.outcome(cache.set_many([(&text, text.repeat(3_000))]).await);
}

/// Settings that are refused: of a builder, and of variables with marks in them.
fn settings(masters: &[Master], backend: impl Backend, case: &mut Case) {
    for builder in [
        Cache::in_memory().ttl(Duration::ZERO),
        Cache::in_memory().jitter(2.0),
        Cache::in_memory().l1(0),
        Cache::in_memory().l1_mode(L1::Sealed),
    ] {
        case.refused(builder.build());
    }
    let text = case.text("a refused variable");
    let memory = || AnyBackend::new(MemoryBackend::new());
    let (key, long) = (masters[0].hex(), text.repeat(11));
    let (broken, garbled) = (format!("redis://u:{text}@"), format!("{text}\u{FFFD}"));
    let number = case.marks.number("a refused ttl").to_string();
    for (variable, bad) in [
        ("BLINDCACHE_MASTER_KEY", &text),
        ("BLINDCACHE_MASTER_KEY_FILE", &text),
        ("BLINDCACHE_TENANT", &long),
        ("BLINDCACHE_TENANT", &garbled),
        ("BLINDCACHE_NAMESPACE", &long),
        ("BLINDCACHE_NAMESPACE", &garbled),
        ("BLINDCACHE_TTL", &text),
        ("BLINDCACHE_TTL", &number),
    ] {
        case.refused(vars(Some(memory()), &[("BLINDCACHE_MASTER_KEY", &key), (variable, bad)]).map(drop));
    }
    for variable in ["BLINDCACHE_REDIS_URL", "CACHEKIT_REDIS_URL", "REDIS_URL"] {
        for bad in [&text, &broken, &garbled] {
            case.refused(vars(None, &[("BLINDCACHE_MASTER_KEY", &key), (variable, bad)]).map(drop));
        }
    }
    case.refused(vars(None, &[("BLINDCACHE_MASTER_KEY", &key), ("BLINDCACHE_TENANT", &text)]).map(drop));
    case.outcome(Cache::from_env());
    case.outcome(Cache::from_env_on(backend));
}

fn vars(backend: Option<AnyBackend>, variables: &[(&str, &str)]) -> Result<Builder, Error> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Builder::from_vars(backend, |name| variables.get(name).map(ToString::to_string))
}

/// Makes every call on a store that holds marked garbage under every name, of entries and of markers.
pub(crate) async fn over_garbage(server: &Server, backend: impl Backend + Clone, case: &mut Case) {
    let master = case.master("a key of a cache over garbage");
    let keys = Keyring::new(master.key()).unwrap();
    let store = store(backend, &keys, std::slice::from_ref(&master), case);
    let fresh = || Cache::builder(store.clone()).l1(0).marker_ttl(Duration::ZERO).build().unwrap();
    let [key, tag, value] = ["a key", "a tag", "a value"].map(|what| case.text(what));
    fresh().entry(&key).tags([&tag]).set(value.clone()).await.unwrap();
    fresh().invalidate_tag(&tag).await.unwrap();
    fresh().clear().await.unwrap();
    let good = fresh();
    good.entry(&key).tags([&tag]).set(value.clone()).await.unwrap();
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let names: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert!(names.len() >= 3);
    for name in names {
        redis::cmd("SET").arg(name).arg(case.text("garbage").repeat(10)).exec(&mut connection).unwrap();
    }
    let cache = fresh();
    case.outcome(cache.get::<String>(&key).await);
    case.refused(cache.entry(&key).tags([&tag]).strict().get::<String>().await);
    let computed = cache.entry(&key).tags([&tag]).strict();
    case.outcome(computed.get_or_compute(|| async { Ok::<_, Infallible>(value.clone()) }).await);
    every_call(&cache, case).await;
    assert!(case.show(cache.stats()).unreadable > 0);
}

/// Makes every call on a store that is down.
pub(crate) async fn failing(backend: impl Backend, case: &mut Case) {
    let master = case.master("a key of a failing cache");
    let keys = Keyring::new(master.key()).unwrap();
    let store = store(backend, &keys, std::slice::from_ref(&master), case);
    let cache = Cache::builder(store).l1(0).build().unwrap();
    let (all, failed) = every_call(&cache, case).await;
    assert_eq!(all, failed);
    let [id, tag, value] =
        ["an argument", "a tag of a function", "a function's value"].map(|it| case.text(it));
    case.refused(zqx_vkw_cached_jyq(&cache, &id, &tag, &value).await);
    case.refused(zqx_vkw_cached_jyq_invalidate(&cache, &id, &tag, &value).await);
    cache.close().await;
}
