//! Cloudflare's REST API for Workers KV, served by a Worker over a local namespace.

use std::time::Duration;

use blindcache::{CloudflareKvBackend, CloudflareKvBuilder, conformance::Expiry};
use serde_json::{Value, json};

use crate::{Certs, LIMIT, Remote, Store, Worker, WorkerScript};

pub const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub const NAMESPACE: &str = "0f2ac74b498b48028cb68387c421e279";
pub const TOKEN: &str = "token-of-a-test-Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY";

/// The API with one account and one namespace of it.
pub struct Cloudflare(pub Worker);

impl Cloudflare {
    /// Takes any number of requests.
    pub fn start() -> Self {
        Self::with(0, Duration::ZERO, None)
    }

    /// The same over TLS.
    pub fn with_tls(certs: Certs) -> Self {
        Self::with(0, Duration::ZERO, Some(certs))
    }

    /// Takes so many requests in a window of whole seconds, and after more of them none for as long.
    pub fn with_limit(requests: u32, window: Duration) -> Self {
        Self::with(requests, window, None)
    }

    /// With these ids and this token; any number of requests.
    pub fn of(account: &str, namespace: &str, token: &str, certs: Option<Certs>) -> Self {
        let bindings = json!({ "ACCOUNT": account, "NAMESPACE": namespace, "TOKEN": token, "LIMIT": 0 });
        Self::bound_to(bindings, certs)
    }

    /// Takes requests with bodies of at most so many bytes.
    pub fn with_largest_body(bytes: usize) -> Self {
        let ids =
            json!({ "ACCOUNT": ACCOUNT, "NAMESPACE": NAMESPACE, "TOKEN": TOKEN, "LIMIT": 0, "BODY": bytes });
        Self::bound_to(ids, None)
    }

    /// Over the namespace of a Worker, in its place.
    pub fn in_place_of(worker: Worker) -> Self {
        let bindings = json!({ "ACCOUNT": ACCOUNT, "NAMESPACE": NAMESPACE, "TOKEN": TOKEN, "LIMIT": 0 });
        Self(worker.replaced_by(script(bindings, None)))
    }

    fn with(requests: u32, window: Duration, certs: Option<Certs>) -> Self {
        let bindings = json!({
            "ACCOUNT": ACCOUNT,
            "NAMESPACE": NAMESPACE,
            "TOKEN": TOKEN,
            "LIMIT": requests,
            "WINDOW": window.as_secs(),
        });
        Self::bound_to(bindings, certs)
    }

    fn bound_to(bindings: Value, certs: Option<Certs>) -> Self {
        Self(Worker::start(script(bindings, certs)))
    }

    /// A backend for what listens on this port.
    pub fn builder(port: u16) -> CloudflareKvBuilder {
        let url = format!("http://127.0.0.1:{port}/client/v4");
        CloudflareKvBackend::builder(ACCOUNT, NAMESPACE, TOKEN).base_url(&url)
    }

    /// The names that there are, and when each expires, in Unix seconds.
    pub async fn expirations(&self) -> Vec<(String, Option<u64>)> {
        let path = format!("/client/v4/accounts/{ACCOUNT}/storage/kv/namespaces/{NAMESPACE}/keys");
        let (_, body) = self.0.ask("GET", &path, TOKEN, b"").await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let keys = body["result"].as_array().unwrap().iter();
        keys.map(|key| (key["name"].as_str().unwrap().into(), key["expiration"].as_u64())).collect()
    }
}

fn script(bindings: Value, certs: Option<Certs>) -> WorkerScript {
    WorkerScript { path: "tests/servers/workers/cloudflare.mjs", namespace: "KV", bindings, certs }
}

impl Store for Cloudflare {
    type Backend = CloudflareKvBackend;

    const NAME: &'static str = "cloudflare-kv";
    const EXPIRY: Expiry = Expiry::AtLeast(CloudflareKvBackend::SHORTEST_TTL);

    async fn start() -> Self {
        tokio::task::spawn_blocking(Cloudflare::start).await.unwrap()
    }

    fn backend(&self) -> CloudflareKvBackend {
        Self::builder(self.0.port).timeout(Duration::from_secs(30)).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        self.0.contents()
    }
}

impl Remote for Cloudflare {
    fn port(&self) -> u16 {
        self.0.port
    }

    fn impatient(&self, port: u16) -> CloudflareKvBackend {
        Self::builder(port).timeout(LIMIT).build().unwrap()
    }

    async fn stop(&mut self) {
        self.0.stop();
    }

    async fn start_again(&mut self) {
        self.0.start_again();
    }
}
