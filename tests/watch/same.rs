//! The feature `metrics` gives what `Cache::stats` gives.

use std::collections::BTreeMap;

use blindcache::{BackendExt, BreakerState, Cache, EncryptedBackend, Stats};
use metrics::Unit;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::{
    canary::everything,
    store::{World, ms},
};

/// Names with labels, and values; a histogram gives how many there were, and their sum in seconds.
pub(super) fn emitted(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.key().name(), labels.join(" "));
        match value {
            DebugValue::Counter(count) => drop(all.insert(name, count as f64)),
            DebugValue::Gauge(value) => drop(all.insert(name, value.into_inner())),
            DebugValue::Histogram(values) => {
                all.insert(format!("{name} count"), values.len() as f64);
                all.insert(format!("{name} sum"), values.iter().map(|value| value.into_inner()).sum());
            }
        }
    }
    all.retain(|_, value| *value != 0.0);
    all
}

/// The same of what the cache itself counts.
fn counted(stats: &Stats, backend: &str) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, labels: &str, value: f64| {
        all.insert(format!("blindcache_{name} backend={backend}{labels}"), value);
    };
    for requests in &stats.requests {
        let labels = format!(" operation={} outcome={}", requests.operation, requests.outcome);
        put("requests_total", &labels, requests.count as f64);
        put("call_duration_seconds", &format!("{labels} count"), requests.timed as f64);
        put("call_duration_seconds", &format!("{labels} sum"), requests.time.as_secs_f64());
    }
    for (reason, count) in &stats.unreadable_by_reason {
        put("unreadable_total", &format!(" reason={reason}"), *count as f64);
    }
    for (reason, count) in &stats.troubles_by_reason {
        put("troubles_total", &format!(" reason={reason}"), *count as f64);
    }
    for (key, count) in &stats.opened {
        put("opened_total", &format!(" key_id={}", key.unwrap()), *count as f64);
    }
    put("waits_total", "", stats.waits as f64);
    put("l1_entries", "", stats.l1_entries as f64);
    put("l1_bytes", "", stats.l1_bytes as f64);
    let breaker = stats.breaker.map_or(0.0, |state| match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    });
    put("breaker_state", "", breaker);
    all.retain(|_, value| *value != 0.0);
    all
}

fn assert_same(emitted: &BTreeMap<String, f64>, counted: &BTreeMap<String, f64>) {
    let names = |all: &BTreeMap<String, f64>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(emitted), names(counted));
    for (name, value) in emitted {
        assert!(
            (value - counted[name]).abs() < 1e-6,
            "{name}: {value}, and the cache says {}",
            counted[name]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_are_the_numbers_of_stats() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    world.store.delay(ms(3));
    let cache = everything(&world, "acme").await;
    let stats = cache.stats();
    let emitted = emitted(&recorder.snapshotter());
    assert_same(&emitted, &counted(&stats, "test"));
    for (name, least) in
        [("requests_total", 20), ("unreadable_total", 1), ("troubles_total", 1), ("opened_total", 1)]
    {
        let count = emitted.keys().filter(|key| key.contains(name)).count();
        assert!(count >= least, "only {count} of {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_breaker_is_a_gauge() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let store = world.store.clone().breaker().open_for(ms(100)).unwrap();
    let cache = Cache::builder(EncryptedBackend::new(store, world.tenant("acme"))).l1(0).build().unwrap();
    let gauge = || emitted(&recorder.snapshotter()).get("blindcache_breaker_state backend=test").copied();
    world.store.fail();
    let _ = cache.get::<i32>("k").await;
    assert_eq!(gauge(), Some(2.0));
    tokio::time::advance(ms(100)).await;
    world.store.hang("get_many"); // with the marker of the namespace
    let (probe, again) = (cache.get::<i32>("k"), tokio::task::yield_now());
    tokio::select! { biased; _ = probe => panic!(), () = again => {} }
    assert_eq!(gauge(), Some(1.0));
    world.store.recover();
    tokio::time::advance(ms(100)).await;
    cache.get::<i32>("k").await.unwrap();
    assert_eq!(gauge(), None, "0: closed");
}

#[tokio::test]
async fn memory_of_a_cache_that_is_gone_counts_no_more_and_caches_add_up() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let (one, two) = (world.cache(), world.cache());
    one.set_many([("a", 1), ("b", 2)]).await.unwrap();
    two.set("a", 1).await.unwrap();
    drop(one);
    assert_eq!(emitted(&recorder.snapshotter())["blindcache_l1_entries backend=test"], 1.0);
}

#[tokio::test]
async fn every_metric_is_described() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let store = world.store.clone().breaker();
    let cache = Cache::builder(EncryptedBackend::new(store, world.tenant("acme"))).build().unwrap();
    cache.set("k", 1).await.unwrap();
    let mut names = BTreeMap::new();
    for (key, unit, description, _) in recorder.snapshotter().snapshot().into_vec() {
        assert!(description.is_some(), "{key:?}");
        names.insert(key.key().name().to_owned(), unit);
    }
    for (name, unit) in names {
        let unit_of_name = match name.rsplit('_').next().unwrap() {
            "seconds" => Some(Unit::Seconds),
            "bytes" => Some(Unit::Bytes),
            "state" => None,
            _ => Some(Unit::Count),
        };
        assert_eq!(unit, unit_of_name, "{name}");
    }
}
