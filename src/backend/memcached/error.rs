//! What servers and sockets say, as a [`BackendError`]. No text of a server is kept.

use std::{io, sync::Arc};

use crate::{
    backend::{
        socket::{self, NotConnected},
        tls,
    },
    error::{
        BackendError,
        BackendErrorKind::{self, Denied, Misconfigured, Rejected, Throttled, Timeout, TooLarge, Transient},
    },
};

/// A [`BackendError`] that can be given to every caller during a pause.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: BackendErrorKind,
    cause: Cause,
}

#[derive(Debug, Clone, thiserror::Error)]
enum Cause {
    #[error("the server is out of memory")]
    OutOfMemory,
    #[error("larger than an item may be on this server")]
    Item,
    #[error("the server answered SERVER_ERROR")]
    ServerError,
    #[error("the server answered CLIENT_ERROR")]
    ClientError,
    #[error("the server wants a login, which is not supported")]
    Login,
    #[error("the server does not know the meta commands")]
    NoMeta,
    #[error("the server accepts no more connections")]
    Full,
    #[error("the answer is not one that this command gives")]
    Unexpected,
    #[error("the answer belongs to another call")]
    Crossed,
    #[error("the answer is a line without an end")]
    Endless,
    #[error("an entry came that is larger than the largest that is set")]
    Oversized,
    #[error("no connection: its runtime ended")]
    Orphaned,
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
    #[error("larger than the largest entry that is set")]
    TooLarge,
    #[error("{0}")]
    Setting(&'static str),
}

impl Failure {
    /// From a line that is no answer to the command.
    pub(super) fn line(line: &[u8]) -> Self {
        let (kind, cause) = match line {
            b"SERVER_ERROR object too large for cache" => (TooLarge, Cause::Item),
            b"SERVER_ERROR out of memory storing object" => (Throttled, Cause::OutOfMemory),
            // Of an item in several parts, the first of which there was room for.
            b"SERVER_ERROR Out of memory during read" => (Throttled, Cause::OutOfMemory),
            b"CLIENT_ERROR unauthenticated" => (Denied, Cause::Login),
            b"ERROR Too many open connections" => (Transient, Cause::Full),
            b"ERROR" => (Misconfigured, Cause::NoMeta),
            line if line.starts_with(b"SERVER_ERROR") => (Transient, Cause::ServerError),
            line if line.starts_with(b"CLIENT_ERROR") => (Rejected, Cause::ClientError),
            _ => (Rejected, Cause::Unexpected),
        };
        Self { kind, cause }
    }

    /// From the socket, or from TLS above it.
    pub(super) fn io(err: io::Error) -> Self {
        match tls::error_in(&err) {
            Some(err) => Self { kind: tls::kind(&err), cause: Cause::Tls(tls::words(&err)) },
            None => Self { kind: socket::kind(&err), cause: Cause::Io(Arc::new(err)) },
        }
    }

    /// A name that was found before is in passing trouble; one that never was is most likely wrong.
    pub(super) fn not_connected(err: NotConnected, found_before: bool) -> Self {
        let kind = if found_before { Transient } else { Misconfigured };
        match err {
            NotConnected::Lookup(err) => Self { kind, cause: Cause::Lookup(Arc::new(err)) },
            NotConnected::Io(err) => Self::io(err),
        }
    }

    pub(super) fn unexpected() -> Self {
        Self { kind: Rejected, cause: Cause::Unexpected }
    }

    /// The answer does not carry the token of its command.
    pub(super) fn crossed() -> Self {
        Self { kind: Rejected, cause: Cause::Crossed }
    }

    pub(super) fn endless() -> Self {
        Self { kind: Rejected, cause: Cause::Endless }
    }

    /// An entry on its way to us that is larger than any that is sent.
    pub(super) fn oversized() -> Self {
        Self { kind: Rejected, cause: Cause::Oversized }
    }

    pub(super) fn orphaned() -> Self {
        Self { kind: Transient, cause: Cause::Orphaned }
    }

    pub(super) fn no_connection() -> Self {
        Self { kind: Timeout, cause: Cause::NoConnection }
    }

    pub(super) fn no_answer() -> Self {
        Self { kind: Timeout, cause: Cause::NoAnswer }
    }

    /// An entry that is not sent.
    pub(super) fn too_large() -> Self {
        Self { kind: TooLarge, cause: Cause::TooLarge }
    }

    pub(super) fn setting(what: &'static str) -> Self {
        Self { kind: Misconfigured, cause: Cause::Setting(what) }
    }

    /// Whether the connection was lost, so that the call can be made again on another.
    pub(super) fn lost_connection(&self) -> bool {
        matches!(self.cause, Cause::Io(_) | Cause::Tls(_))
    }

    /// Whether it is a whole answer to one write, after which the answers to later commands come as ever.
    pub(super) fn refuses_one_write(&self) -> bool {
        matches!(self.cause, Cause::OutOfMemory | Cause::Item)
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

    #[test]
    fn errors_of_a_server_have_the_kind_a_caller_can_act_on() {
        for (line, kind) in [
            ("SERVER_ERROR object too large for cache", TooLarge),
            ("SERVER_ERROR out of memory storing object", Throttled),
            ("SERVER_ERROR Out of memory during read", Throttled),
            ("SERVER_ERROR out of memory writing get response", Transient),
            ("SERVER_ERROR", Transient),
            ("CLIENT_ERROR bad data chunk", Rejected),
            ("CLIENT_ERROR unauthenticated", Denied),
            ("ERROR", Misconfigured),
            ("ERROR Too many open connections", Transient),
            ("ERROR something", Rejected),
            ("STORED", Rejected),
            ("", Rejected),
        ] {
            assert_eq!(BackendError::from(Failure::line(line.as_bytes())).kind(), kind, "{line}");
        }
    }

    #[test]
    fn names_that_a_certificate_lists_are_in_no_error() {
        let err = BackendError::from(Failure::io(tls::for_hunter2()));
        assert_eq!(err.kind(), Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"), "{err:?}");
    }
}
