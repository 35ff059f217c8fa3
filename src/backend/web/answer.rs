//! What a server answered, read no further than it may be long.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response, StatusCode,
    header::{DATE, HeaderMap, HeaderName, RETRY_AFTER},
};

use super::error::Failure;
use crate::{clock::Clock, error::BackendError};

/// Most bytes that are read of an answer which is no success: enough to keep the connection, and for an error's code.
const REFUSAL: usize = 16 * 1024;
/// Most bytes that are reserved for a body before any of it is there.
const RESERVED: usize = 1024 * 1024;
/// The longest time that a server may ask to be left alone.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// A whole answer.
pub(crate) struct Answer {
    pub(super) backend: &'static str,
    /// Whether it came over HTTP/2, where all calls share one connection.
    pub(super) is_http2: bool,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether it is no success, and its body did not arrive.
    #[cfg_attr(not(any(feature = "cloudflare-kv", feature = "upstash")), allow(dead_code))]
    // `http` goes by the status
    pub(super) broke_off: bool,
    /// Empty where the answer is no success, and its body did not arrive or has more than 16 KiB.
    pub(crate) body: Bytes,
}

impl Answer {
    /// Whether the status is one of 200 to 299.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The error that this status is.
    pub(crate) fn refusal(&self) -> BackendError {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(Clock::default().now());
        Failure::status(self.status, retry_after(&self.headers, now)).of(self.backend)
    }

    /// The error that this status is, for a store whose words say more: where they did not arrive, a status that blames
    /// the request means no more than that.
    #[cfg(any(feature = "cloudflare-kv", feature = "upstash"))]
    pub(crate) fn wordless(&self) -> BackendError {
        use crate::error::BackendErrorKind::{Misconfigured, Rejected};

        let refusal = self.refusal();
        match refusal.kind() {
            Rejected | Misconfigured if self.broke_off => Failure::closed().of(self.backend),
            _ => refusal,
        }
    }

    /// The error of an answer that is not what was asked for.
    #[cfg(any(feature = "cloudflare-kv", feature = "upstash"))]
    pub(crate) fn unexpected(&self) -> BackendError {
        Failure::unexpected().of(self.backend)
    }
}

/// `Retry-After`, RFC 9110, section 10.2.3: seconds, or a date, which is taken by the server's own clock if it tells it.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let after = text(RETRY_AFTER)?;
    let after = if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(after.parse().unwrap_or(u64::MAX))
    } else {
        let now = text(DATE).and_then(date).unwrap_or(now);
        date(after)?.duration_since(now).unwrap_or_default()
    };
    Some(after.min(LONGEST_RETRY_AFTER))
}

/// The body of an answer while it arrives. It is copied, so that a small one does not keep a large buffer.
pub(super) struct Body {
    largest: usize,
    /// Whether an answer with more is in order, only not read.
    may_be_cut: bool,
    cut: bool,
    broke_off: bool,
    bytes: BytesMut,
}

impl Body {
    /// The body of this answer, of which nothing was read yet. To `HEAD` there is none, whatever its length is said to be.
    pub(super) fn of(response: &Response, is_head: bool, largest: usize) -> Result<Self, Failure> {
        let length = response.content_length().filter(|_| !is_head);
        Self::sized(response.status().is_success(), length, largest)
    }

    pub(super) fn sized(is_success: bool, length: Option<u64>, largest: usize) -> Result<Self, Failure> {
        let largest = if is_success { largest } else { REFUSAL };
        let mut body =
            Self { largest, may_be_cut: !is_success, cut: false, broke_off: false, bytes: BytesMut::new() };
        match length.map(usize::try_from) {
            None => {}
            Some(Ok(length)) if length <= largest => body.bytes.reserve(length.min(RESERVED)),
            Some(_) => body.overflow()?,
        }
        Ok(body)
    }

    pub(super) fn may_be_cut(&self) -> bool {
        self.may_be_cut
    }

    pub(super) fn broke_off(&self) -> bool {
        self.broke_off
    }

    /// The rest does not arrive.
    pub(super) fn break_off(&mut self) {
        (self.cut, self.broke_off) = (true, true);
    }

    pub(super) fn wants_more(&self) -> bool {
        !self.cut
    }

    pub(super) fn add(&mut self, part: &[u8]) -> Result<(), Failure> {
        if part.len() > self.largest - self.bytes.len() {
            return self.overflow();
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn overflow(&mut self) -> Result<(), Failure> {
        self.cut = true;
        if self.may_be_cut { Ok(()) } else { Err(Failure::flood()) }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.cut { Bytes::new() } else { self.bytes.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn after(pairs: &[(HeaderName, &'static str)]) -> Option<Duration> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        retry_after(&headers.collect(), SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(after(&[(RETRY_AFTER, "0")]), seconds(0));
        assert_eq!(after(&[(RETRY_AFTER, " 17 ")]), seconds(17));
        assert_eq!(after(&[(RETRY_AFTER, "99999999999999999999999")]), Some(LONGEST_RETRY_AFTER));
        // The local clock says Sun, 06 Nov 1994 08:49:37 GMT.
        let date = (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:00 GMT");
        assert_eq!(after(std::slice::from_ref(&date)), seconds(23));
        assert_eq!(after(&[date.clone(), (DATE, "Sun, 06 Nov 1994 08:49:55 GMT")]), seconds(5));
        assert_eq!(after(&[date.clone(), (DATE, "Sun, 06 Nov 1994 08:59:55 GMT")]), seconds(0));
        assert_eq!(after(&[(RETRY_AFTER, "Fri, 31 Dec 9999 23:59:59 GMT")]), Some(LONGEST_RETRY_AFTER));
        for nonsense in ["", "-1", "1.5", "soon", "+1", "Sun, 99 Nov 1994 08:50:00 GMT"] {
            assert_eq!(after(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn success_may_be_as_long_as_was_said_and_not_a_byte_longer() {
        let mut body = Body::sized(true, Some(10), 10).unwrap();
        body.add(b"12345").unwrap();
        body.add(b"67890").unwrap();
        assert!(body.add(b"1").is_err());
        assert!(Body::sized(true, Some(11), 10).is_err());
        assert!(Body::sized(true, Some(u64::MAX), 10).is_err());
        let mut body = Body::sized(true, None, 10).unwrap();
        body.add(b"1234567890").unwrap();
        assert_eq!(body.into_bytes(), &b"1234567890"[..]);
        assert!(Body::sized(true, Some(0), 0).is_ok());
    }

    #[test]
    fn announced_length_reserves_little() {
        assert!(Body::sized(true, Some(1 << 30), 1 << 30).unwrap().bytes.capacity() <= 2 * RESERVED);
    }

    #[test]
    fn long_refusal_is_in_order_and_not_read() {
        let body = Body::sized(false, Some(1 << 40), 0).unwrap();
        assert!(!body.wants_more());
        let mut body = Body::sized(false, None, 0).unwrap();
        body.add(&[b'a'; REFUSAL]).unwrap();
        assert!(body.wants_more());
        body.add(b"a").unwrap();
        assert!(!body.wants_more());
        assert!(body.into_bytes().is_empty());
    }
}
