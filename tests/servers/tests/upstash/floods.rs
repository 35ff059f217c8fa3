//! A server may send one largest entry, and little more.

use std::time::Duration;

use blindcache::{
    Backend,
    BackendErrorKind::{Rejected, Transient},
    UpstashBackend,
};
use blindcache_server_tests::{
    entry, healed, key, peak,
    upstash::{Instead, TOKEN, Upstash},
};

use crate::error;

const MAX_ENTRY: usize = 1 << 20;
/// More than the sockets and the HTTP libraries hold of what one side sends and the other does not read.
const SOCKETS: usize = 24 << 20;

/// 100 MB that are announced, and a reply without end, in each form; then the backend works on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_rejected_and_not_read() {
    let upstash = Upstash::start();
    let builder = UpstashBackend::builder(&upstash.url(), TOKEN).max_entry(MAX_ENTRY);
    let backend = builder.timeout(Duration::from_secs(30)).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    for start in ["$100000000\r\n", "+", "[{\"result\":\"", "[", ""] {
        for length in [Some(100 << 20), None] {
            upstash.answers_always(Instead::Flood { start: start.into(), length });
            let before = upstash.taken();
            let kinds = [
                error(backend.get(&key(1))).await.kind(),
                error(backend.get_many(&[key(1), key(2)])).await.kind(),
                error(backend.set(&key(1), entry(1, 200), None)).await.kind(),
                error(backend.delete_many(&[key(1)])).await.kind(),
                error(backend.exists(&key(1))).await.kind(),
            ];
            assert_eq!(kinds, [Rejected; 5], "{start} {length:?}");
            // 7 answers, since a batch that floods is asked for singly.
            let taken = upstash.taken() - before;
            assert!(taken < 7 * SOCKETS, "{start} {length:?}: {taken} bytes were taken");
        }
    }
    upstash.answers_well();
    healed(&backend).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

/// What is said to be compressed is not made larger.
#[tokio::test]
async fn compressed_answers_are_not_unpacked() {
    let upstash = Upstash::start();
    let backend = UpstashBackend::new(&upstash.url(), TOKEN).unwrap();
    let headers = vec![("content-encoding", "gzip".to_owned())];
    let body = b"$-1\r\n".to_vec();
    upstash.answers_always(Instead::Answer { status: 200, headers, body });
    // It is read as the bytes that it is.
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    let headers = vec![("content-encoding", "gzip".to_owned())];
    let body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    upstash.answers_always(Instead::Answer { status: 200, headers, body });
    assert_eq!(error(backend.get(&key(1))).await.kind(), Rejected);
}

/// JSON that a general parser makes a hundred times larger costs no more than its own length, in a success or an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_of_many_small_things_fills_no_memory() {
    let upstash = Upstash::start();
    let builder = UpstashBackend::builder(&upstash.url(), TOKEN);
    let backend = builder.timeout(Duration::from_secs(60)).build().unwrap();
    let things = br#"{"":0},"#.repeat(9_000_000 / 7);
    for body in [[b"[", &things[..], b"0]"].concat(), [b"{\"x\":[", &things[..], b"0]}"].concat()] {
        for (status, kind) in [(200, Rejected), (500, Transient)] {
            upstash.answers_always(Instead::Answer { status, headers: vec![], body: body.clone() });
            let before = peak();
            assert_eq!(error(backend.get(&key(1))).await.kind(), kind);
            assert_eq!(error(backend.get_many(&[key(1), key(2)])).await.kind(), kind);
            let more = peak() - before;
            assert!(more < 300 << 20, "{more} bytes for an answer of {}", body.len());
        }
    }
}
