//! The commands, and what their answers may be.

use std::{mem, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};

use super::error::Failure;
use crate::{
    backend::Write,
    crypto::{Sealed, StoreKey},
};

/// Most bytes of an answer without an entry. Redis cuts what it quotes in its errors; this is many times that.
const PLAIN: u64 = 4 * 1024;
/// Bytes for which a request gets one more second: 4 MiB, the speed of a line of 34 Mbit/s.
const BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;
/// Most commands, or names, in one request of a batch: others' requests wait no longer than for these.
pub(super) const MAX_COUNT: usize = 512;
/// The size in bytes from which a request of a batch takes no further entry.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Longest time to live in milliseconds that is asked for, 146 million years. Redis refuses one that ends after 2^63
/// milliseconds of its clock, and this leaves room for any clock.
const MAX_TTL: u64 = 1 << 62;
/// About what the protocol puts around an argument.
const FRAME: usize = 16;

/// One command, or some that are sent as one.
pub(super) struct Request {
    what: What,
    /// Size in bytes.
    size: usize,
    /// How many entries it may be answered with.
    entries: usize,
}

enum What {
    One(Cmd),
    Many(Pipeline),
}

impl Request {
    pub(super) fn ping() -> Self {
        Self::one(Cmd::with_capacity(1, 4).arg("PING"), 4)
    }

    pub(super) fn select(db: i64) -> Self {
        Self::one(redis::cmd("SELECT").arg(db), 2 * FRAME)
    }

    pub(super) fn get(key: &StoreKey) -> Self {
        Self { entries: 1, ..Self::on_key("GET", key) }
    }

    pub(super) fn exists(key: &StoreKey) -> Self {
        Self::on_key("EXISTS", key)
    }

    pub(super) fn delete(key: &StoreKey) -> Self {
        Self::on_key("UNLINK", key)
    }

    pub(super) fn set(key: &StoreKey, entry: &Sealed, ttl: Option<Duration>) -> Self {
        Self::one(&mut set(key, entry, ttl), write_size(key, entry))
    }

    pub(super) fn get_many(keys: &[StoreKey]) -> Self {
        let size = keys.iter().map(|key| key.as_str().len() + FRAME).sum();
        let mut cmd = Cmd::with_capacity(keys.len() + 1, size);
        cmd.arg("MGET");
        for key in keys {
            cmd.arg(key.as_str());
        }
        Self { entries: keys.len(), ..Self::one(&mut cmd, size) }
    }

    /// One `UNLINK` for each name, to know of each whether it was there.
    pub(super) fn delete_many(keys: &[StoreKey]) -> Self {
        let mut pipeline = Pipeline::with_capacity(keys.len());
        let mut size = 0;
        for key in keys {
            pipeline.cmd("UNLINK").arg(key.as_str());
            size += key.as_str().len() + 2 * FRAME;
        }
        Self::many(pipeline, size)
    }

    /// The next few writes, and how many they are.
    pub(super) fn set_many(writes: &mut impl Iterator<Item = Write>) -> Option<(Self, usize)> {
        let mut pipeline = Pipeline::new();
        let mut size = 0;
        for (key, entry, ttl) in writes {
            pipeline.add_command(set(&key, &entry, ttl));
            size += write_size(&key, &entry);
            if pipeline.len() == MAX_COUNT || size >= MAX_BYTES {
                break;
            }
        }
        let count = pipeline.len();
        (count > 0).then(|| (Self::many(pipeline, size), count))
    }

    fn on_key(name: &str, key: &StoreKey) -> Self {
        let size = name.len() + key.as_str().len() + 2 * FRAME;
        Self::one(Cmd::with_capacity(2, size).arg(name).arg(key.as_str()), size)
    }

    fn one(cmd: &mut Cmd, size: usize) -> Self {
        Self { what: What::One(mem::take(cmd)), size, entries: 0 }
    }

    fn many(pipeline: Pipeline, size: usize) -> Self {
        Self { what: What::Many(pipeline), size, entries: 0 }
    }

    /// The response limit: the one that is set, and the time that sending this takes on a slow line.
    pub(super) fn limit(&self, response: Duration) -> Duration {
        let nanos = (self.size as u64).saturating_mul(1_000_000_000) / BYTES_PER_SECOND;
        response.saturating_add(Duration::from_nanos(nanos))
    }

    /// Most bytes that the answer has, where no entry is larger than `max_entry`.
    pub(super) fn largest_answer(&self, max_entry: usize) -> u64 {
        let answers = match &self.what {
            What::One(_) => 1,
            What::Many(pipeline) => pipeline.len() as u64,
        };
        answers * PLAIN + self.entries as u64 * (max_entry + FRAME) as u64
    }

