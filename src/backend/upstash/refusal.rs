//! What Upstash answers in place of a result: <https://upstash.com/docs/redis/troubleshooting>.
//!
//! Of its text only what it means is kept: a hostile or a talkative server echoes what it was sent.

use super::batch;
use crate::error::BackendErrorKind::{self, Denied, Misconfigured, Rejected, Throttled, TooLarge, Transient};

/// What an error's text starts with, what it means to a cache, and what we say of it. The first that fits counts.
const MEANINGS: [(&str, BackendErrorKind, &str); 20] = [
    ("ERR max request size exceeded", TooLarge, "the request is larger than the plan allows"),
    ("ERR max single record size exceeded", TooLarge, "the entry is larger than the plan allows"),
    ("ERR max requests limit exceeded", Throttled, "the requests of the month are used up"),
    ("ERR max daily request limit exceeded", Throttled, "the requests of the day are used up"),
    ("ERR max concurrent connections exceeded", Throttled, "too many connections"),
    ("ERR DB capacity quota exceeded", Throttled, "the database is full"),
    ("WRONGPASS", Denied, "the token was refused"),
    ("NOAUTH", Denied, "the token was refused"),
    ("NOPERM", Denied, "the token does not allow this"),
    ("OOM", Throttled, "the database is full"),
    ("BUSY", Transient, "the server answered BUSY"),
    ("CLUSTERDOWN", Transient, "the server answered CLUSTERDOWN"),
    ("LOADING", Transient, "the server answered LOADING"),
    ("MASTERDOWN", Transient, "the server answered MASTERDOWN"),
    ("READONLY", Transient, "the server answered READONLY"),
    ("TRYAGAIN", Transient, "the server answered TRYAGAIN"),
    ("WRONGTYPE", Rejected, "another kind of value is under this name"),
    ("MOVED", Misconfigured, "the server is a node of a cluster"),
    ("ASK", Misconfigured, "the server is a node of a cluster"),
    ("CROSSSLOT", Misconfigured, "the server is a node of a cluster"),
];

/// What an error text means, in our words. `None` of another `ERR`, and of what is no error of Redis: its status says
/// as much.
pub(super) fn meaning(text: &str) -> Option<(BackendErrorKind, &'static str)> {
    let starts = |known: &str| {
        let rest = text.strip_prefix(known);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    // Of bandwidth, of commands in a second: a plan has several, and gets new ones.
    let limit = || text.starts_with("ERR max ") && text.contains("limit exceeded");
    match MEANINGS.iter().find(|(known, ..)| starts(known)) {
        Some(&(_, kind, words)) => Some((kind, words)),
        None => limit().then_some((Throttled, "a limit of the plan is reached")),
    }
}

/// Longest answer in bytes that is looked at for an error's text. Those of Upstash have about 100.
const LONGEST: usize = 16 * 1024;

/// The text of an error in either form: `-ERR …␍␊` or `{"error":"ERR …"}`.
pub(super) fn text(body: &[u8]) -> Option<String> {
    if body.len() > LONGEST {
        return None;
    }
    let Some(line) = body.strip_prefix(b"-") else { return batch::error(body) };
    let line = line.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<BackendErrorKind> {
        meaning(text).map(|(kind, _)| kind)
    }

    #[test]
    fn errors_have_the_kind_a_caller_can_act_on() {
        for (known, expected, _) in MEANINGS {
            assert_eq!(kind(known), Some(expected));
            assert_eq!(kind(&format!("{known}. Limit: 10000, Usage: 10001. See https://…")), Some(expected));
        }
        assert_eq!(kind("ERR max bandwidth limit exceeded"), Some(Throttled));
        assert_eq!(kind("ERR max commands per second limit exceeded"), Some(Throttled));
        for text in [
            "ERR max key size exceeded. Limit: X bytes, Actual: Z bytes",
            "ERR wrong number of arguments for 'get' command",
            "",
            "ERRATIC",
            "OOMPH",
            "not found",
            "err",
            " ERR",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn text_is_found_in_either_form() {
        assert_eq!(text(b"-ERR no such thing\r\n").as_deref(), Some("ERR no such thing"));
        assert_eq!(text(b"-ERR \xFF").as_deref(), Some("ERR \u{FFFD}"));
        assert_eq!(text(br#"{"error":"WRONGPASS no"}"#).as_deref(), Some("WRONGPASS no"));
        for body in ["", "+OK\r\n", "$3\r\n-ER\r\n", r#"{"error":1}"#, r#"{"result":"ERR"}"#, "[]", "<html>"]
        {
            assert_eq!(text(body.as_bytes()), None, "{body}");
        }
        let long = |length: usize| [b"-ERR ".as_slice(), &vec![b'x'; length - 5]].concat();
        assert!(text(&long(LONGEST)).is_some());
        assert!(text(&long(LONGEST + 1)).is_none());
    }
}
