//! What the client and the server say, as a [`BackendError`].
//!
//! No text of a server is kept: a hostile or old one echoes what it was sent, a password among it. Of its errors only
//! the code survives, and only if it is one of these.

use std::{error::Error as StdError, io, sync::Arc};

use crate::{
    backend::{socket, tls},
    error::{
        BackendError,
        BackendErrorKind::{self, Denied, Misconfigured, Rejected, Throttled, Timeout, Transient},
    },
};
use redis::{ErrorKind, RedisError, ServerError};

/// The errors of servers that mean something to a cache. All others are [`Rejected`].
const CODES: [(&str, BackendErrorKind); 21] = [
    ("BUSY", Transient),
    ("CLUSTERDOWN", Transient),
    ("LOADING", Transient),
    ("MASTERDOWN", Transient),
    ("MISCONF", Transient), // "unable to persist": writes are refused until the disk is well again
    ("NOREPLICAS", Transient),
    ("READONLY", Transient), // a primary that was demoted: the next connection finds the new one
    ("TRYAGAIN", Transient),
    ("OOM", Throttled),
    ("DENIED", Denied), // protected mode
    ("NOAUTH", Denied),
    ("NOPERM", Denied),
    ("WRONGPASS", Denied),
    ("ASK", Misconfigured), // a node of a cluster
    ("CROSSSLOT", Misconfigured),
    ("MOVED", Misconfigured),
    ("NOPROTO", Misconfigured),
    ("ERR", Rejected),
    ("EXECABORT", Rejected),
    ("NOSUB", Rejected),
    ("WRONGTYPE", Rejected),
];

/// A [`BackendError`] that can be given to every caller who waits for the same thing.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: BackendErrorKind,
    cause: Cause,
}

