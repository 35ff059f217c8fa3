//! [`HttpBackend`]: any server that speaks a small contract.

mod builder;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use tokio::time::Instant;

pub use self::builder::HttpBuilder;
use super::{
    Backend, Write,
    web::{Answer, Limits, Web, each, set_each},
};
use crate::{
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "http";
/// What is bounded of an answer that should have no body: a page of a server that says more than it must.
const NO_ENTRY: usize = 64 * 1024;

/// Entries on a server of yours that speaks HTTP/1.1 or HTTP/2, by a contract that a few lines serve.
///
/// Below the base URL, for each store key (55 to 119 characters of `[A-Za-z0-9._:-]`):
///
/// | request | answer |
/// |---|---|
/// | `GET {base}/cache/{store key}` | 2xx and the entry; 404: there is none |
/// | `PUT {base}/cache/{store key}?ttl={seconds}`, the entry as `application/octet-stream` | 2xx; without `ttl` there is no expiry |
/// | `DELETE {base}/cache/{store key}` | 2xx: it was there; 404: it was not |
/// | `HEAD {base}/cache/{store key}` | 2xx: it is there; 404: it is not |
///
/// Everything else is an error. A server may ignore `ttl`, as plain WebDAV does: the expiry within the seal decides, only
/// nothing makes room. `examples/http_store.rs` in the repository is such a server over any [`Backend`]. The server sees
/// blinded names and sealed entries; who else may write to it is for you to say, with [a header](HttpBuilder::header), a
/// client certificate, or a network.
///
/// # Time limits and healing
///
/// No call takes longer than [2 s](HttpBuilder::timeout) in all: looking up the host, connecting, TLS, sending, and the
/// whole answer; and for a `set` of too large an entry, the deletion of the older one. A batch is so many calls, up to 16
/// at the same time, each with this limit; the first error ends it, unless an entry is too large.
///
/// - A call that met a dead connection is made once more on a new one, within the same limit. So a `delete` whose answer
///   was lost may say `false`.
/// - After a time-out no later call gets an old connection, over HTTP/2 nor over HTTP/1.1. Nor does it when callers gave up
///   earlier and nothing was answered for the time limit. Calls that still wait may finish where they are.
/// - Nothing is kept of a failure: each call connects anew if it must.
/// - It works on from another Tokio runtime when the one that it connected on is gone.
///
/// # Statuses
///
/// | status | kind |
/// |---|---|
/// | 401, 403, 407 | [`Denied`](BackendErrorKind::Denied) |
/// | 408, 504 | [`Timeout`](BackendErrorKind::Timeout) |
/// | 413 | [`TooLarge`](BackendErrorKind::TooLarge) |
/// | 429; 507, a full disk | [`Throttled`](BackendErrorKind::Throttled) |
/// | 3xx; 404 to a `PUT`; 405 | [`Misconfigured`](BackendErrorKind::Misconfigured): redirects are not followed |
/// | 425, and all other 5xx but 501 and 505 | [`Transient`](BackendErrorKind::Transient) |
/// | all others | [`Rejected`](BackendErrorKind::Rejected) |
///
/// Such an answer counts though its body does not arrive: that is waited for a quarter of the time limit at most.
/// `Retry-After`, in seconds or as a date, is the error's [`retry_after`](BackendError::retry_after), up to an hour.
///
/// # Sizes
///
/// An entry is at most 128 MiB, [up to](HttpBuilder::max_entry) [512 MiB](Self::LARGEST_ENTRY). A larger one, and one that
/// the server answers with 413, is [`TooLarge`](BackendErrorKind::TooLarge), and what was stored under its name is deleted,
/// in what is left of the call's time; if that fails, its error is given instead, and the older entry may still be there.
/// The other entries of a `set_many` are stored none the less.
///
/// An answer that is longer than this is [`Rejected`](BackendErrorKind::Rejected) and not read, nor is more than 16 KiB
/// of one that is an error. Nothing is ever decompressed. What is not bounded is a sum: a batch of 512 names may be
/// answered with 512 times the largest entry, and many calls at once with that many.
///
/// A ttl is rounded up to whole seconds, and is at most 2^31 - 1 of them, 68 years.
///
/// # TLS
///
/// Certificates are verified with rustls and the cryptography of aws-lc-rs, which this feature brings along, whatever
/// the feature `aws-lc-rs` says; no process-wide provider is read or set. HTTP/2 is spoken where an `https://` server offers
/// it, HTTP/1.1 elsewhere. No proxy is taken from the environment, which could be handed tokens that it was not meant to
/// see: [bring a client](HttpBuilder::client) with one.
///
/// # Example
///
/// ```no_run
/// use blindcache::{Backend, HttpBackend};
///
/// # async fn example(token: &str) -> Result<(), blindcache::BackendError> {
/// let store = HttpBackend::builder("https://store.example/team")
///     .header("Authorization", &format!("Bearer {token}"))
///     .build()?;
/// store.ping().await?; // the first call connects
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpBackend {
    web: Arc<Web>,
}

impl HttpBackend {
    /// Largest entry in bytes that can be set: 512 MiB.
    pub const LARGEST_ENTRY: usize = 512 * 1024 * 1024;
    /// Longest ttl on the wire: 2^31 - 1 seconds.
    pub const LONGEST_TTL: Duration = Duration::from_secs(i32::MAX as u64);

    /// The server at a base URL, `http://…` or `https://…`, with a limit of 2 s. Nothing is connected yet.
    ///
    /// A user name and a password in the URL are sent as `Authorization: Basic …`.
    ///
    /// Calls need a Tokio runtime with its I/O and time drivers, as `enable_all()` gives it: without a runtime they answer
    /// [`Misconfigured`](BackendErrorKind::Misconfigured). A runtime without these drivers cannot be told from one with
    /// them, and Tokio panics in it.
    ///
    /// # Errors
    /// [`Misconfigured`](BackendErrorKind::Misconfigured) if the URL is no such one, or has a query or a fragment, or the
    /// system has no CA certificates. The URL is not echoed.
    pub fn new(url: &str) -> Result<Self, BackendError> {
        Self::builder(url).build()
    }

    /// The server at a base URL, with settings.
    pub fn builder(url: &str) -> HttpBuilder {
        HttpBuilder::new(url)
    }

    fn request(&self, method: Method, key: &StoreKey) -> Request {
        self.web.request(method, &["cache", key.as_str()])
    }

    /// The answer if it is a success, none if it is 404.
    async fn ask(&self, request: Request, largest: usize) -> Result<Option<Answer>, BackendError> {
        self.ask_by(self.web.deadline(), request, largest).await
    }

    async fn ask_by(
        &self,
        deadline: Instant,
        request: Request,
        largest: usize,
    ) -> Result<Option<Answer>, BackendError> {
        let answer = self.web.send_by(deadline, request, largest).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ if answer.is_success() => Ok(Some(answer)),
            _ => Err(answer.refusal()),
        }
    }

    async fn put(
        &self,
        deadline: Instant,
        key: &StoreKey,
        entry: Sealed,
        ttl: Option<Duration>,
    ) -> Result<(), BackendError> {
        if entry.len() > self.web.limits.max_entry {
            return Err(self.web.too_large());
        }
        let mut request = self.request(Method::PUT, key);
        if let Some(ttl) = ttl {
            request.url_mut().query_pairs_mut().append_pair("ttl", &seconds(ttl).to_string());
        }
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, octets);
        *request.body_mut() = Some(entry.into_bytes().into());
        let answer = self.web.send_by(deadline, request, NO_ENTRY).await?;
        if answer.is_success() { Ok(()) } else { Err(answer.refusal()) }
    }
}

