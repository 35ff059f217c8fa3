use std::{collections::HashMap, sync::Arc};

use super::*;
use crate::backend::MemoryBackend;

const KEY: (&str, &str) =
    ("BLINDCACHE_MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

fn lookup<'a>(variables: &[(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + use<'a> {
    let variables: HashMap<&str, &str> = variables.iter().copied().chain([KEY]).collect();
    move |name| variables.get(name).map(ToString::to_string)
}

fn over(backend: &Arc<MemoryBackend>, variables: &[(&str, &str)]) -> Result<Builder, Error> {
    Builder::from_vars(Some(AnyBackend::new(backend.clone())), lookup(variables))
}

/// Why settings over a backend are refused: the variable, and the reason.
fn refusal(variables: &[(&str, &str)]) -> (&'static str, Error) {
    refusal_of(over(&Arc::default(), variables).and_then(Builder::build))
}

fn refusal_of(cache: Result<Cache, Error>) -> (&'static str, Error) {
    match cache {
        Err(Error::Setting(SettingError::Variable { variable, source })) => (variable, *source),
        other => panic!("not refused as a variable: {other:?}"),
    }
}

/// What a tenant and namespace read of a store.
async fn read(backend: &Arc<MemoryBackend>, tenant: &str, namespace: &str) -> Option<u32> {
    let keys = Keyring::from_vars(lookup(&[])).unwrap().tenant(tenant).unwrap();
    let store = EncryptedBackend::new(backend.clone(), keys).namespace(namespace).unwrap();
    store.get("key").await.unwrap()
}

#[tokio::test]
async fn the_tenant_is_default_and_the_namespace_empty_unless_they_are_set() {
    let backend = Arc::default();
    let cache = over(&backend, &[("BLINDCACHE_TENANT", ""), ("BLINDCACHE_NAMESPACE", " ")]).unwrap();
    cache.build().unwrap().set("key", 1_u32).await.unwrap();
    assert_eq!(read(&backend, "default", "").await, Some(1));

    let backend = Arc::default();
    let cache = over(&backend, &[("BLINDCACHE_TENANT", "acme\n"), ("BLINDCACHE_NAMESPACE", "users")]);
    cache.unwrap().build().unwrap().set("key", 2_u32).await.unwrap();
    assert_eq!(read(&backend, "acme", "users").await, Some(2));
    assert_eq!(read(&backend, "default", "").await, None);
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn the_ttl_is_that_of_the_environment_else_five_minutes() {
    for (text, millis) in [("90s", 90_000), ("1500ms", 1_500), ("600", 600_000), ("", 300_000)] {
        let clock = crate::testing::Clock::at(1_700_000_000_000);
        let builder = over(&Arc::default(), &[("BLINDCACHE_TTL", text)]).unwrap();
        let cache = builder.clock(&clock).build().unwrap();
        cache.set("key", 1_u32).await.unwrap();
        clock.advance(Duration::from_millis(millis - 1));
        assert_eq!(cache.get("key").await.unwrap(), Some(1_u32), "{text}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.get::<u32>("key").await.unwrap(), None, "{text}");
    }
}

#[test]
fn durations_have_a_unit_or_are_seconds() {
    let cases = [
        ("500ms", 500),
        ("7", 7_000),
        ("7s", 7_000),
        ("10m", 600_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
    ];
    for (text, millis) in cases {
        assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
    }
    for text in
        ["", "m", "ten", "1.5h", "-1s", "+1", "1 m", "1M", "1min", "99999999999999999999s", "300000000000d"]
    {
        assert!(matches!(duration(text), Err(SettingError::Duration)), "{text}");
    }
}

#[test]
fn a_refused_setting_names_its_variable_and_is_not_echoed() {
    let long = "hunter2".repeat(40);
    for (name, text) in [
        ("BLINDCACHE_TENANT", &long[..]),
        ("BLINDCACHE_TENANT", "hunter2\u{FFFD}"),
        ("BLINDCACHE_NAMESPACE", &long[..]),
        ("BLINDCACHE_TTL", "hunter2"),
    ] {
        let (variable, source) = refusal(&[(name, text)]);
        assert_eq!(variable, name);
        assert!(matches!(source, Error::Setting(_)), "{source:?}");
        assert!(!format!("{source:?} {source}").contains("hunter2"));
    }
}

#[test]
fn a_ttl_that_no_cache_could_go_by_is_refused_by_its_name() {
    for text in ["0", "0ms", "31d", "200000000000d"] {
        assert!(matches!(refusal(&[("BLINDCACHE_TTL", text)]), ("BLINDCACHE_TTL", Error::Ttl)), "{text}");
    }
}

#[test]
fn without_a_key_there_is_no_cache() {
    let cache = Builder::from_vars(Some(AnyBackend::new(MemoryBackend::new())), |_| None);
    let Err(Error::Setting(SettingError::Missing { variable, .. })) = cache.map(drop) else { panic!() };
    assert_eq!(variable, "BLINDCACHE_MASTER_KEY");
}

#[cfg(feature = "redis")]
#[test]
fn the_first_redis_that_is_named_is_taken() {
    let names = ["BLINDCACHE_REDIS_URL", "CACHEKIT_REDIS_URL", "REDIS_URL"];
    for first in 0..names.len() {
        // The refusal tells which one was looked at.
        let variables: Vec<(&str, &str)> =
            names[first..].iter().map(|name| (*name, "http://x:hunter2@y")).collect();
        let (variable, source) =
            refusal_of(Builder::from_vars(None, lookup(&variables)).and_then(Builder::build));
        assert_eq!(variable, names[first]);
        assert!(matches!(source, Error::Backend(_)));
        assert!(!format!("{source:?} {source}").contains("hunter2"));
    }
    let cache = Builder::from_vars(None, lookup(&[("REDIS_URL", "redis://127.0.0.1:1")])).unwrap();
    assert!(format!("{:?}", cache.build().unwrap()).contains("redis"));
    let cache = Builder::from_vars(None, lookup(&[])).map(drop);
    let Err(Error::Setting(SettingError::Missing { variable, .. })) = cache else { panic!() };
    assert_eq!(variable, "BLINDCACHE_REDIS_URL");
}

#[test]
fn a_backend_that_is_given_comes_before_any_redis() {
    let cache = over(&Arc::default(), &[("BLINDCACHE_REDIS_URL", "not looked at")]).unwrap();
    assert!(format!("{:?}", cache.build().unwrap()).contains("memory"));
}

#[cfg(not(feature = "redis"))]
#[test]
fn without_redis_a_backend_must_be_given() {
    let cache = Builder::from_vars(None, lookup(&[("REDIS_URL", "redis://127.0.0.1:1")])).map(drop);
    assert!(matches!(cache, Err(Error::Setting(SettingError::NoBackend))));
}
