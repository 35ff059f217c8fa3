//! One reply in RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>: strictly, and without a copy.

use std::ops::Range;

use bytes::Bytes;

/// Longest first line of a reply without its end, in bytes: an error's text, or a number.
pub(super) const MAX_LINE: usize = 4 * 1024;
/// Most bytes that a reply has around an entry: `$`, the length, and two line ends.
pub(super) const FRAME: usize = 32;

/// A reply to one of our commands; none of them gives an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `$3␍␊abc␍␊`
    Bulk(Bytes),
    /// `$-1␍␊`
    Nil,
    /// `:1␍␊`
    Integer(i64),
    /// `+OK␍␊`
    Line(Bytes),
    /// `-ERR …␍␊`
    Error(Bytes),
}

/// Not exactly one reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

impl Reply {
    /// What a command says that gives nothing.
    pub(super) const OK: Self = Self::Line(Bytes::from_static(b"OK"));

    /// The reply that these bytes are: all of them, and nothing behind it.
    pub(super) fn parse(bytes: &Bytes) -> Result<Self, Garbage> {
        let line = line(bytes).ok_or(Garbage)?;
        let rest = line.end + 2;
        let text = &bytes[line.clone()];
        let alone = |reply| if rest == bytes.len() { Ok(reply) } else { Err(Garbage) };
        match bytes[0] {
            b'$' if text == b"-1" => alone(Self::Nil),
            b'$' => {
                let size = usize::try_from(number(text)?).map_err(|_| Garbage)?;
                let end = rest.checked_add(size).ok_or(Garbage)?;
                match bytes.get(end..) {
                    Some(b"\r\n") => Ok(Self::Bulk(bytes.slice(rest..end))),
                    _ => Err(Garbage),
                }
            }
            b':' => alone(Self::Integer(number(text)?)),
            b'+' => alone(Self::Line(bytes.slice(line))),
            b'-' => alone(Self::Error(bytes.slice(line))),
            _ => Err(Garbage),
        }
    }
}

/// Where the first line is, without the byte that tells the type and without its end.
fn line(bytes: &[u8]) -> Option<Range<usize>> {
    let end = bytes.iter().take(MAX_LINE + 2).position(|byte| matches!(byte, b'\r' | b'\n'))?;
    (end > 0 && bytes[end..].starts_with(b"\r\n")).then_some(1..end)
}

/// A number in its one form: no sign but a minus, no zeros before it.
fn number(text: &[u8]) -> Result<i64, Garbage> {
    let number: i64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Garbage)?;
    if number.to_string().as_bytes() == text { Ok(number) } else { Err(Garbage) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::fuzz::written, *};

    fn parse(bytes: &[u8]) -> Result<Reply, Garbage> {
        Reply::parse(&Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        assert_eq!(parse(b"$0\r\n\r\n"), Ok(Reply::Bulk(Bytes::new())));
        assert_eq!(parse(b"$6\r\na\r\n\0\xFFb\r\n"), Ok(Reply::Bulk(Bytes::from_static(b"a\r\n\0\xFFb"))));
        assert_eq!(parse(b"$-1\r\n"), Ok(Reply::Nil));
        assert_eq!(parse(b":0\r\n"), Ok(Reply::Integer(0)));
        assert_eq!(parse(b":-9223372036854775808\r\n"), Ok(Reply::Integer(i64::MIN)));
        assert_eq!(parse(b"+OK\r\n"), Ok(Reply::Line(Bytes::from_static(b"OK"))));
        assert_eq!(parse(b"-ERR no\r\n"), Ok(Reply::Error(Bytes::from_static(b"ERR no"))));
    }

    #[test]
    fn what_is_not_exactly_one_reply_is_garbage() {
        let long = [b"+".as_slice(), &[b'x'; MAX_LINE + 2], b"\r\n"].concat();
        for bytes in [
            &b""[..],
            b"\r\n",
            b"$",
            b"$3",
            b"$3\r",
            b"$3\n",
            b"$3\r\n",
            b"$3\r\nabc",
            b"$3\r\nabc\r",
            b"$3\r\nabc\n\r",
            b"$3\r\nabcd\r\n",
            b"$3\r\nab\r\n",
            b"$3\r\nabc\r\n+OK\r\n",
            b"$03\r\nabc\r\n",
            b"$+3\r\nabc\r\n",
            b"$ 3\r\nabc\r\n",
            b"$-2\r\n",
            b"$-1\r\n\r\n",
            b"$-0\r\n\r\n",
            b"$\r\n\r\n",
            b"$18446744073709551615\r\n",
            b"$9223372036854775807\r\nabc\r\n",
            b":1",
            b":\r\n",
            b":1\r\n:1\r\n",
            b":+1\r\n",
            b":9223372036854775808\r\n",
            b":1\n",
            b"+O\rK\r\n",
            b"*0\r\n",
            b"*1\r\n$3\r\nabc\r\n",
            b"_\r\n",
            b"{\"result\":\"OK\"}",
            b"\0$3\r\nabc\r\n",
            &long,
        ] {
            assert_eq!(parse(bytes), Err(Garbage), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_byte_for_byte(entry in vec(any::<u8>(), 0..300)) {
            let entry = Bytes::from(entry);
            prop_assert_eq!(parse(&written(&Reply::Bulk(entry.clone()))), Ok(Reply::Bulk(entry)));
        }

        #[test]
        fn nothing_panics(bytes in vec(any::<u8>(), 0..60)) {
            if let Ok(reply) = parse(&bytes) {
                prop_assert_eq!(written(&reply), bytes);
            }
        }

        /// Near a reply, where most mistakes are.
        #[test]
        fn what_is_read_is_written_the_same(mut bytes in "[$:+*-]{1,2}[0-9-]{0,3}(\r\n)?[a-c\r\n]{0,4}(\r\n)?", cut in 0..9_usize) {
            bytes.truncate(bytes.len().saturating_sub(cut / 4));
            if let Ok(reply) = parse(bytes.as_bytes()) {
                prop_assert_eq!(written(&reply), bytes.as_bytes());
            }
        }
    }
}
