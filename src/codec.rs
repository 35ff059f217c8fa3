//! Values as MessagePack with named fields, and the check that a payload is exactly one of them.

mod check;
mod guard;
#[cfg(test)]
mod tests;

use std::io;

use rmp_serde::{Deserializer, Serializer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(crate) use check::{check, check_encoded};

use crate::error::Unreadable;
use guard::{Guard, State};

/// Why [`encode`] stopped. What the type or rmp-serde said is dropped: it may hold the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// The writer failed, at least once: it is full. Or more than the limit was to be collected in memory.
    Full,
    /// More than 64 containers inside each other, or 256 `Some` and newtype structs.
    TooDeep,
    /// The type's own `Serialize` failed.
    Refused,
}

/// Writes `value`, of at most `limit` bytes, into `out`, which holds it to that limit. What stands there afterwards still
/// has to pass [`check`]: a type that breaks serde's rules, say by a wrong length, is not noticed here.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: impl io::Write,
    limit: u32,
) -> Result<(), EncodeError> {
    let mut out = Watched { out, failed: false };
    let state = State::new(limit);
    let done = value.serialize(Guard::new(&mut Serializer::new(&mut out).with_struct_map(), &state));
    // A failure stands even where the type's own `Serialize` swallowed it: then a part is missing.
    match (state.refused(), done) {
        _ if out.failed => Err(EncodeError::Full),
        (Some(why), _) => Err(why),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err(EncodeError::Refused),
    }
}

/// Reads what [`encode`] wrote. Nothing of the payload reaches `T` before all of it has passed [`check`].
pub(crate) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Unreadable> {
    check(payload)?;
    let mut deserializer = Deserializer::from_read_ref(payload);
    let value = T::deserialize(&mut deserializer).map_err(|_| Unreadable::Undecodable)?;
    // A `T` may stop early, inside the one value that `check` saw.
    match Option::<Unread>::deserialize(&mut deserializer) {
        Ok(_) => Err(Unreadable::Undecodable),
        Err(_) => Ok(value),
    }
}

/// `Option<Unread>` reads one marker and nothing after it, so it fails at the end of the input and only there.
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

/// A writer that remembers whether it ever failed.
struct Watched<W> {
    out: W,
    failed: bool,
}

impl<W: io::Write> io::Write for Watched<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_all(data).map(|()| data.len())
    }

    #[inline]
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.out.write_all(data).inspect_err(|_| self.failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