    /// The answer, or for many commands the array of their answers.
    pub(super) async fn send(&self, mut client: MultiplexedConnection) -> RedisResult<Value> {
        match &self.what {
            What::One(cmd) => client.send_packed_command(cmd).await,
            What::Many(pipeline) => {
                client.send_packed_commands(pipeline, 0, pipeline.len()).await.map(Value::Array)
            }
        }
    }

    /// The failure that the server answered with, in place of any of the answers.
    pub(super) fn refusal(&self, answer: &Value) -> Option<Failure> {
        let answers = match (&self.what, answer) {
            (What::Many(_), Value::Array(answers)) => answers.as_slice(),
            (_, answer) => std::slice::from_ref(answer),
        };
        answers.iter().find_map(|answer| match answer {
            Value::ServerError(err) => Some(Failure::server(err)),
            _ => None,
        })
    }
}

fn set(key: &StoreKey, entry: &Sealed, ttl: Option<Duration>) -> Cmd {
    let mut cmd = Cmd::with_capacity(5, key.as_str().len() + entry.len() + 2 * FRAME);
    cmd.arg("SET").arg(key.as_str()).arg(entry.as_bytes());
    if let Some(ttl) = ttl {
        cmd.arg("PX").arg(milliseconds(ttl));
    }
    cmd
}

fn write_size(key: &StoreKey, entry: &Sealed) -> usize {
    key.as_str().len() + entry.len() + 5 * FRAME
}

/// Whether the entry is one that would be read back.
pub(super) fn fits(entry: &Sealed, max_entry: usize) -> Result<(), Failure> {
    if entry.len() > max_entry { Err(Failure::too_large()) } else { Ok(()) }
}

/// Rounded up: an entry may live a little longer, since the time within the seal decides.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).clamp(1, MAX_TTL)
}

/// The answer to `GET`, without a copy.
pub(super) fn entry(answer: Value) -> Result<Option<Bytes>, Failure> {
    match answer {
        Value::BulkString(entry) => Ok(Some(Bytes::from(entry))),
        Value::Nil => Ok(None),
        _ => Err(Failure::unexpected()),
    }
}

/// The answer to `EXISTS` or `UNLINK` of one name.
pub(super) fn flag(answer: Value) -> Result<bool, Failure> {
    match answer {
        Value::Int(0) => Ok(false),
        Value::Int(1) => Ok(true),
        _ => Err(Failure::unexpected()),
    }
}

/// The answer to `SET`.
pub(super) fn done(answer: Value) -> Result<(), Failure> {
    match answer {
        Value::Okay => Ok(()),
        _ => Err(Failure::unexpected()),
    }
}

/// The answer to `PING`.
pub(super) fn pong(answer: &Value) -> Result<(), Failure> {
    match answer {
        Value::SimpleString(_) => Ok(()),
        _ => Err(Failure::unexpected()),
    }
}

/// The answers to a batch, one for each of `count`.
pub(super) fn each(answer: Value, count: usize) -> Result<Vec<Value>, Failure> {
    match answer {
        Value::Array(answers) if answers.len() == count => Ok(answers),
        _ => Err(Failure::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BackendError, BackendErrorKind};

    #[test]
    fn ttl_is_rounded_up_and_cut() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::from_nanos(1_500_000_001)), 1501);
        assert_eq!(milliseconds(Duration::MAX), MAX_TTL);
    }

    #[test]
    fn limit_grows_with_the_size_sent() {
        let of = |size| Request::one(&mut Cmd::new(), size).limit(Duration::from_secs(1));
        assert_eq!(of(0), Duration::from_secs(1));
        assert_eq!(of(4 * 1024 * 1024), Duration::from_secs(2));
        assert_eq!(of(64 * 1024 * 1024), Duration::from_secs(17));
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
        std::iter::from_fn(|| Request::set_many(&mut writes)).map(|(_, count)| count).collect()
    }

    #[test]
    fn entry_over_the_limit_is_too_large() {
        assert!(fits(&sealed(1_000), 1_000).is_ok());
        let err = BackendError::from(fits(&sealed(1_001), 1_000).unwrap_err());
        assert_eq!(err.kind(), BackendErrorKind::TooLarge);
    }

    #[test]
    fn largest_answer_has_room_for_each_entry() {
        let answer = |request: Request| request.largest_answer(1 << 29);
        let keys = || vec![StoreKey::probe(); MAX_COUNT];
        assert!(answer(Request::get(&keys()[0])) >= 1 << 29);
        assert!(answer(Request::get_many(&keys())) >= (MAX_COUNT as u64) << 29);
        assert!(answer(Request::delete_many(&keys())) < 4 << 20);
        assert!(answer(Request::ping()) < 8 << 10);
    }

    fn sealed(size: usize) -> Sealed {
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(b"\xC1bc\x01");
        Sealed::parse(bytes).unwrap()
    }
}
