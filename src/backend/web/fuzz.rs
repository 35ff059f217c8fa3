//! For the fuzz targets `web` and `config`.

use std::time::{Duration, SystemTime};

use reqwest::{
    StatusCode,
    header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use super::{
    answer::{Body, LONGEST_RETRY_AFTER, retry_after},
    base,
    error::Failure,
};

/// Any status, and any two texts as `Retry-After` and `Date`: at most an hour.
pub(crate) fn refusal(status: u16, after: &[u8], date: &[u8], now: u32) {
    let mut headers = HeaderMap::new();
    for (name, text) in [(RETRY_AFTER, after), (DATE, date)] {
        if let Ok(value) = HeaderValue::from_bytes(text) {
            headers.insert(name, value);
        }
    }
    let waits = retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(now.into()));
    assert!(waits.is_none_or(|waits| waits <= LONGEST_RETRY_AFTER));
    if let Some(seconds) = std::str::from_utf8(after).ok().and_then(|after| after.parse::<u32>().ok())
        && !after.starts_with(b"+")
    {
        let seconds = Duration::from_secs(seconds.into());
        assert_eq!(waits, Some(seconds.min(LONGEST_RETRY_AFTER)));
    }
    if let Ok(status) = StatusCode::from_u16(status) {
        let error = Failure::status(status, waits).of("web");
        assert_eq!(error.retry_after(), waits);
    }
}

/// Any parts as a body that is said to be so long: all of them, or nothing, and never more than is read.
pub(crate) fn body(is_success: bool, length: Option<u64>, largest: u16, parts: &[&[u8]]) {
    let largest = usize::from(largest);
    let Ok(mut body) = Body::sized(is_success, length, largest) else {
        return assert!(is_success && length.is_some_and(|length| length > largest as u64));
    };
    let whole = parts.concat();
    for part in parts {
        if !body.wants_more() {
            break;
        }
        if body.add(part).is_err() {
            return assert!(is_success && whole.len() > largest);
        }
    }
    let read = body.into_bytes();
    assert!(read == whole || (!is_success && read.is_empty()), "neither the whole nor nothing");
    assert!(!is_success || read.len() <= largest);
}

/// Any text as the URL of a server: what is told of it has no login, and an error shows none of it.
pub(crate) fn url(text: &str) -> Option<String> {
    match base::parse(text) {
        Ok(url) => {
            let shown = url.origin().ascii_serialization();
            assert!(!shown.contains('@') && url.query().is_none() && url.fragment().is_none());
            assert!(
                base::parse(url.as_str()).is_ok_and(|again| again == url),
                "another URL when it is read again"
            );
            None
        }
        Err(failure) => Some(format!("{:?}", failure.of("web"))),
    }
}
