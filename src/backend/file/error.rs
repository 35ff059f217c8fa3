//! What the operating system says, as a [`BackendError`]. None holds a path.

use std::{io, sync::Arc};

use rustix::io::Errno;

use super::NAME;
use crate::error::{
    BackendError,
    BackendErrorKind::{self, Denied, Misconfigured, Rejected, Timeout, TooLarge, Transient},
};

/// Why a directory, a setting or a call was refused by this backend itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Rule(&'static str);

#[derive(Debug, thiserror::Error)]
#[error("not every entry could be swept")]
struct Incomplete(#[source] Arc<BackendError>);

/// From a call on the file system.
pub(super) fn io(err: impl Into<io::Error>) -> BackendError {
    let err = err.into();
    BackendError::new(NAME, Errno::from_io_error(&err).map_or(Transient, kind)).with_source(err)
}

fn kind(errno: Errno) -> BackendErrorKind {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Denied,
        Errno::FBIG => TooLarge,
        // A full disk still reads: no reason for a breaker to keep every call from it.
        Errno::NOSPC | Errno::DQUOT => Rejected,
        // Something else stands in the way.
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => {
            Rejected
        }
        Errno::NAMETOOLONG | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => Rejected,
        Errno::TIMEDOUT => Timeout,
        _ => Transient,
    }
}

pub(super) fn misconfigured(rule: &'static str) -> BackendError {
    BackendError::new(NAME, Misconfigured).with_source(Rule(rule))
}

pub(super) fn too_large() -> BackendError {
    BackendError::new(NAME, TooLarge).with_source(Rule("larger than the largest entry that is set"))
}

pub(super) fn timeout() -> BackendError {
    BackendError::new(NAME, Timeout).with_source(Rule("the file system did not answer within the limit"))
}

/// Of a sweep, which went on all the same.
pub(super) fn incomplete(first: &Arc<BackendError>) -> BackendError {
    BackendError::new(NAME, first.kind()).with_source(Incomplete(first.clone()))
}

/// The runtime ended, or the call panicked, which nothing in it should.
pub(super) fn lost() -> BackendError {
    BackendError::new(NAME, Transient).with_source(Rule("the thread of the call ended before it answered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_number_has_its_kind() {
        for (errno, expected) in [
            (Errno::ACCESS, Denied),
            (Errno::PERM, Denied),
            (Errno::ROFS, Denied),
            (Errno::NOSPC, Rejected),
            (Errno::DQUOT, Rejected),
            (Errno::FBIG, TooLarge),
            (Errno::ISDIR, Rejected),
            (Errno::LOOP, Rejected),
            (Errno::TIMEDOUT, Timeout),
            (Errno::MFILE, Transient),
            (Errno::STALE, Transient),
            (Errno::IO, Transient),
        ] {
            assert_eq!(io(errno).kind(), expected, "{errno}");
            assert_eq!(io(errno).backend(), "file");
        }
        assert_eq!(io(io::Error::from(io::ErrorKind::WriteZero)).kind(), Transient);
    }
}
