//! The commands: the meta protocol, as memcached's `doc/protocol.txt` has it.

use std::{
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::MemcachedBackend;
use crate::{
    clock::Clock,
    crypto::{Sealed, StoreKey},
};

/// Bytes for which a request gets one more second: 4 MiB, the speed of a line of 34 Mbit/s.
const BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;
/// Most commands in one request of a batch.
const MAX_COUNT: usize = 512;
/// Most bytes in a request of several commands.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The same over TLS: what fits into one record, and into what memcached reads at once. When it has read a part of a record
/// it waits for the next one before it looks at the rest, so it must never have to.
pub(super) const MAX_BYTES_BY_TLS: usize = 16 * 1024;
/// What a command takes at most besides its name and entry.
const FRAME: usize = 64;

/// Longest time in seconds that the server takes for one from now on: 30 days. Above, it is a time since 1970.
const RELATIVE: u64 = 30 * 24 * 3_600;
/// What the server's clock may be ahead in seconds when an entry expires.
const MARGIN: u64 = 2;
const LATEST: u64 = MemcachedBackend::LAST_EXPIRY;

/// The token of the next command. No two commands of a process have the same.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub(super) enum Command<'a> {
    Get(&'a StoreKey),
    Exists(&'a StoreKey),
    Delete(&'a StoreKey),
    Set(&'a StoreKey, &'a Sealed, Option<Duration>),
    /// Deletes what was stored before an entry that is too large to be.
    Refuse(&'a StoreKey),
    Noop,
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Entry,
    Presence,
    Deleted,
    Stored,
    Refused,
    Noop,
}

/// Commands that are sent as one.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// What each is answered with, and its token.
    pub(super) answers: Vec<(Answer, u64)>,
}

impl<'a> Command<'a> {
    /// A write, or the refusal of an entry larger than this in bytes.
    pub(super) fn write(
        key: &'a StoreKey,
        entry: &'a Sealed,
        ttl: Option<Duration>,
        max_entry: usize,
    ) -> Self {
        if entry.len() > max_entry { Self::Refuse(key) } else { Self::Set(key, entry, ttl) }
    }

    /// The name that it is about.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Get(key) | Self::Exists(key) | Self::Delete(key) | Self::Refuse(key) => key.as_str(),
            Self::Set(key, ..) => key.as_str(),
            Self::Noop => "",
        }
    }

    fn size(&self) -> usize {
        let entry = if let Self::Set(_, entry, _) = self { entry.len() } else { 0 };
        FRAME + self.key().len() + entry
    }
}

impl Request {
    pub(super) fn one(command: &Command<'_>) -> Self {
        let mut request = Self { bytes: Vec::with_capacity(command.size()), answers: Vec::with_capacity(1) };
        request.add(command);
        request
    }

    /// The first few of these commands: as many as fit into so many bytes, or a single one.
    pub(super) fn first_of(commands: &[Command<'_>], max_bytes: usize) -> Option<Self> {
        let mut request = Self::one(commands.first()?);
        for command in commands.iter().take(MAX_COUNT).skip(1) {
            if request.bytes.len() + command.size() > max_bytes {
                break;
            }
            request.bytes.reserve(command.size());
            request.add(command);
        }
        Some(request)
    }

    fn add(&mut self, command: &Command<'_>) {
        let token = NEXT.fetch_add(1, Relaxed);
        let bytes = &mut self.bytes;
        // Writing to a Vec cannot fail.
        let (answer, _) = match command {
            Command::Get(key) => (Answer::Entry, write!(bytes, "mg {} v O{token}\r\n", key.as_str())),
            Command::Exists(key) => (Answer::Presence, write!(bytes, "mg {} O{token}\r\n", key.as_str())),
            Command::Delete(key) => (Answer::Deleted, write!(bytes, "md {} O{token}\r\n", key.as_str())),
            Command::Refuse(key) => (Answer::Refused, write!(bytes, "md {} O{token}\r\n", key.as_str())),
            Command::Set(key, entry, ttl) => {
                let (size, time) = (entry.len(), expiry(*ttl, Clock::default().now()));
                let _ = write!(bytes, "ms {} {size} T{time} O{token}\r\n", key.as_str());
                bytes.extend_from_slice(entry.as_bytes());
                (Answer::Stored, write!(bytes, "\r\n"))
            }
            Command::Noop => (Answer::Noop, write!(bytes, "mn\r\n")),
        };
        self.answers.push((answer, token));
    }

    /// The limit that is set, and the time that sending this takes on a slow line.
    pub(super) fn limit(&self, limit: Duration) -> Duration {
        let nanos = (self.bytes.len() as u64).saturating_mul(1_000_000_000) / BYTES_PER_SECOND;
        limit.saturating_add(Duration::from_nanos(nanos))
    }
}

/// When the server is to drop an entry: 0 for never, seconds from now, or seconds since 1970.
///
/// Two seconds more, so that no entry goes early: the server counts whole seconds, one of which is under way, and looks at
/// its clock only once in a second.
fn expiry(ttl: Option<Duration>, now_ms: u64) -> u64 {
    let Some(ttl) = ttl else { return 0 };
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0)).saturating_add(MARGIN);
    if seconds <= RELATIVE {
        return seconds;
    }
    let now = now_ms / 1_000;
    let time = now.saturating_add(seconds).min(LATEST);
    // From December 2037 on, 30 days are the longest that can be said.
    if time <= now.saturating_add(RELATIVE) { RELATIVE } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn seconds(ttl: Duration) -> u64 {
        expiry(Some(ttl), NOW * 1_000 + 999)
    }

    #[test]
    fn ttl_is_rounded_up_to_seconds_and_never_ends_early() {
        assert_eq!(expiry(None, NOW * 1_000), 0);
        assert_eq!(seconds(Duration::ZERO), 2);
        assert_eq!(seconds(Duration::from_nanos(1)), 3);
        assert_eq!(seconds(Duration::from_millis(1_000)), 3);
        assert_eq!(seconds(Duration::from_millis(1_001)), 4);
    }

    #[test]
    fn ttl_above_30_days_is_a_time_since_1970() {
        let month = Duration::from_secs(RELATIVE);
        assert_eq!(seconds(month - Duration::from_secs(MARGIN)), RELATIVE);
        assert_eq!(seconds(month), NOW + RELATIVE + MARGIN);
        assert_eq!(seconds(month * 2), NOW + 2 * RELATIVE + MARGIN);
    }

    #[test]
    fn ttl_is_cut_at_the_latest_time_and_to_30_days_near_it() {
        assert_eq!(seconds(Duration::MAX), LATEST);
        let late = |now| expiry(Some(Duration::MAX), now * 1_000);
        assert_eq!(late(LATEST - RELATIVE - 1), LATEST);
        for now in [LATEST - RELATIVE, LATEST, LATEST + 1, u64::MAX / 1_000] {
            assert_eq!(late(now), RELATIVE);
        }
    }

    #[test]
    fn limit_grows_with_the_size_sent() {
        let of = |size| {
            let request = Request { bytes: vec![0; size], answers: Vec::new() };
            request.limit(Duration::from_secs(2))
        };
        assert_eq!(of(0), Duration::from_secs(2));
        assert_eq!(of(4 << 20), Duration::from_secs(3));
        assert_eq!(of(64 << 20), Duration::from_secs(18));
    }

    #[test]
    fn batches_are_cut_by_count_and_by_bytes() {
        assert_eq!(cut(&vec![116; MAX_COUNT + 1], MAX_BYTES), [MAX_COUNT, 1]);
        assert_eq!(cut(&[MAX_BYTES / 3; 5], MAX_BYTES), [2, 2, 1]);
        assert_eq!(cut(&[MAX_BYTES * 2, 116, MAX_BYTES, 116], MAX_BYTES), [1, 1, 1, 1]);
        assert_eq!(cut(&[1_500; 25], MAX_BYTES_BY_TLS), [10, 10, 5]);
        assert!(cut(&[], MAX_BYTES).is_empty());
    }

    fn cut(sizes: &[usize], max_bytes: usize) -> Vec<usize> {
        let key = StoreKey::probe();
        let entries: Vec<_> = sizes.iter().map(|size| sealed(*size)).collect();
        let commands: Vec<_> = entries.iter().map(|entry| Command::Set(&key, entry, None)).collect();
        let mut left = commands.as_slice();
        std::iter::from_fn(|| {
            let request = Request::first_of(left, max_bytes)?;
            assert!(request.bytes.len() <= max_bytes || request.answers.len() == 1);
            left = &left[request.answers.len()..];
            Some(request.answers.len())
        })
        .collect()
    }

    #[test]
    fn no_command_is_larger_than_its_size() {
        let key = StoreKey::parse(&format!("{}{}", "p".repeat(64), StoreKey::probe().as_str())).unwrap();
        let entry = sealed(1_000_000);
        for command in [Command::Set(&key, &entry, Some(Duration::MAX)), Command::Get(&key), Command::Noop] {
            // A token may become 14 digits longer than here.
            assert!(Request::one(&command).bytes.len() + 14 <= command.size());
        }
    }

    #[test]
    fn no_two_commands_have_one_token() {
        let key = StoreKey::probe();
        let commands = [Command::Get(&key), Command::Get(&key)];
        let one = Request::first_of(&commands, MAX_BYTES).unwrap();
        let other = Request::one(&commands[0]);
        let tokens: Vec<_> = one.answers.iter().chain(&other.answers).map(|(_, token)| token).collect();
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
        let expected = format!("mg {} v O{}\r\n", key.as_str(), other.answers[0].1);
        assert_eq!(other.bytes, expected.as_bytes());
    }

    #[test]
    fn entry_over_the_limit_becomes_a_delete() {
        let (key, entry) = (StoreKey::probe(), sealed(1_001));
        let command = Command::write(&key, &entry, None, 1_000);
        assert!(Request::one(&command).bytes.starts_with(b"md "));
        let command = Command::write(&key, &entry, None, 1_001);
        assert!(Request::one(&command).bytes.starts_with(b"ms "));
    }

    fn sealed(size: usize) -> Sealed {
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(b"\xC1bc\x01");
        Sealed::parse(bytes).unwrap()
    }
}
