//! The commands.

use std::{mem, time::Duration};

use redis::Cmd;

use crate::{
    backend::Write,
    crypto::{Sealed, StoreKey},
};

/// Most commands, or names, in one request of a batch: others' requests wait no longer than for these.
pub(super) const MAX_COUNT: usize = 512;
/// The size in bytes from which a request of a batch takes no further entry.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of an answer without an entry. Redis cuts what it quotes in its errors; this is many times that.
const PLAIN: u64 = 4 * 1024;
/// Longest time to live in milliseconds that is asked for, 146 million years. Redis refuses one that ends after 2^63
/// milliseconds of its clock, and this leaves room for any clock.
pub(super) const LONGEST_TTL: u64 = 1 << 62;
/// About what the protocol puts around an argument.
const FRAME: usize = 16;

/// A command, and how large it and its answer may be.
pub(super) struct Command {
    pub(super) cmd: Cmd,
    pub(super) scale: Scale,
}

/// How large a command and its answer may be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scale {
    /// Size in bytes of what is sent.
    pub(super) size: usize,
    /// How many entries the answer may have.
    entries: usize,
    /// Bytes that the answer may have besides.
    plain: u64,
}

impl Command {
    pub(super) fn ping() -> Self {
        Self::new(Cmd::with_capacity(1, 4).arg("PING"), 4)
    }

    pub(super) fn select(db: i64) -> Self {
        Self::new(redis::cmd("SELECT").arg(db), 2 * FRAME)
    }

    pub(super) fn get(key: &StoreKey) -> Self {
        Self::on_key("GET", key).answered_with(1)
    }

    pub(super) fn exists(key: &StoreKey) -> Self {
        Self::on_key("EXISTS", key)
    }

    /// One `UNLINK` for each name, to know of each whether it was there.
    pub(super) fn delete(key: &StoreKey) -> Self {
        Self::on_key("UNLINK", key)
    }

    pub(super) fn set(key: &StoreKey, entry: &Sealed, ttl: Option<Duration>) -> Self {
        let size = key.as_str().len() + entry.len() + 5 * FRAME;
        let mut cmd = Cmd::with_capacity(5, size);
        cmd.arg("SET").arg(key.as_str()).arg(entry.as_bytes());
        if let Some(ttl) = ttl {
            cmd.arg("PX").arg(milliseconds(ttl));
        }
        Self::new(&mut cmd, size)
    }

    pub(super) fn get_many(keys: &[StoreKey]) -> Self {
        let size = keys.iter().map(|key| key.as_str().len() + FRAME).sum();
        let mut cmd = Cmd::with_capacity(keys.len() + 1, size);
        cmd.arg("MGET");
        for key in keys {
            cmd.arg(key.as_str());
        }
        Self::new(&mut cmd, size).answered_with(keys.len())
    }

    fn on_key(name: &str, key: &StoreKey) -> Self {
        let size = name.len() + key.as_str().len() + 2 * FRAME;
        Self::new(Cmd::with_capacity(2, size).arg(name).arg(key.as_str()), size)
    }

    pub(super) fn new(cmd: &mut Cmd, size: usize) -> Self {
        Self { cmd: mem::take(cmd), scale: Scale { size, entries: 0, plain: PLAIN } }
    }

    fn answered_with(mut self, entries: usize) -> Self {
        self.scale.entries = entries;
        self
    }
}

/// For topologies, whose answers are long.
#[cfg(feature = "redis-cluster")]
impl Command {
    pub(super) fn of_words(words: &[&str], answer: u64) -> Self {
        let mut cmd = Cmd::new();
        cmd.arg(words);
        let size = words.iter().map(|word| word.len() + FRAME).sum();
        let mut command = Self::new(&mut cmd, size);
        command.scale.plain = answer;
        command
    }
}

impl Scale {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            size: self.size + other.size,
            entries: self.entries + other.entries,
            plain: self.plain + other.plain,
        }
    }

    /// Most bytes that the answer has, where no entry is larger than `max_entry`.
    pub(super) fn largest_answer(self, max_entry: usize) -> u64 {
        self.plain + self.entries as u64 * (max_entry + FRAME) as u64
    }

    /// Most bytes of it that can be written in several ways: see [`answer::size`](super::answer::size).
    pub(super) fn likely(self) -> u64 {
        (self.entries as u64 + self.plain / PLAIN) * 2 * FRAME as u64
    }
}

/// The next few writes, as many as one request may have. `None` if there are no more.
pub(super) fn next_part(writes: &mut impl Iterator<Item = Write>) -> Option<Vec<Write>> {
    let mut part = Vec::new();
    let mut size = 0;
    for write in writes {
        size += write.1.len();
        part.push(write);
        if part.len() == MAX_COUNT || size >= MAX_BYTES {
            break;
        }
    }
    (!part.is_empty()).then_some(part)
}

/// Rounded up: an entry may live a little longer, since the time within the seal decides.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).clamp(1, LONGEST_TTL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_is_rounded_up_and_cut() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::from_nanos(1_500_000_001)), 1501);
        assert_eq!(milliseconds(Duration::MAX), LONGEST_TTL);
    }

    #[test]
    fn writes_are_cut_by_count_and_by_bytes() {
        assert_eq!(cut(vec![116; MAX_COUNT + 1]), [MAX_COUNT, 1]);
        assert_eq!(cut(vec![MAX_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(cut(vec![MAX_BYTES * 2, 116]), [1, 1]);
        assert!(cut(vec![]).is_empty());
    }

    fn cut(sizes: Vec<usize>) -> Vec<usize> {
        let mut writes = sizes.into_iter().map(|size| (StoreKey::probe(), sealed(size), None));
        std::iter::from_fn(|| next_part(&mut writes)).map(|part| part.len()).collect()
    }

    #[test]
    fn largest_answer_has_room_for_each_entry() {
        let answer = |command: Command| command.scale.largest_answer(1 << 29);
        let keys = || vec![StoreKey::probe(); MAX_COUNT];
        assert!(answer(Command::get(&keys()[0])) >= 1 << 29);
        assert!(answer(Command::get_many(&keys())) >= (MAX_COUNT as u64) << 29);
        assert!(answer(Command::delete(&keys()[0])) < 8 << 10);
        assert!(answer(Command::ping()) < 8 << 10);
    }

    fn sealed(size: usize) -> Sealed {
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(b"\xC1bc\x01");
        Sealed::parse(bytes).unwrap()
    }
}
