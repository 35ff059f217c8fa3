//! What Redis replied, in the forms that Upstash's REST API gives it.

use std::io::Write as _;

use data_encoding::BASE64;
use redis::{ServerError, Value};
use serde_json::{Value as Json, json};

/// The form that the headers of a request ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Strings as text: what is not UTF-8 in them is lost.
    Text,
    /// Strings in base64.
    Base64,
    /// The replies themselves.
    Resp2,
}

/// `{"result": …}` or `{"error": …}`.
pub(super) fn json(reply: &Value, form: Form) -> Json {
    match reply {
        Value::ServerError(err) => json!({ "error": text(err) }),
        reply => json!({ "result": result(reply, form) }),
    }
}

fn result(reply: &Value, form: Form) -> Json {
    match reply {
        Value::Nil => Json::Null,
        Value::Int(number) => json!(number),
        Value::Okay => json!("OK"), // never in base64
        Value::SimpleString(line) => string(line.as_bytes(), form),
        Value::BulkString(bytes) => string(bytes, form),
        Value::Array(items) => items.iter().map(|item| result(item, form)).collect(),
        Value::ServerError(err) => json!(text(err)),
        other => panic!("not RESP2: {other:?}"),
    }
}

fn string(bytes: &[u8], form: Form) -> Json {
    match form {
        Form::Base64 => json!(BASE64.encode(bytes)),
        _ => json!(String::from_utf8_lossy(bytes)),
    }
}

/// As on a connection of Redis.
pub(super) fn resp2(reply: &Value, into: &mut Vec<u8>) {
    match reply {
        Value::Nil => into.extend(b"$-1\r\n"),
        Value::Int(number) => write!(into, ":{number}\r\n").unwrap(),
        Value::Okay => into.extend(b"+OK\r\n"),
        Value::SimpleString(line) => write!(into, "+{line}\r\n").unwrap(),
        Value::BulkString(bytes) => {
            write!(into, "${}\r\n", bytes.len()).unwrap();
            into.extend(bytes);
            into.extend(b"\r\n");
        }
        Value::Array(items) => {
            write!(into, "*{}\r\n", items.len()).unwrap();
            items.iter().for_each(|item| resp2(item, into));
        }
        Value::ServerError(err) => write!(into, "-{}\r\n", text(err)).unwrap(),
        other => panic!("not RESP2: {other:?}"),
    }
}

/// The line of an error reply.
pub(super) fn text(err: &ServerError) -> String {
    [err.code(), err.details().unwrap_or_default()].join(" ").trim_end().to_owned()
}