#[derive(Debug, Clone, thiserror::Error)]
enum Cause {
    #[error("the server answered {0}")]
    Code(&'static str),
    #[error("the server answered with an error of another program")]
    UnknownCode,
    #[error("the server accepts no more connections")]
    Full,
    #[error("the user name or the password was refused")]
    Login,
    #[error("the answer has not the type that this command gives")]
    Unexpected,
    #[error("the answer is not RESP")]
    Garbage,
    #[error("no connection within the limit")]
    NoConnection,
    #[error("no answer within the limit")]
    NoAnswer,
    #[error("the host name was not found")]
    Lookup(#[source] Arc<io::Error>),
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
    #[error("TLS failed: {0}")]
    Tls(&'static str),
    #[error("more came than the calls can be answered with")]
    Flood,
    #[error("larger than the largest entry that is set")]
    TooLarge,
    #[error("{0}")]
    Setting(&'static str),
    #[cfg(feature = "redis-cluster")]
    #[error("no server of the service says that it is the master")]
    NoMaster,
    #[cfg(feature = "redis-cluster")]
    #[error("no node serves this part of the names")]
    Unserved,
    #[cfg(feature = "redis-cluster")]
    #[error("the nodes point to each other")]
    Astray,
}

impl Failure {
    /// From the client, which passes on what the connection, the login and the parser said.
    pub(super) fn client(err: &RedisError) -> Self {
        match err.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::code(err.code().unwrap_or_default(), err.detail().unwrap_or_default())
            }
            ErrorKind::AuthenticationFailed => Self { kind: Denied, cause: Cause::Login },
            // The client's parser says so of a reply that the end of the connection cut.
            ErrorKind::Parse if err.detail().is_some_and(|text| text.contains("end of input")) => {
                Self::io(io::ErrorKind::UnexpectedEof.into())
            }
            ErrorKind::Parse => Self { kind: Rejected, cause: Cause::Garbage },
            ErrorKind::Io => Self::client_io(err),
            ErrorKind::RESP3NotSupported => Self::setting("the server does not speak RESP3"),
            ErrorKind::InvalidClientConfig => Self::setting("the client's settings cannot work"),
            _ => Self::unexpected(),
        }
    }

    /// From an error reply.
    pub(super) fn server(err: &ServerError) -> Self {
        Self::code(err.code(), err.details().unwrap_or_default())
    }

    fn code(code: &str, details: &str) -> Self {
        if details.starts_with("max number of clients") {
            return Self { kind: Transient, cause: Cause::Full };
        }
        match CODES.iter().find(|(known, _)| *known == code) {
            Some(&(code, kind)) => Self { kind, cause: Cause::Code(code) },
            None => Self { kind: Rejected, cause: Cause::UnknownCode },
        }
    }

    /// The client wraps what the socket said twice.
    fn client_io(err: &RedisError) -> Self {
        let inner = err.source().and_then(|source| source.downcast_ref::<Arc<dyn StdError + Send + Sync>>());
        match inner.and_then(|inner| inner.downcast_ref::<io::Error>()) {
            Some(io) => match tls::error_in(io) {
                Some(err) => Self::tls(&err),
                None => Self::io(io::Error::from(io.kind())),
            },
            None => Self::io(io::Error::from(io::ErrorKind::Other)),
        }
    }

    /// From the socket, or from TLS above it.
    pub(super) fn io(err: io::Error) -> Self {
        match tls::error_in(&err) {
            Some(err) => Self::tls(&err),
            None => Self { kind: socket::kind(&err), cause: Cause::Io(Arc::new(err)) },
        }
    }

    /// A name that was found before is in passing trouble; one that never was is most likely wrong.
    pub(super) fn lookup(err: io::Error, found_before: bool) -> Self {
        let kind = if found_before { Transient } else { Misconfigured };
        Self { kind, cause: Cause::Lookup(Arc::new(err)) }
    }

    fn tls(err: &rustls::Error) -> Self {
        Self { kind: tls::kind(err), cause: Cause::Tls(tls::words(err)) }
    }

    /// An answer of another type than the command gives.
    pub(super) fn unexpected() -> Self {
        Self { kind: Rejected, cause: Cause::Unexpected }
    }

    /// The server sent more than the calls in flight can be answered with.
    pub(super) fn flood() -> Self {
        Self { kind: Rejected, cause: Cause::Flood }
    }

    pub(super) fn no_connection() -> Self {
        Self { kind: Timeout, cause: Cause::NoConnection }
    }

    pub(super) fn no_answer() -> Self {
        Self { kind: Timeout, cause: Cause::NoAnswer }
    }

    pub(super) fn too_large() -> Self {
        Self { kind: BackendErrorKind::TooLarge, cause: Cause::TooLarge }
    }

    pub(super) fn setting(what: &'static str) -> Self {
        Self { kind: Misconfigured, cause: Cause::Setting(what) }
    }

    /// Whether the connection was lost, so that the call can be made again on another.
    pub(super) fn lost_connection(&self) -> bool {
        matches!(self.cause, Cause::Io(_) | Cause::Tls(_))
    }

    /// Whether the next call should have another connection: this one is lost, late, out of step or refused.
    pub(super) fn spoils_connection(&self) -> bool {
        let spoils = matches!(self.cause, Cause::NoAnswer | Cause::Garbage | Cause::Flood | Cause::Full);
        spoils || self.lost_connection()
    }

    /// Whether another connection may do better: the server was demoted and the address may lead to the new primary
    /// by now, or the login was lost.
    pub(super) fn outdates_connection(&self) -> bool {
        matches!(self.cause, Cause::Code("READONLY" | "MASTERDOWN" | "NOAUTH"))
    }
}

/// For what is made of several servers.
#[cfg(feature = "redis-cluster")]
impl Failure {
    pub(super) fn no_master() -> Self {
        Self { kind: Transient, cause: Cause::NoMaster }
    }

    pub(super) fn unserved() -> Self {
        Self { kind: Transient, cause: Cause::Unserved }
    }

    pub(super) fn astray() -> Self {
        Self { kind: Transient, cause: Cause::Astray }
    }

    /// From the answer to a question about the cluster.
    pub(super) fn no_cluster(err: &ServerError) -> Self {
        match err.details() {
            Some(text) if text.contains("cluster support disabled") => {
                Self::setting("the server is not a node of a cluster")
            }
            _ => Self::server(err),
        }
    }

    /// Which of two to tell: that one server is out of reach says less than what another answered.
    pub(super) fn more_telling(first: Option<Self>, second: Self) -> Self {
        match first {
            Some(first) if !matches!(first.kind, Transient | Timeout) => first,
            _ => second,
        }
    }

    /// Whether another node may serve the name by now.
    pub(super) fn outdates_map(&self) -> bool {
        matches!(self.kind, Transient | Timeout)
    }
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        Self::new(super::NAME, failure.kind).with_source(failure.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(reply: &str) -> BackendErrorKind {
        let redis::Value::ServerError(err) = redis::parse_redis_value(reply.as_bytes()).unwrap() else {
            panic!("not an error reply");
        };
        BackendError::from(Failure::server(&err)).kind()
    }

    #[test]
    fn server_errors_have_the_kind_a_caller_can_act_on() {
        for (code, expected) in CODES {
            assert_eq!(kind(&format!("-{code} something\r\n")), expected, "{code}");
        }
        assert_eq!(kind("-ERR max number of clients reached\r\n"), Transient);
        assert_eq!(kind("-NEW thing\r\n"), Rejected);
        assert_eq!(kind("-\r\n"), Rejected);
    }

    #[test]
    fn text_of_a_server_is_in_no_error() {
        for reply in ["-ERR AUTH hunter2\r\n", "-HUNTER2\r\n", "-HUNTER hunter2\r\n", "-OOM hunter2\r\n"] {
            let redis::Value::ServerError(err) = redis::parse_redis_value(reply.as_bytes()).unwrap() else {
                panic!("not an error reply");
            };
            for failure in [Failure::server(&err), Failure::client(&err.into())] {
                let shown = format!("{failure:?} {:?}", BackendError::from(failure.clone()));
                assert!(!shown.to_lowercase().contains("hunter"), "{shown}");
            }
        }
    }

    #[test]
    fn names_that_a_certificate_lists_are_in_no_error() {
        let err = BackendError::from(Failure::io(tls::for_hunter2()));
        assert_eq!(err.kind(), Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"), "{err:?}");
    }
}
