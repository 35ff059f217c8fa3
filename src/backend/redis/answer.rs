//! What the answers to the commands may be.

use bytes::Bytes;
use redis::Value;

use super::error::Failure;

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
