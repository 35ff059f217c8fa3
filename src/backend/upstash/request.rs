//! What is asked, and how the answer is read: singly in RESP2, in batches in JSON with base64.

use std::time::Duration;

use reqwest::{
    Body, Method, Request,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

use super::{
    NAME, UpstashBackend,
    batch::{self, Item},
    refusal,
    resp2::Reply,
};
use crate::{
    backend::web::{Answer, Web},
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind::TooLarge},
};

/// `resp2` for raw bytes, `json`.
pub(super) const FORMAT: HeaderName = HeaderName::from_static("upstash-response-format");
/// `base64` for strings in JSON.
const ENCODING: HeaderName = HeaderName::from_static("upstash-encoding");

/// `POST /set/{key}?PX={milliseconds}` with the entry as it is.
pub(super) fn set(web: &Web, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Request {
    let mut request = web.request(Method::POST, &["set", key.as_str()]);
    if let Some(ttl) = ttl {
        request.url_mut().query_pairs_mut().append_pair("PX", &milliseconds(ttl).to_string());
    }
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    *request.body_mut() = Some(Body::from(entry.into_bytes()));
    request
}

/// `POST /pipeline` with the same command for each name.
pub(super) fn pipeline(web: &Web, command: &str, keys: &[StoreKey]) -> Request {
    let mut request = web.request(Method::POST, &["pipeline"]);
    let headers = request.headers_mut();
    headers.remove(FORMAT);
    headers.insert(ENCODING, HeaderValue::from_static("base64"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(Body::from(batch::write(command, keys)));
    request
}

/// Rounded up: an entry may live a little longer, since the time within the seal decides.
fn milliseconds(ttl: Duration) -> u64 {
    let ttl = ttl.min(UpstashBackend::LONGEST_TTL);
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

/// The reply to one command.
pub(super) fn reply(answer: &Answer) -> Result<Reply, BackendError> {
    match Reply::parse(&answer.body) {
        Ok(Reply::Error(_)) | Err(_) => Err(refused(answer)),
        Ok(reply) if answer.is_success() => Ok(reply),
        Ok(_) => Err(answer.refusal()),
    }
}

/// What `read` makes of the answers to `count` commands; what it makes nothing of is no answer. That one is too large
/// counts more than another error.
pub(super) fn items<T>(
    answer: &Answer,
    count: usize,
    read: impl Fn(Item) -> Option<T>,
) -> Result<Vec<T>, BackendError> {
    if !answer.is_success() {
        return Err(refused(answer));
    }
    let items = batch::parse(&answer.body, count).map_err(|_| refused(answer))?;
    let mut errors = items.iter().filter_map(|item| match item {
        Item::Error(text) => Some(meant(answer, text)),
        _ => None,
    });
    if let Some(first) = errors.next() {
        return Err(errors.find(|err| err.kind() == TooLarge).unwrap_or(first));
    }
    items.into_iter().map(|item| read(item).ok_or_else(|| answer.unexpected())).collect()
}

/// What an answer says that is no result.
fn refused(answer: &Answer) -> BackendError {
    match refusal::text(&answer.body) {
        Some(text) => meant(answer, &text),
        None if answer.is_success() => answer.unexpected(),
        None => answer.wordless(),
    }
}

/// What an error says, or else its status.
fn meant(answer: &Answer, text: &str) -> BackendError {
    let by_status = if answer.is_success() { answer.unexpected() } else { answer.refusal() };
    let Some((kind, words)) = refusal::meaning(text) else { return by_status };
    let error = BackendError::new(NAME, kind).with_source(words);
    match by_status.retry_after() {
        Some(after) => error.with_retry_after(after),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_rounded_up_and_cut() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1_500)), 1_500);
        assert_eq!(milliseconds(Duration::from_nanos(1_500_000_001)), 1_501);
        assert_eq!(milliseconds(Duration::MAX), 3_153_600_000_000);
    }
}
