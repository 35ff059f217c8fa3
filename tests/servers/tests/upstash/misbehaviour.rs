//! One row of a table: what the caller saw of a store that does not do as it should, and that it got well by itself.

use std::time::{Duration, Instant};

use blindcache::{Backend, BackendErrorKind as Kind, UpstashBackend};
use blindcache_server_tests::{
    Fault, LIMIT, Proxy, Remote, entry, healed, key, until,
    upstash::{Instead, Upstash},
};

use crate::{error, held};

/// What a `get` ends with, and that it does so within its limit and some time for a busy machine.
async fn seen(backend: &UpstashBackend) -> Kind {
    let started = Instant::now();
    let kind = error(backend.get(&key(1))).await.kind();
    assert!(started.elapsed() < LIMIT + Duration::from_secs(3), "{:?}", started.elapsed());
    kind
}

/// The backend gives the entry again, without having been made anew.
async fn recovers(backend: &UpstashBackend) {
    healed(backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

fn raw(body: &'static str) -> Instead {
    Instead::Answer { status: 200, headers: vec![], body: body.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaving_store_is_an_error_or_a_miss_and_nothing_worse() {
    let mut upstash = Upstash::start();
    let backend = upstash.impatient(upstash.port());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let mut row = vec!["upstash".to_owned()];

    // Down: what Redis held is lost with it.
    upstash.stop().await;
    row.push(format!("down: {:?}", seen(&backend).await));
    assert_eq!(seen(&backend).await, Kind::Transient);
    upstash.start_again().await;
    healed(&backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();

    // Hung: it takes requests and says nothing; or the network does so.
    upstash.answers_always(Instead::Silence);
    row.push(format!("hung: {:?}", seen(&backend).await));
    assert_eq!(seen(&backend).await, Kind::Timeout);
    upstash.answers_well();
    recovers(&backend).await;
    let proxy = Proxy::start(upstash.port()).await;
    let behind = upstash.impatient(proxy.port);
    recovers(&behind).await;
    proxy.set(Fault::BlackHole);
    assert_eq!(seen(&behind).await, Kind::Timeout);
    proxy.set(Fault::None);
    recovers(&behind).await;

    // Throttling.
    let headers = vec![("retry-after", "2".to_owned())];
    let body = br#"{"error":"ERR max requests limit exceeded"}"#.to_vec();
    upstash.answers_always(Instead::Answer { status: 429, headers, body });
    let err = error(backend.get(&key(1))).await;
    assert_eq!((err.kind(), err.retry_after()), (Kind::Throttled, Some(Duration::from_secs(2))));
    row.push(format!("throttling: {:?}, retry after 2 s", err.kind()));
    upstash.answers_well();
    recovers(&backend).await;

    // Lying about `exists`: believed, and of no consequence, since a get says what is there.
    upstash.answers(|seen| seen.head.uri.path().starts_with("/exists").then(|| raw(":1\r\n")));
    assert!(backend.exists(&key(9)).await.unwrap());
    assert_eq!(backend.get(&key(9)).await.unwrap(), None);
    upstash.answers(|seen| seen.head.uri.path().starts_with("/exists").then(|| raw(":7\r\n")));
    row.push(format!(
        "lying about exists: miss; nonsense: {:?}",
        error(backend.exists(&key(1))).await.kind()
    ));
    assert_eq!(error(backend.exists(&key(1))).await.kind(), Kind::Rejected);
    upstash.answers_well();

    row.push(format!("ignoring ttl: {}", ignored_ttl(&upstash).await));

    // Garbage.
    upstash.answers_always(raw("\0 garbage"));
    row.push(format!("garbage: {:?}", seen(&backend).await));
    assert_eq!(seen(&backend).await, Kind::Rejected);
    upstash.answers_well();
    recovers(&backend).await;

    println!("| {} |", row.join(" | "));
}

/// An entry that the store keeps beyond its ttl is a miss by the expiry within the seal.
async fn ignored_ttl(upstash: &Upstash) -> &'static str {
    use blindcache::{EncryptedBackend, Keyring, MasterKey};

    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let boundary = EncryptedBackend::new(upstash.impatient(upstash.port()), keys.tenant("acme").unwrap());
    boundary.set("a", &1_u8, Some(Duration::from_secs(2))).await.unwrap();
    let names: Vec<String> = upstash.redis.admin(&["KEYS", "b1.*"]);
    let own = names.iter().find(|name| *name != key(1).as_str()).unwrap();
    assert_eq!(upstash.redis.admin::<i64>(&["PERSIST", own]), 1); // the store forgets when it was to forget
    until("it expires", async || boundary.get::<u8>("a").await.unwrap().is_none()).await;
    assert!(held(upstash, own).is_some());
    "miss"
}