/// Rounded up: an entry may live a little longer, since the time within the seal decides.
fn seconds(ttl: Duration) -> u64 {
    let ttl = ttl.min(HttpBackend::LONGEST_TTL);
    (ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).max(1)
}

#[deny(clippy::missing_trait_methods)]
impl Backend for HttpBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let answer = self.ask(self.request(Method::GET, key), self.web.limits.max_entry).await?;
        Ok(answer.map(|answer| answer.body))
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let deadline = self.web.deadline();
        match self.put(deadline, key, entry, ttl).await {
            Err(err) if err.kind() == BackendErrorKind::TooLarge => {
                // What is there is not what was last set.
                self.ask_by(deadline, self.request(Method::DELETE, key), NO_ENTRY).await?;
                Err(err)
            }
            done => done,
        }
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.ask(self.request(Method::DELETE, key), NO_ENTRY).await?.is_some())
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.ask(self.request(Method::HEAD, key), NO_ENTRY).await?.is_some())
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let keys = keys.iter().map(|key| (key.clone(), ())).collect();
        each(keys, |key, ()| async move { self.get(&key).await }).await
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        set_each(writes, |key, entry, ttl| async move { self.set(&key, entry, ttl).await }).await
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let keys = keys.iter().map(|key| (key.clone(), ())).collect();
        each(keys, |key, ()| async move { self.delete(&key).await }).await
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.exists(&StoreKey::probe()).await.map(drop)
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for HttpBackend {
    /// Shows the server and the limits, and nothing of the path, the login and the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry } = self.web.limits;
        f.debug_struct("HttpBackend")
            .field("server", &self.web.server())
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_whole_seconds_rounded_up_and_cut() {
        for (ttl, expected) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (HttpBackend::LONGEST_TTL, 2_147_483_647),
            (Duration::MAX, 2_147_483_647),
        ] {
            assert_eq!(seconds(ttl), expected);
        }
    }
}
