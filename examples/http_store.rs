//! A server for `HttpBackend`, over any backend: the contract that its documentation gives, in one file.
//!
//! ```text
//! STORE_TOKEN=… cargo run --features http --example http_store        http://127.0.0.1:8080
//! cargo run --features http --example http_store -- --demo            asks itself, and ends
//! ```
//!
//! `STORE_ADDRESS` sets another address. Whoever has the token may read, write and delete. That they can make nothing of
//! what others wrote is what the seal is for; this server could not either. It takes only what has the shape of a sealed
//! entry, up to 16 MiB, and keeps all of it in memory: put another `Backend` there. It speaks no TLS, and gives slow
//! clients all the time they want: both is for a reverse proxy in front of it.

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use blindcache::{
    AnyBackend, Backend, BackendError, BackendErrorKind as Kind, EncryptedBackend, HttpBackend, Keyring,
    MasterKey, MemoryBackend, Sealed, StoreKey,
};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

/// Largest entry in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// Least length of a token in bytes.
const TOKEN: usize = 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let demo = env::args().any(|argument| argument == "--demo");
    let token = if demo { "a token for the demo".to_owned() } else { env::var("STORE_TOKEN")? };
    if token.len() < TOKEN {
        return Err("STORE_TOKEN has fewer than 16 bytes".into());
    }
    let address = env::var("STORE_ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(if demo { "127.0.0.1:0" } else { &address }).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("{url}");
    let router = guarded(&token, store(AnyBackend::new(MemoryBackend::new())));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    if demo { show(&url, &token).await } else { Ok(server.await??) }
}

/// The contract, over this backend.
pub(crate) fn store(backend: AnyBackend) -> Router {
    Router::new()
        .route("/cache/{key}", get(read).head(exists).put(write).delete(delete))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(backend)
}

/// The same, for those alone who say `Authorization: Bearer …`.
pub(crate) fn guarded(token: &str, store: Router) -> Router {
    let expected: Arc<str> = format!("Bearer {token}").into();
    store.layer(from_fn(move |request: Request, next: Next| {
        let expected = expected.clone();
        async move {
            let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
            if bool::from(given.ct_eq(expected.as_bytes())) {
                next.run(request).await
            } else {
                StatusCode::UNAUTHORIZED.into_response()
            }
        }
    }))
}

async fn read(State(backend): State<AnyBackend>, Name(key): Name) -> Result<Response, Refusal> {
    match backend.get(&key).await? {
        Some(entry) => Ok(([(CONTENT_TYPE, "application/octet-stream")], entry).into_response()),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

async fn exists(State(backend): State<AnyBackend>, Name(key): Name) -> Result<StatusCode, Refusal> {
    Ok(found(backend.exists(&key).await?))
}

async fn write(
    State(backend): State<AnyBackend>,
    Name(key): Name,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let entry = Sealed::parse(body).map_err(|_| Refusal::NotTheContract)?;
    backend.set(&key, entry, ttl(query.as_deref())?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(State(backend): State<AnyBackend>, Name(key): Name) -> Result<StatusCode, Refusal> {
    Ok(found(backend.delete(&key).await?))
}

fn found(it_is: bool) -> StatusCode {
    if it_is { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// `ttl=<seconds>`, or nothing at all.
fn ttl(query: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let Some(query) = query else { return Ok(None) };
    match query.strip_prefix("ttl=").and_then(|seconds| seconds.parse().ok()) {
        Some(seconds @ 1..) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Refusal::NotTheContract),
    }
}

/// The store key of the path.
struct Name(StoreKey);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Refusal> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Refusal::NotTheContract)?;
        StoreKey::parse(&text).map(Self).map_err(|_| Refusal::NotTheContract)
    }
}

enum Refusal {
    /// No store key, no sealed entry or no ttl.
    NotTheContract,
    Store(BackendError),
}

impl From<BackendError> for Refusal {
    fn from(err: BackendError) -> Self {
        Self::Store(err)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self::Store(err) = self else { return StatusCode::BAD_REQUEST.into_response() };
        let status = match err.kind() {
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Transient | Kind::Refused => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let after = err.retry_after().map(|after| HeaderValue::from(after.as_secs().saturating_add(1)));
        let headers: HeaderMap = after.map(|after| (RETRY_AFTER, after)).into_iter().collect();
        (status, headers).into_response()
    }
}

/// What an application does with it.
async fn show(url: &str, token: &str) -> Result<(), Box<dyn Error>> {
    let http = HttpBackend::builder(url).header("Authorization", &format!("Bearer {token}")).build()?;
    http.ping().await?;
    let keys = Keyring::new(MasterKey::generate()?)?;
    let acme = EncryptedBackend::new(http, keys.tenant("acme")?);
    acme.set(("user", 42), "Ada", Duration::from_secs(600)).await?;
    let user: Option<String> = acme.get(("user", 42)).await?;
    println!("acme's user 42 is {user:?}");
    assert_eq!(user.as_deref(), Some("Ada"));
    assert!(acme.delete(("user", 42)).await?);

    let stranger = HttpBackend::builder(url).header("Authorization", "Bearer a guess").build()?;
    let refused = stranger.ping().await.map_err(|err| err.kind());
    println!("a stranger gets {refused:?}");
    assert_eq!(refused, Err(Kind::Denied));
    Ok(())
}
