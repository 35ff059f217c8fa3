//! What the client and the server say, as a [`BackendError`].
//!
//! None of the client's errors is kept, since they hold URLs, nor any text of a server. What survives is the kind of a
//! socket's error, the number of a status, and words of ours.

use std::{error::Error as StdError, io, time::Duration};

use reqwest::StatusCode;

use crate::{
    backend::tls,
    error::{
        BackendError,
        BackendErrorKind::{self, Denied, Misconfigured, Rejected, Throttled, Timeout, TooLarge, Transient},
    },
};

/// Why there is no answer, or which one there is.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: BackendErrorKind,
    retry_after: Option<Duration>,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the server answered with status {0}")]
    Status(u16),
    #[cfg(any(feature = "cloudflare-kv", feature = "upstash"))]
    #[error("the answer is not what this call gives")]
    Unexpected,
    #[error("the answer is not HTTP, or not TLS")]
    Garbage,
    #[error("no answer within the limit")]
    NoAnswer,
    #[error("the host name was not found")]
    Lookup,
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("the connection was closed before the answer was there")]
    Closed,
    #[error("the server ended the HTTP/2 connection")]
    Ended,
    #[error("the server ended the call")]
    Reset,
    #[error("TLS failed: {0}")]
    Tls(&'static str),
    #[error("the answer is longer than what was asked for can be")]
    Flood,
    #[error("larger than the largest entry that is set, or that the store takes")]
    TooLarge,
    #[error("the connection that another call was making, and that this one waited for, was lost")]
    Shared,
    #[error("the client failed")]
    Client,
    #[error("{0}")]
    Setting(&'static str),
}

impl Failure {
    /// From the client, which wraps what went wrong many times.
    ///
    /// A name that was found before is in passing trouble; one that never was is most likely wrong.
    pub(super) fn client(err: &reqwest::Error, reached: bool) -> Self {
        if err.is_dns() {
            return Self::new(if reached { Transient } else { Misconfigured }, Cause::Lookup);
        }
        let mut layers =
            std::iter::successors(err.source(), |layer: &&'_ (dyn StdError + 'static)| (*layer).source());
        layers.find_map(Self::layer).unwrap_or_else(|| {
            if err.is_timeout() {
                Self::no_answer() // of a time limit in the caller's own client
            } else if err.is_connect() {
                Self::new(Transient, Cause::Shared)
            } else {
                Self::new(Rejected, Cause::Client)
            }
        })
    }

    /// What one layer of the client's errors says, if it says anything.
    fn layer(layer: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(io) = layer.downcast_ref::<io::Error>() {
            return Some(Self::io(io));
        }
        if let Some(h2) = layer.downcast_ref::<h2::Error>() {
            return Some(Self::h2(h2));
        }
        let hyper = layer.downcast_ref::<hyper::Error>()?;
        if hyper.is_parse() {
            Some(Self::new(Rejected, Cause::Garbage))
        } else if hyper.is_timeout() {
            Some(Self::no_answer())
        } else if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() {
            Some(Self::closed())
        } else {
            None // the next layer says it
        }
    }

    /// From the socket, or from TLS above it.
    fn io(err: &io::Error) -> Self {
        if let Some(err) = tls::error_in(err) {
            return Self::new(tls::kind(&err), Cause::Tls(tls::words(&err)));
        }
        if let Some(inner) = err.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
            return Self::io(inner);
        }
        let kind = match err.kind() {
            io::ErrorKind::PermissionDenied => Denied,
            io::ErrorKind::TimedOut => Timeout,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if err.raw_os_error().is_none() => {
                return Self::text(&err.to_string());
            }
            _ => Transient,
        };
        let source = err.raw_os_error().map_or(err.kind().into(), io::Error::from_raw_os_error);
        Self::new(kind, Cause::Io(source))
    }

    /// From who reads the socket: HTTP/2 passes no more on of TLS below it than its text.
    fn text(text: &str) -> Self {
        let blames_us = ["Certificate", "UnknownCA", "AccessDenied", "DecryptError"];
        match text.strip_prefix("received fatal alert: ") {
            Some(alert) if blames_us.iter().any(|word| alert.contains(word)) => {
                Self::new(Denied, Cause::Tls("the server refused our certificate, or wants one"))
            }
            Some(_) => Self::new(Transient, Cause::Tls("the server ended the connection")),
            None => Self::new(Rejected, Cause::Garbage),
        }
    }

    /// From HTTP/2: a broken rule on its side, or that it ended the call or the connection.
    fn h2(err: &h2::Error) -> Self {
        if let Some(io) = err.get_io() {
            return Self::io(io);
        }
        if err.is_library() {
            return Self::new(Rejected, Cause::Garbage);
        }
        let kind = match err.reason() {
            Some(h2::Reason::ENHANCE_YOUR_CALM) => Throttled,
            Some(
                h2::Reason::NO_ERROR
                | h2::Reason::REFUSED_STREAM
                | h2::Reason::CANCEL
                | h2::Reason::INTERNAL_ERROR
                | h2::Reason::CONNECT_ERROR,
            )
            | None => Transient,
            Some(h2::Reason::INADEQUATE_SECURITY | h2::Reason::HTTP_1_1_REQUIRED) => Misconfigured,
            Some(_) => Rejected,
        };
        // With a connection end all its calls, for whichever it was. One that is full of dropped calls ends so.
        Self::new(kind, if err.is_go_away() { Cause::Ended } else { Cause::Reset })
    }

    /// From a status that is no success.
    ///
    /// Other errors of a server, 500 among them, are passing trouble: what is cached is asked for again, and each
    /// request means the same when it arrives twice.
    pub(super) fn status(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let kind = match status.as_u16() {
            300..=399 => Misconfigured, // elsewhere, such as https:// or a page to log in
            401 | 403 | 407 => Denied,
            404 | 405 => Misconfigured, // where 404 means that there is no entry, it does not come here
            408 | 504 => Timeout,
            413 => TooLarge,
            425 => Transient,
            429 | 507 => Throttled, // 507: the storage is full
            501 | 505 => Rejected,
            500..=599 => Transient,
            _ => Rejected,
        };
        Self { kind, retry_after, cause: Cause::Status(status.as_u16()) }
    }

    pub(super) fn closed() -> Self {
        Self::new(Transient, Cause::Closed)
    }

    pub(super) fn no_answer() -> Self {
        Self::new(Timeout, Cause::NoAnswer)
    }

    pub(super) fn flood() -> Self {
        Self::new(Rejected, Cause::Flood)
    }

    #[cfg(any(feature = "cloudflare-kv", feature = "upstash"))]
    pub(super) fn unexpected() -> Self {
        Self::new(Rejected, Cause::Unexpected)
    }

    pub(super) fn too_large() -> Self {
        Self::new(TooLarge, Cause::TooLarge)
    }

    pub(crate) fn setting(what: &'static str) -> Self {
        Self::new(Misconfigured, Cause::Setting(what))
    }

    fn new(kind: BackendErrorKind, cause: Cause) -> Self {
        Self { kind, retry_after: None, cause }
    }

    /// Whether the connection was lost, so that the call can be made again on another.
    pub(super) fn lost_connection(&self) -> bool {
        match self.cause {
            Cause::Ended => true,
            Cause::Io(_) | Cause::Closed | Cause::Tls(_) => self.kind == Transient,
            _ => false,
        }
    }

    /// Whether there was no connection, though none was refused: what the client says where several calls wait for one
    /// HTTP/2 connection.
    pub(super) fn missed_connection(&self) -> bool {
        matches!(self.cause, Cause::Shared)
    }

    /// Whether nothing came in time.
    pub(super) fn is_timeout(&self) -> bool {
        self.kind == Timeout && matches!(self.cause, Cause::NoAnswer | Cause::Io(_))
    }

    /// Whether more came than was asked for.
    #[cfg(feature = "upstash")]
    pub(super) fn is_flood(&self) -> bool {
        matches!(self.cause, Cause::Flood)
    }

    /// The error of the backend with this name.
    pub(crate) fn of(self, backend: &'static str) -> BackendError {
        let error = BackendError::new(backend, self.kind).with_source(self.cause);
        match self.retry_after {
            Some(after) => error.with_retry_after(after),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16) -> BackendErrorKind {
        Failure::status(StatusCode::from_u16(status).unwrap(), None).kind
    }

    #[test]
    fn statuses_have_the_kind_a_caller_can_act_on() {
        for (kind_of, statuses) in [
            (Misconfigured, &[300, 301, 302, 303, 307, 308, 404, 405][..]),
            (Denied, &[401, 403, 407]),
            (Timeout, &[408, 504]),
            (TooLarge, &[413]),
            (Throttled, &[429, 507]),
            (Transient, &[425, 500, 502, 503, 520, 599]),
            (Rejected, &[100, 400, 409, 411, 412, 415, 418, 451, 501, 505, 600, 999]),
        ] {
            for &status in statuses {
                assert_eq!(kind(status), kind_of, "{status}");
            }
        }
    }

    #[test]
    fn streams_of_http_2_have_a_kind() {
        for (reason, kind) in [
            (h2::Reason::REFUSED_STREAM, Transient),
            (h2::Reason::INTERNAL_ERROR, Transient),
            (h2::Reason::ENHANCE_YOUR_CALM, Throttled),
            (h2::Reason::HTTP_1_1_REQUIRED, Misconfigured),
            (h2::Reason::COMPRESSION_ERROR, Rejected),
        ] {
            assert_eq!(Failure::h2(&reason.into()).kind, kind);
        }
    }

    #[test]
    fn text_of_a_socket_is_not_kept() {
        let failure = Failure::io(&io::Error::new(io::ErrorKind::ConnectionReset, "hunter2"));
        assert_eq!(failure.kind, Transient);
        assert!(!format!("{:?}", failure.of("a")).contains("hunter2"));
    }
}
