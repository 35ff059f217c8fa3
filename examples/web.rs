//! A web page that takes a second to compute, cached for each tenant.
//!
//!     cargo run --example web             http://127.0.0.1:8080/acme/report
//!     cargo run --example web -- --demo   asks itself a few times, and ends
//!
//! Without `REDIS_URL` the store is in memory. `/metrics` tells what the cache has done, in Prometheus's text form; with the
//! feature `metrics` the same numbers go to whatever recorder the application has.

use std::{env, error::Error, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use blindcache::{AnyBackend, Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend, Requests};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

/// What the handlers share.
#[derive(Clone)]
struct App {
    cache: Cache,
    keys: Arc<Keyring>,
}

impl App {
    fn new() -> Result<Self, Box<dyn Error>> {
        // In production: Keyring::from_env(). What this key sealed, no later run can read.
        let keys = Arc::new(Keyring::new(MasterKey::generate()?)?);
        let store = EncryptedBackend::new(store()?, keys.tenant("nobody")?).namespace("reports")?;
        let cache = Cache::builder(store)
            .ttl(Duration::from_secs(60))
            .stale(Duration::from_secs(3600))
            .soft_timeout(Duration::from_secs(2))
            .build()?;
        Ok(Self { cache, keys })
    }

    /// The tenant stands in the URL, so whoever asks gets anybody's report: in production take it from who is logged in.
    async fn report(self, tenant: String) -> Result<String, StatusCode> {
        let keys = self.keys.tenant(&tenant).map_err(|_| StatusCode::NOT_FOUND)?;
        let cache = self.cache.for_tenant(keys);
        let report = cache.get_or_compute("report", || compute(&tenant)).await;
        report.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The numbers of [`Cache::stats`] by the names that they have in the `metrics` facade.
fn metrics(cache: &Cache) -> String {
    let stats = cache.stats();
    let mut lines: Vec<String> = Vec::new();
    for Requests { operation, outcome, count, .. } in &stats.requests {
        let labels = format!("operation=\"{operation}\",outcome=\"{outcome}\"");
        lines.push(format!("blindcache_requests_total{{{labels}}} {count}"));
    }
    for (reason, count) in &stats.unreadable_by_reason {
        lines.push(format!("blindcache_unreadable_total{{reason=\"{reason}\"}} {count}"));
    }
    lines.push(format!("blindcache_waits_total {}", stats.waits));
    lines.push(format!("blindcache_l1_entries {}", stats.l1_entries));
    lines.join("\n") + "\n"
}

/// What is worth caching.
async fn compute(tenant: &str) -> Result<String, io::Error> {
    sleep(Duration::from_secs(1)).await;
    Ok(format!("The report of {tenant}.\n"))
}

fn store() -> Result<AnyBackend, Box<dyn Error>> {
    match env::var("REDIS_URL") {
        #[cfg(feature = "redis")]
        Ok(url) => {
            use blindcache::BackendExt;
            Ok(AnyBackend::new(blindcache::RedisBackend::new(&url)?.resilient()))
        }
        _ => Ok(AnyBackend::new(MemoryBackend::new())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = env::args().any(|argument| argument == "--demo");
    let app = App::new()?;
    let cache = app.cache.clone();
    let router = Router::new()
        .route("/{tenant}/report", get(|State(app): State<App>, Path(tenant)| app.report(tenant)))
        .route("/metrics", get(|State(app): State<App>| async move { metrics(&app.cache) }))
        .with_state(app);
    let listener = TcpListener::bind(if demo { "127.0.0.1:0" } else { "127.0.0.1:8080" }).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/acme/report");
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    if !demo {
        return Ok(server.await??);
    }
    for (what, path) in [
        ("acme, computed", "/acme/report"),
        ("acme, from memory", "/acme/report"),
        ("globex, its own", "/globex/report"),
        ("metrics", "/metrics"),
    ] {
        let began = Instant::now();
        let answer = ask(address, path).await?;
        println!("{what:18} {:4} ms  {}", began.elapsed().as_millis(), answer.trim().replace('\n', "\n    "));
    }
    let stats = cache.stats();
    assert_eq!(stats.computed, 2, "{stats:?}");
    cache.close().await;
    Ok(())
}

/// A request as plain as they come.
async fn ask(address: std::net::SocketAddr, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head.to_owned().into());
    }
    Ok(body.to_owned())
}
