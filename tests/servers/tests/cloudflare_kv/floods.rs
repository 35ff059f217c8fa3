//! Answers of any length: no more is read than what was asked for can have.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{Cloudflare, HttpFake, Said, in_time, key, peak};

use crate::{at, kind, kinds, reads_a_value, success};

/// More than the sockets hold of what one side sends and the other does not read, on all connections of a test.
const SOCKETS: usize = 100 << 20;
/// The largest entry in these tests.
const MAX_ENTRY: usize = 1 << 20;

#[tokio::test]
async fn endless_answer_is_rejected_and_not_read() {
    for head in [
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFF\r\n",
        "HTTP/1.1 200 x\r\ncontent-length: 100000000\r\n\r\n",
        "HTTP/1.1 200 x\r\n\r\n", // until the connection ends
    ] {
        let fake = HttpFake::start(|_| Said::Flood(head.into())).await;
        let backend = Cloudflare::builder(fake.port).max_entry(MAX_ENTRY).timeout(Duration::from_secs(8));
        assert_eq!(kinds(&backend.build().unwrap()).await, [Err(Kind::Rejected); 8]);
        assert!(fake.flooded() < SOCKETS, "{} bytes were taken", fake.flooded());
    }
}

#[tokio::test]
async fn endless_refusal_is_known_by_its_status() {
    let head = "HTTP/1.1 503 x\r\ncontent-length: 100000000\r\n\r\n";
    let fake = HttpFake::start(|_| Said::Flood(head.into())).await;
    assert_eq!(kinds(&at(fake.port)).await, [Err(Kind::Transient); 8]);
    assert!(fake.flooded() < SOCKETS, "{} bytes were taken", fake.flooded());
}

/// Only 200 is a value, and what is neither a value nor short is not parsed.
#[tokio::test]
async fn long_success_that_is_no_value_fills_no_memory() {
    let body = [b"[", &br#"{"":0},"#.repeat(9_000_000 / 7)[..], b"0]"].concat();
    let fake = HttpFake::start(move |_| Said::answer(201, "", &body)).await;
    let before = peak();
    assert_eq!(kind(at(fake.port).get(&key(1))).await, Err(Kind::Rejected));
    let more = peak() - before;
    assert!(more < 300 << 20, "{more} bytes");
}

/// Of a 404 the code counts, which says what is not there; of other refusals the status.
#[tokio::test]
async fn refusal_that_breaks_off_is_known_by_its_status_where_that_says_enough() {
    for (status, expected) in
        [(404, Kind::Transient), (400, Kind::Transient), (401, Kind::Denied), (429, Kind::Throttled)]
    {
        let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: 100\r\n\r\n{{\"success");
        let fake = HttpFake::start(move |_| Said::Last(reply.clone().into())).await;
        assert_eq!(kind(at(fake.port).get(&key(1))).await, Err(expected), "{status}");
    }
}

#[tokio::test]
async fn long_envelope_is_rejected() {
    let fake = HttpFake::start(|_| success(&format!("\"{}\"", "x".repeat(100_000)))).await;
    let [get, set, delete, exists, ..] = kinds(&at(fake.port)).await;
    assert_eq!(
        [get, set, delete, exists],
        [Ok(()), Err(Kind::Rejected), Err(Kind::Rejected), Err(Kind::Rejected)]
    );
}

#[tokio::test]
async fn compressed_answer_is_not_decompressed() {
    // 8 bytes of a bomb are as good as all of it: they come as they are.
    let fake = HttpFake::start(|asked| match reads_a_value(asked) {
        true => Said::answer(200, "content-encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0"),
        false => success("null"),
    })
    .await;
    let backend = at(fake.port);
    let found = in_time(backend.get(&key(1))).await.unwrap().unwrap();
    assert_eq!(found, &b"\x1f\x8b\x08\0\0\0\0\0"[..]);
    assert!(fake.asked().iter().all(|asked| !asked.head.contains("accept-encoding")));
}

#[tokio::test]
async fn answer_that_drips_is_late() {
    let head = "HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\nhalf";
    let fake = HttpFake::start(|_| Said::Bytes(head.into())).await;
    let backend = Cloudflare::builder(fake.port).timeout(Duration::from_millis(300)).build().unwrap();
    assert_eq!(kind(backend.get(&key(1))).await, Err(Kind::Timeout));
    assert_eq!(kinds(&backend).await, [Err(Kind::Timeout); 8]);
}
