//! A server that sends more than it was asked for, less, or something else.

use blindcache::{Backend, BackendErrorKind as Kind, HttpBackend};
use blindcache_server_tests::{
    Fake, HttpFake, LIMIT, Remote as _, Said, Store as _, entry,
    http::{Contract, Misdeed, Speaks, impatient},
    key,
};

use crate::{failing, kinds};

/// What the sockets and buffers on both sides hold by themselves.
const BUFFERS: usize = 16 << 20;

async fn servers() -> [Contract; 2] {
    [Contract::speaking(Speaks::Http1).await, Contract::speaking(Speaks::Tls2).await]
}

#[tokio::test]
async fn body_longer_than_an_entry_is_rejected_and_not_read() {
    for server in servers().await {
        let backend = server.builder(server.port).max_entry(1 << 20).build().unwrap();
        backend.set(&key(1), entry(1, 1 << 20), None).await.unwrap();
        for misdeed in [Misdeed::Endless(200), Misdeed::Long(100_000_000)] {
            server.set(misdeed);
            for _ in 0..3 {
                assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Rejected);
                assert_eq!(failing(backend.delete(&key(1))).await.kind(), Kind::Rejected);
                assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await.kind(), Kind::Rejected);
                assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await.kind(), Kind::Rejected);
            }
        }
        let taken = server.poured();
        println!("{taken} bytes were taken of 30 floods");
        assert!(taken < 30 * BUFFERS, "{taken} bytes were taken");
        server.set(Misdeed::None);
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 1 << 20).as_bytes());
    }
}

/// What is bounded is the body of an error, too, but the status counts.
#[tokio::test]
async fn endless_error_is_an_error_of_its_kind() {
    for server in servers().await {
        let backend = server.backend();
        for (status, kind) in [(500, Kind::Transient), (401, Kind::Denied)] {
            server.set(Misdeed::Endless(status));
            assert_eq!(kinds(&backend).await, [kind; 8]);
        }
        server.set(Misdeed::Endless(404));
        assert_eq!(backend.get(&key(1)).await.unwrap(), None);
        server.set(Misdeed::None);
        backend.ping().await.unwrap();
    }
}

#[tokio::test]
async fn slow_body_is_a_time_out() {
    for server in servers().await {
        let backend = server.impatient(server.port);
        server.set(Misdeed::Slow);
        assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
        server.set(Misdeed::Silence);
        assert_eq!(kinds(&backend).await, [Kind::Timeout; 8]);
        server.set(Misdeed::None);
        backend.ping().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_decompressed() {
    for server in servers().await {
        let backend = server.builder(server.port).max_entry(1 << 20).build().unwrap();
        let Misdeed::Bomb(bomb) = Misdeed::bomb() else { unreachable!() };
        assert!(bomb.len() < 100_000);
        server.set(Misdeed::Bomb(bomb.clone()));
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), bomb);
    }
}

/// A server that says no early often closes before its words are out, or has no end of them.
#[tokio::test]
async fn status_counts_though_the_body_does_not_arrive() {
    for (status, kind) in
        [(413, Kind::TooLarge), (401, Kind::Denied), (429, Kind::Throttled), (503, Kind::Transient)]
    {
        let reply = format!("HTTP/1.1 {status} x\r\nRetry-After: 7\r\nContent-Length: 10\r\n\r\nabc");
        let reply = reply.into_bytes();
        for said in [Said::Last, Said::Bytes] {
            let reply = reply.clone();
            let server = HttpFake::start(move |_| said(reply.clone())).await;
            let backend = impatient(server.port);
            for _ in 0..2 {
                // Also where a limit around the call is somewhat shorter than its own.
                let name = key(1);
                let err = tokio::time::timeout(LIMIT, failing(backend.get(&name))).await.unwrap();
                let after = Some(std::time::Duration::from_secs(7));
                assert_eq!((err.kind(), err.retry_after()), (kind, after), "{status}");
            }
        }
    }
}

async fn raw(reply: &[u8]) -> (Fake, HttpBackend) {
    let fake = Fake::start(reply).await;
    let backend = impatient(fake.port);
    (fake, backend)
}

#[tokio::test]
async fn answer_that_is_not_http_is_rejected() {
    for garbage in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"+PONG\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    ] {
        let (_fake, backend) = raw(garbage).await;
        for _ in 0..2 {
            assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Rejected, "{garbage:?}");
        }
    }
}

/// Headers without an end.
#[tokio::test]
async fn endless_head_is_rejected() {
    let head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(1 << 20)].concat();
    let (_fake, backend) = raw(&head).await;
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Rejected);
}

/// More bytes than the length says belong to no later answer.
#[tokio::test]
async fn wrong_lengths_reach_no_other_call() {
    let (_fake, backend) = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n").await;
    for _ in 0..10 {
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), "abc");
    }
    // Fewer bytes, and then nothing.
    let (_fake, backend) = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc").await;
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
}

#[tokio::test]
async fn length_of_a_lie_reserves_no_memory() {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 134217728\r\n\r\nabc";
    let fake = Fake::start(reply).await;
    let backend =
        HttpBackend::builder(&format!("http://127.0.0.1:{}", fake.port)).timeout(LIMIT).build().unwrap();
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Timeout);
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 134217729\r\n\r\nabc";
    let (_fake, backend) = raw(reply).await;
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Kind::Rejected);
}
