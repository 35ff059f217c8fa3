//! No more of an answer is read than the largest entry allows.

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{dynamodb::patient, entry, key};

use crate::{
    canned::{Answer, Canned},
    failing,
};

/// What the sockets hold of what one side sends and the other does not read, and an answer of the largest size.
const SOCKETS: usize = 24 << 20;

async fn is_bounded(head: &'static str) {
    let server = Canned::start(move |_| Answer::Flood(head.into())).await;
    let backend = patient(server.port);
    let keys = [key(1), key(2), key(3)];
    assert_eq!(failing(backend.get(&keys[0])).await, Kind::Rejected, "{head}");
    assert_eq!(failing(backend.set(&keys[0], entry(1, 200), None)).await, Kind::Rejected, "{head}");
    assert_eq!(failing(backend.delete(&keys[0])).await, Kind::Rejected, "{head}");
    assert_eq!(failing(backend.exists(&keys[0])).await, Kind::Rejected, "{head}");
    assert_eq!(failing(backend.get_many(&keys)).await, Kind::Rejected, "{head}");
    assert_eq!(
        failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await,
        Kind::Rejected,
        "{head}"
    );
    assert_eq!(failing(backend.delete_many(&keys[..1])).await, Kind::Rejected, "{head}");
    assert_eq!(server.asked().len(), 7);
    assert!(server.taken() < 7 * SOCKETS, "{head}: {} bytes were taken", server.taken());
}

#[tokio::test]
async fn answer_of_100_mb_is_rejected() {
    is_bounded("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n").await;
}

#[tokio::test]
async fn answer_without_end_is_rejected() {
    is_bounded("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFF\r\n").await;
    is_bounded("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
}

#[tokio::test]
async fn error_without_end_is_rejected() {
    is_bounded("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n{\"__type\":\"").await;
    is_bounded("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 104857600\r\n\r\n").await;
}

#[tokio::test]
async fn head_without_end_is_rejected() {
    is_bounded("HTTP/1.1 200 OK\r\nx-hunter: ").await;
}
