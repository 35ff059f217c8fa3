//! Requests to the API, and what their answers may be.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use reqwest::{
    Body, Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use tokio::{runtime::Handle, time::timeout};

use super::{CloudflareKvBackend, NAME, bulk, envelope::Envelope, throttle::Throttle};
use crate::{
    backend::{
        Write,
        web::{Answer, Web},
    },
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
};

/// Most bytes of an answer that is neither a value nor about many names.
const PLAIN: usize = 16 * 1024;
/// Most bytes that an answer about many names has for each of them: a store key, quoted.
const NAMED: usize = 128;

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// One namespace of one account.
pub(super) struct Api {
    pub(super) web: Web,
    account: Box<str>,
    namespace: Box<str>,
    throttle: Throttle,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within the limit of the call")]
struct Late;

impl Api {
    pub(super) fn new(web: Web, account: &str, namespace: &str) -> Self {
        Self { web, account: account.into(), namespace: namespace.into(), throttle: Throttle::default() }
    }

    pub(super) async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let request = self.about(Method::GET, "values", key);
        let answer = self.send(request, self.web.limits.max_entry).await?;
        if answer.status == StatusCode::OK {
            return Ok(Some(answer.body));
        }
        if answer.is_success() {
            return Err(answer.unexpected()); // as long as an entry, and not parsed
        }
        match outcome(&answer)? {
            None => Ok(None),
            Some(_) => Err(answer.unexpected()),
        }
    }

    /// By the name's metadata, of which there is none, so that the entry itself is not sent.
    pub(super) async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let answer = self.send(self.about(Method::GET, "metadata", key), PLAIN).await?;
        Ok(outcome(&answer)?.is_some())
    }

    /// Stores the entry, or, where it is too large, removes what was stored before.
    pub(super) async fn set(
        &self,
        key: &StoreKey,
        entry: &Sealed,
        ttl: Option<Duration>,
    ) -> Result<(), BackendError> {
        self.within_limit(async {
            let refusal = if self.fits(entry) {
                match self.put(key, entry, ttl).await {
                    Err(refusal) if refusal.kind() == BackendErrorKind::TooLarge => refusal,
                    done => return done,
                }
            } else {
                self.web.too_large()
            };
            self.remove(key).await?;
            Err(refusal)
        })
        .await
    }

    async fn put(&self, key: &StoreKey, entry: &Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let mut request = self.about(Method::PUT, "values", key);
        if let Some(ttl) = ttl {
            request.url_mut().set_query(Some(&format!("expiration_ttl={}", seconds(ttl))));
        }
        self.done(with_body(request, BYTES, entry.clone().into_bytes()), PLAIN).await.map(drop)
    }

    /// Removes the entry, if there is one.
    async fn remove(&self, key: &StoreKey) -> Result<(), BackendError> {
        let answer = self.send(self.about(Method::DELETE, "values", key), PLAIN).await?;
        outcome(&answer).map(drop)
    }

    /// Removes the entry, and tells whether there was one.
    pub(super) async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.within_limit(async {
            let was_there = self.exists(key).await?;
            // Even if not: what was read may be older than what there is.
            self.remove(key).await?;
            Ok(was_there)
        })
        .await
    }

    pub(super) fn fits(&self, entry: &Sealed) -> bool {
        entry.len() <= self.web.limits.max_entry
    }

    /// Writes under at most [`bulk::MAX_NAMES`] names, all different, of entries that fit. What the server finds too large
    /// goes in halves, down to a single write, which tells whose entry it is.
    pub(super) async fn set_all(&self, writes: &[Write]) -> Result<(), BackendError> {
        let mut done = Ok(());
        let mut left = vec![writes];
        while let Some(part) = left.pop() {
            match self.set_at_once(part).await {
                Err(refusal) if refusal.kind() != BackendErrorKind::TooLarge => return Err(refusal),
                Err(_) if part.len() > 1 => left.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
                outcome => done = done.and(outcome),
            }
        }
        done
    }

    async fn set_at_once(&self, writes: &[Write]) -> Result<(), BackendError> {
        if let [(key, entry, ttl)] = writes {
            return self.set(key, entry, *ttl).await;
        }
        let request = with_body(self.request(Method::PUT, &["bulk"]), JSON, bulk::pairs(writes));
        self.all_done(request, writes.len()).await
    }

    /// At most [`bulk::MAX_NAMES`] names, all different.
    pub(super) async fn remove_all(&self, keys: &[StoreKey]) -> Result<(), BackendError> {
        let request = with_body(self.request(Method::POST, &["bulk", "delete"]), JSON, bulk::names(keys));
        self.all_done(request, keys.len()).await
    }

    async fn all_done(&self, request: Request, names: usize) -> Result<(), BackendError> {
        self.done(request, PLAIN + names * NAMED).await?.did_all(names)
    }

    async fn done(&self, request: Request, largest: usize) -> Result<Envelope, BackendError> {
        let answer = self.send(request, largest).await?;
        outcome(&answer)?.ok_or_else(|| answer.refusal())
    }

    /// Sends what may be sent: nothing while the server wants to be left alone.
    async fn send(&self, request: Request, largest: usize) -> Result<Answer, BackendError> {
        self.throttle.allow()?;
        let answer = self.web.send(request, largest).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let refusal = answer.refusal();
            self.throttle.begin(refusal.retry_after());
            return Err(refusal);
        }
        Ok(answer)
    }

    fn about(&self, method: Method, what: &str, key: &StoreKey) -> Request {
        let mut request = self.request(method, &[what]);
        // The only character of store keys that the API wants percent-encoded.
        let path = format!("{}/{}", request.url().path(), key.as_str().replace(':', "%3A"));
        request.url_mut().set_path(&path);
        request
    }

    fn request(&self, method: Method, path: &[&str]) -> Request {
        let namespace = ["accounts", &*self.account, "storage", "kv", "namespaces", &*self.namespace];
        self.web.request(method, &[&namespace, path].concat())
    }

    /// One limit for the requests of one call, each of which has the same by itself.
    async fn within_limit<T>(
        &self,
        call: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        if Handle::try_current().is_err() {
            return call.await; // and say so
        }
        let late = || BackendError::new(NAME, BackendErrorKind::Timeout).with_source(Late);
        timeout(self.web.limits.timeout, call).await.unwrap_or_else(|_| Err(late()))
    }
}

