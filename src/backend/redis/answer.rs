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

/// How many bytes an answer took on the wire. An absent value and the code of an error can be written in several ways:
/// they count in full up to `most` bytes in all, so that many of them hide nothing else. A push message is none.
pub(super) fn size(answer: &Value, most: u64) -> u64 {
    let (sure, likely) = sizes(answer);
    sure + likely.min(most)
}

fn sizes(answer: &Value) -> (u64, u64) {
    let digits = |number: u64| u64::from(number.checked_ilog10().unwrap_or(0)) + 1;
    let head = |length: usize| digits(length as u64) + 3;
    let all = |length: usize, parts: &mut dyn Iterator<Item = &Value>| {
        parts.map(sizes).fold((head(length), 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    match answer {
        Value::Nil => (3, 2), // `_`, or `$-1`
        Value::Int(number) => (digits(number.unsigned_abs()) + u64::from(*number < 0) + 3, 0),
        Value::Okay => (5, 0),
        Value::BulkString(bytes) => (head(bytes.len()) + bytes.len() as u64 + 2, 0),
        Value::SimpleString(text) => (text.len() as u64 + 3, 0),
        Value::ServerError(err) => {
            (err.details().map_or(0, str::len) as u64 + 3, err.code().len() as u64 + 1)
        }
        Value::Array(parts) | Value::Set(parts) => all(parts.len(), &mut parts.iter()),
        Value::Map(pairs) => all(pairs.len(), &mut pairs.iter().flat_map(|(key, value)| [key, value])),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_the_size_that_it_came_with() {
        for answer in [
            "$-1\r\n",
            ":0\r\n",
            ":-10\r\n",
            ":1000\r\n",
            "+OK\r\n",
            "+PONG\r\n",
            "$0\r\n\r\n",
            "$10\r\n0123456789\r\n",
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            "*3\r\n$1\r\na\r\n$-1\r\n*1\r\n:9\r\n",
            "%1\r\n$1\r\na\r\n:9\r\n",
        ] {
            let value = redis::parse_redis_value(answer.as_bytes()).unwrap();
            assert_eq!(size(&value, 16), answer.len() as u64, "{answer}");
        }
    }

    #[test]
    fn many_absent_values_and_errors_hide_little_else() {
        for (part, most) in [("_\r\n", 16), ("-\r\n", 16), ("*0\r\n", 0), (":0\r\n", 0), (">1\r\n+a\r\n", 0)]
        {
            let answer = format!("*1000\r\n{}", part.repeat(1_000));
            let value = redis::parse_redis_value(answer.as_bytes()).unwrap();
            assert!(size(&value, 16) <= answer.len() as u64 + most, "{part}");
        }
    }
}
