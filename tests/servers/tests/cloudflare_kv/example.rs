//! The Worker of `examples/cloudflare-worker`, which serves the contract of `HttpBackend` from KV.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, HttpBackend, conformance::Expiry};
use blindcache_server_tests::{Cloudflare, Store, Worker, WorkerScript, entry, in_time, key};
use serde_json::json;

use crate::limits::expire_after;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The Worker, with a secret.
struct Example(Worker);

impl Example {
    fn with_token(token: &str) -> Self {
        Self(Worker::start(WorkerScript {
            path: "examples/cloudflare-worker/worker.js",
            namespace: "CACHE",
            bindings: json!({ "TOKEN": token }),
            certs: None,
        }))
    }

    fn with(&self, authorization: &str) -> HttpBackend {
        let builder = HttpBackend::builder(&self.0.url()).timeout(Duration::from_secs(30));
        builder.header("authorization", authorization).build().unwrap()
    }
}

impl Store for Example {
    type Backend = HttpBackend;

    const NAME: &'static str = "http";
    const EXPIRY: Expiry = Expiry::AtLeast(Duration::from_secs(60));

    async fn start() -> Self {
        tokio::task::spawn_blocking(|| Self::with_token(TOKEN)).await.unwrap()
    }

    fn backend(&self) -> HttpBackend {
        self.with(&format!("Bearer {TOKEN}"))
    }

    async fn contents(&self) -> Vec<u8> {
        self.0.contents()
    }
}

blindcache_server_tests::suite!(Example);

#[tokio::test]
async fn nobody_is_let_in_without_the_token() {
    let example = Example::with_token(TOKEN);
    example.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    for wrong in ["", "Bearer", "Bearer 0123456789abcdef0123456789abcdeF", &format!("Basic {TOKEN}"), TOKEN] {
        let backend = example.with(wrong);
        assert_eq!(in_time(backend.get(&key(1))).await.unwrap_err().kind(), Kind::Denied, "{wrong}");
        assert_eq!(in_time(backend.delete(&key(1))).await.unwrap_err().kind(), Kind::Denied, "{wrong}");
        let set = in_time(backend.set(&key(1), entry(2, 200), None)).await;
        assert_eq!(set.unwrap_err().kind(), Kind::Denied, "{wrong}");
    }
    assert_eq!(example.backend().get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

#[tokio::test]
async fn worker_without_a_real_token_lets_nobody_in() {
    for token in ["", "short"] {
        let example = Example::with_token(token);
        for given in ["", "Bearer", "Bearer ", &format!("Bearer {token}"), "Bearer undefined"] {
            let denied = in_time(example.with(given).ping()).await.unwrap_err();
            assert_eq!(denied.kind(), Kind::Denied, "{given}");
        }
    }
}

#[tokio::test]
async fn only_blinded_names_and_sealed_entries_are_taken() {
    let example = Example::with_token(TOKEN);
    let name = key(1).as_str().to_owned();
    let sealed = entry(1, 116).as_bytes().to_vec();
    let put = async |path: &str, body: &[u8]| example.0.ask("PUT", path, TOKEN, body).await.0;
    for path in [
        "/".into(),
        format!("/{name}"),
        "/cache/".into(),
        "/cache/user:42:ssn".into(),
        format!("/cache/{}", &name[1..]),
        format!("/cache/{}b", &name[..54]), // no 256 bits end so
        format!("/cache/{name}/more"),
        format!("/cache/a%2Fb{name}"),
        format!("/cache/%FF{name}"),
        format!("/cache/{}{name}", "p".repeat(65)),
        format!("/cache/{}", name.to_uppercase()),
    ] {
        assert_eq!(put(&path, &sealed).await, 400, "{path}");
    }
    let path = format!("/cache/{name}");
    let mut version = sealed.clone();
    version[3] = 2;
    for body in [&b""[..], b"plaintext", &[b'a'; 200], &sealed[..115], &version] {
        assert_eq!(put(&path, body).await, 422, "{}", body.escape_ascii());
    }
    for ttl in ["-1", "1.5", "soon", "", "60s", "1e3", "%2060"] {
        assert_eq!(put(&format!("{path}?ttl={ttl}"), &sealed).await, 400, "{ttl}");
    }
    assert_eq!(example.0.ask("POST", &path, TOKEN, &sealed).await.0, 405);
    assert!(!example.backend().exists(&key(1)).await.unwrap());
    for ttl in ["0", "1", "60", "99999999999999999999"] {
        assert_eq!(put(&format!("{path}?ttl={ttl}"), &sealed).await, 204, "{ttl}");
    }
    assert_eq!(put(&format!("/cache/app%3Av1.{name}"), &sealed).await, 204);
}

#[tokio::test]
async fn ttl_reaches_the_namespace_within_its_limits() {
    let example = Example::with_token(TOKEN);
    let backend = example.backend();
    let ttls = [
        (1, Some(Duration::from_millis(1)), Some(60)),
        (2, Some(Duration::from_millis(90_001)), Some(91)),
        (3, Some(Duration::MAX), Some(3_650 * 24 * 3_600)),
        (4, None, None),
    ];
    for (number, ttl, _) in ttls {
        backend.set(&key(number), entry(number, 200), ttl).await.unwrap();
    }
    let server = tokio::task::spawn_blocking(|| Cloudflare::in_place_of(example.0)).await.unwrap();
    expire_after(&server, &ttls.map(|(number, _, expected)| (number, expected))).await;
}

#[tokio::test]
async fn largest_entry_of_kv_passes_and_a_larger_one_takes_the_older_along() {
    let example = Example::with_token(TOKEN);
    let backend = example.backend();
    let largest = 25 << 20;
    backend.set(&key(1), entry(1, largest), None).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().unwrap() == entry(1, largest).as_bytes());
    let err = backend.set(&key(1), entry(1, largest + 1), None).await.unwrap_err();
    assert_eq!(err.kind(), Kind::TooLarge);
    assert!(!backend.exists(&key(1)).await.unwrap());
}