fn with_body(mut request: Request, content: HeaderValue, body: impl Into<Body>) -> Request {
    request.headers_mut().insert(CONTENT_TYPE, content);
    *request.body_mut() = Some(body.into());
    request
}

/// The envelope of a success; `None` if the name that it was about is not there.
fn outcome(answer: &Answer) -> Result<Option<Envelope>, BackendError> {
    if answer.status.is_server_error() {
        return Err(answer.refusal()); // whatever it says besides
    }
    match Envelope::parse(&answer.body) {
        Some(envelope) if answer.is_success() && envelope.is_success() => Ok(Some(envelope)),
        Some(envelope) if answer.status == StatusCode::NOT_FOUND && envelope.lacks_the_key() => Ok(None),
        Some(envelope) => Err(envelope.refusal().unwrap_or_else(|| refused(answer))),
        None => Err(refused(answer)),
    }
}

/// By the status alone.
fn refused(answer: &Answer) -> BackendError {
    if answer.is_success() { answer.unexpected() } else { answer.wordless() }
}

/// Whole seconds, rounded up, and within what the API takes: the time within the seal decides.
pub(super) fn seconds(ttl: Duration) -> u64 {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    seconds.clamp(CloudflareKvBackend::SHORTEST_TTL.as_secs(), CloudflareKvBackend::LONGEST_TTL.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_rounded_up_and_cut() {
        assert_eq!(seconds(Duration::from_millis(1)), 60);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
        assert_eq!(seconds(Duration::from_millis(60_001)), 61);
        assert_eq!(seconds(Duration::from_secs(3_600)), 3_600);
        assert_eq!(seconds(Duration::MAX), 315_360_000);
    }
}
