//! A server may send one largest entry, and little more.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind::Rejected, UpstashBackend};
use blindcache_server_tests::{
    entry, healed, key,
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
