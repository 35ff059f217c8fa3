//! For the fuzz target `upstash`.

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::json;

use super::{
    batch::{self, Item},
    builder::{check_token, check_url},
    refusal,
    resp2::Reply,
};

/// Commands of the longest pipeline that is tried.
const COUNT: usize = 4;

/// Any bytes as a reply in RESP2, as a pipeline's answer in JSON, and as an error in either form.
pub(crate) fn answer(body: &[u8]) {
    if let Ok(reply) = Reply::parse(&Bytes::copy_from_slice(body)) {
        assert_eq!(written(&reply), body);
    }
    let mut read = (0..=COUNT).filter_map(|count| Some((count, batch::parse(body, count).ok()?)));
    if let Some((count, items)) = read.next() {
        assert_eq!(items.len(), count);
        assert!(read.next().is_none(), "an answer to pipelines of two lengths");
        assert_eq!(batch::parse(&json_of(&items), count), Ok(items));
    }
    if let Some(text) = refusal::text(body) {
        assert!(text.len() <= 3 * body.len());
        refusal::meaning(&text);
    }
}

/// Any text as the URL of a database and as its token: what an error shows, where one is refused.
pub(crate) fn setting(text: &str) -> Option<String> {
    let refusals = [check_url(text), check_token(text)].map(Result::err);
    refusals.iter().any(Option::is_some).then(|| format!("{refusals:?}"))
}

/// What these bytes would be written as again.
pub(super) fn written(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Bulk(entry) => [format!("${}\r\n", entry.len()).as_bytes(), &entry[..], &b"\r\n"[..]].concat(),
        Reply::Nil => b"$-1\r\n".to_vec(),
        Reply::Integer(number) => format!(":{number}\r\n").into_bytes(),
        Reply::Line(line) => [&b"+"[..], &line[..], &b"\r\n"[..]].concat(),
        Reply::Error(line) => [&b"-"[..], &line[..], &b"\r\n"[..]].concat(),
    }
}

fn json_of(items: &[Item]) -> Vec<u8> {
    let items: Vec<_> = items
        .iter()
        .map(|item| match item {
            Item::Entry(entry) => json!({ "result": BASE64.encode(entry) }),
            Item::Nil => json!({ "result": null }),
            Item::Integer(number) => json!({ "result": number }),
            Item::Error(text) => json!({ "error": text }),
        })
        .collect();
    json!(items).to_string().into_bytes()
}
