//! No label, span or event names a logical key, a tenant, a namespace, a tag or a value.

use blindcache::{Cache, EncryptedBackend};
use metrics_util::debugging::DebuggingRecorder;

use super::{
    listener::Listener,
    same::emitted,
    store::{World, secs, settle},
};

/// Stands in every key, tenant, namespace, tag, value and error of the application.
const MARK: &str = "hunter2";

fn marked(what: &str) -> String {
    format!("{what}-{MARK}")
}

/// Makes every call there is, on a store that is well, one that holds plaintext, and one that fails.
pub(super) async fn everything(world: &World, tenant: &str) -> Cache {
    let store = world.store.clone();
    let acme = EncryptedBackend::new(store, world.tenant(tenant)).clock(&world.clock);
    let acme = acme.namespace(&marked("namespace")).unwrap();
    let cache = Cache::builder(acme).ttl(secs(10)).stale(secs(60)).build().unwrap();
    calls(&cache).await;
    let _ = cache.get_or_refresh(marked("stale"), || async { Ok::<_, ()>(marked("value")) }).await;
    world.pass(secs(20)).await;
    let _ = cache.get_or_refresh(marked("stale"), || async { Err::<String, _>(marked("error")) }).await;
    calls(&cache).await;
    world.store.plant_everywhere(marked("plaintext").as_bytes());
    world.pass(secs(100)).await;
    calls(&cache).await;
    world.store.fail();
    world.pass(secs(100)).await;
    calls(&cache).await;
    world.store.recover();
    cache.close().await;
    cache
}

async fn calls(cache: &Cache) {
    let (key, value) = (marked("key"), marked("value"));
    let compute = || async { Ok::<_, String>(marked("computed")) };
    let fail = || async { Err::<String, _>(marked("error")) };
    let _ = cache.get::<String>(&key).await;
    let _ = cache.get_or_compute(&key, fail).await;
    let _ = tokio::join!(cache.get_or_compute(&key, compute), cache.get_or_compute(&key, compute));
    let _ = cache.get_or_refresh(&key, fail).await;
    settle().await;
    let _ = cache.refresh(&key, compute).await;
    let _ = cache.get::<u64>(&key).await;
    let _ = cache.set(("user", &key), value.clone()).await;
    let _ = cache.entry((&key, 1)).tags([marked("tag")]).set(value.clone()).await;
    let _ = cache.entry((&key, 1)).strict().get::<String>().await;
    let _ = cache.entry((&key, 2)).strict().get_or_compute(compute).await;
    let _ = cache.get_or_compute((&key, 1.5), compute).await;
    let _ = cache.exists(("user", &key)).await;
    let _ = cache.set_many([(marked("a"), value.clone()), (marked("b"), value.clone())]).await;
    let _ = cache.get_many::<String>([marked("a"), marked("c")]).await;
    let pairs = |missing: Vec<String>| async {
        Ok::<_, String>(missing.into_iter().map(|key| (key, marked("many"))))
    };
    let _ = cache.get_or_compute_many([marked("a"), marked("d")], pairs).await;
    let _ = cache.delete_many([marked("a"), marked("b")]).await;
    let _ = cache.invalidate_tag(&marked("tag")).await;
    let _ = cache.get::<String>((&key, 1)).await;
    let _ = cache.delete(&key).await;
    let _ = cache.clear().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_that_can_be_watched_names_a_key_a_tenant_or_a_value() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (listener, _listening) = Listener::start();
    let cache = everything(&World::new(), &marked("tenant")).await;
    let metrics = format!("{:?}", emitted(&recorder.snapshotter()));
    for (what, text) in [
        ("metrics", metrics),
        ("spans and events", listener.text()),
        ("stats", format!("{:?}", cache.stats())),
    ] {
        assert!(text.len() > 1_000, "hardly any {what}: {text}");
        assert!(!text.contains(MARK), "{what} name what they must not: {text}");
    }
    assert!(listener.events().len() > 10);
    let operations = cache.stats().requests.iter().map(|requests| requests.operation).collect::<Vec<_>>();
    for operation in
        ["get", "set", "delete", "exists", "get_many", "set_many", "delete_many", "get_or_compute"]
    {
        assert!(operations.contains(&operation), "{operation}");
    }
    for operation in
        ["get_or_compute_many", "get_or_refresh", "refresh", "background_refresh", "invalidate_tag", "clear"]
    {
        assert!(operations.contains(&operation), "{operation}");
    }
}

/// The control: what is said is heard, in each place.
#[test]
fn a_planted_mark_is_found() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    metrics::counter!("planted", "key" => marked("key")).increment(1);
    assert!(format!("{:?}", emitted(&recorder.snapshotter())).contains(MARK));

    for plant in [
        || drop(tracing::trace_span!("planted", key = marked("key"))),
        || {
            tracing::trace_span!("planted", key = tracing::field::Empty).record("key", marked("key"));
        },
        || tracing::trace!(key = marked("key")),
        || tracing::trace!("{}", marked("key")),
    ] {
        let (listener, _listening) = Listener::start();
        assert!(!listener.text().contains(MARK));
        plant();
        assert!(listener.text().contains(MARK));
    }
}
