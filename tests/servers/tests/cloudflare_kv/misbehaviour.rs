//! What a caller sees of a store that misbehaves: one row of a table, and that it passes without a restart.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use blindcache::{
    Backend, BackendErrorKind as Kind, CloudflareKvBackend, EncryptedBackend, Keyring, MasterKey,
    testing::Clock,
};
use blindcache_server_tests::{
    Asked, Cloudflare, Fault, HttpFake, LIMIT, Proxy, Remote, Said, Store, entry, healed, in_time, key,
};

use crate::{kind, kinds, refusal, success};

#[tokio::test]
async fn misbehaving_store_is_a_typed_error_or_a_miss() {
    let row = [
        down().await,
        hung().await,
        throttling().await,
        lying().await,
        ignoring_ttl().await,
        garbage().await,
    ];
    println!("| `cloudflare-kv` | {} |", row.join(" | "));
}

/// Each method's call ends with this kind.
async fn all(backend: &impl Backend, expected: Kind) {
    assert_eq!(kinds(backend).await, [Err(expected); 8]);
}

async fn down() -> String {
    let mut server = <Cloudflare as Store>::start().await;
    let backend = server.impatient(server.port());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    server.stop().await;
    all(&backend, Kind::Transient).await;
    server.start_again().await;
    healed(&backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
    "`Transient`, at once".into()
}

async fn hung() -> String {
    let server = <Cloudflare as Store>::start().await;
    let proxy = Proxy::start(server.port()).await;
    let backend = server.impatient(proxy.port);
    backend.ping().await.unwrap();
    proxy.set(Fault::BlackHole);
    let start = std::time::Instant::now();
    assert_eq!(kind(backend.delete(&key(1))).await, Err(Kind::Timeout));
    assert!(start.elapsed() < LIMIT * 4, "{:?}", start.elapsed());
    all(&backend, Kind::Timeout).await;
    proxy.set(Fault::None);
    healed(&backend).await;
    "`Timeout`, at its limit".into()
}

type Answer = Box<dyn Fn(&Asked) -> Said + Send>;

/// A server that answers as it was told last.
async fn told(
    first: impl Fn(&Asked) -> Said + Send + 'static,
) -> (HttpFake, CloudflareKvBackend, Arc<Mutex<Answer>>) {
    let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(first)));
    let says = answer.clone();
    let fake = HttpFake::start(move |asked| says.lock().unwrap()(asked)).await;
    let backend = Cloudflare::builder(fake.port).timeout(LIMIT).build().unwrap();
    (fake, backend, answer)
}

async fn throttling() -> String {
    let (_fake, backend, answer) = told(|_| Said::answer(429, "retry-after: 1\r\n", "")).await;
    all(&backend, Kind::Throttled).await;
    *answer.lock().unwrap() = Box::new(|_| success("null"));
    all(&backend, Kind::Throttled).await; // not asked
    healed(&backend).await;
    "`Throttled` with `retry_after`, and not asked until then".into()
}

/// It says that there is what is not, and the other way round.
async fn lying() -> String {
    let (fake, backend, answer) = told(|asked| match asked.path.contains("/metadata/") {
        true => success("null"),
        false if asked.method == "GET" => refusal(404, 10_009),
        false => success("null"),
    })
    .await;
    let boundary = boundary(backend.clone());
    assert!(backend.exists(&key(1)).await.unwrap());
    assert_eq!(boundary.get::<String>("user").await.unwrap(), None);
    *answer.lock().unwrap() = Box::new(|asked| match asked.path.contains("/metadata/") {
        true => refusal(404, 10_009),
        false => success("null"),
    });
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(fake.asked().last().unwrap().method, "DELETE");
    "the lie; `get` is a miss, and `delete` deletes all the same".into()
}

async fn ignoring_ttl() -> String {
    let server = <Cloudflare as Store>::start().await;
    let clock = Clock::at(1_800_000_000_000);
    let boundary = boundary(server.backend()).clock(&clock);
    boundary.set("user", "Ada", Duration::from_secs(1)).await.unwrap();
    assert_eq!(boundary.get::<String>("user").await.unwrap().as_deref(), Some("Ada"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(boundary.get::<String>("user").await.unwrap(), None);
    // It is there still: KV keeps it for a minute.
    let names: Vec<_> = server.expirations().await;
    assert_eq!(names.len(), 1);
    "a miss: the sealed expiry decides".into()
}

async fn garbage() -> String {
    let (_fake, backend, answer) = told(|_| Said::Bytes(b"\0\xFFhunter2\r\n\r\n".into())).await;
    all(&backend, Kind::Rejected).await;
    *answer.lock().unwrap() = Box::new(|_| Said::answer(200, "", "hunter2"));
    let boundary = boundary(backend.clone());
    let unreadable = in_time(boundary.get::<String>("user")).await.unwrap_err();
    assert!(matches!(unreadable, blindcache::Error::Unreadable(_)));
    assert_eq!(kind(backend.exists(&key(1))).await, Err(Kind::Rejected));
    *answer.lock().unwrap() = Box::new(|_| success("null"));
    healed(&backend).await;
    "`Rejected`; in place of an entry `Unreadable`, a miss to `Cache`".into()
}

fn boundary(backend: CloudflareKvBackend) -> EncryptedBackend<CloudflareKvBackend> {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    EncryptedBackend::new(backend, keys.tenant("acme").unwrap())
}
