//! `HttpBackend` on nginx with WebDAV, on nginx with Lua and Redis, and on a server of the tests that misbehaves.

mod answers;
mod certificates;
mod conformance;
mod floods;
mod healing;
mod misbehaviour;
mod quiet;
mod suites;

use std::future::Future;

use blindcache::{Backend, BackendError, BackendErrorKind};
use blindcache_server_tests::{entry, in_time, key};

/// The error that the call ends with, in time.
async fn failing<T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendError {
    let Err(err) = in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "http");
    err
}

/// The kinds that calls of every method end with: get, set, delete, exists, the three batches, ping.
async fn kinds(backend: &impl Backend) -> [BackendErrorKind; 8] {
    let writes = || vec![(key(2), entry(2, 200), None), (key(3), entry(3, 200), None)];
    [
        failing(backend.get(&key(1))).await.kind(),
        failing(backend.set(&key(2), entry(2, 200), None)).await.kind(),
        failing(backend.delete(&key(2))).await.kind(),
        failing(backend.exists(&key(1))).await.kind(),
        failing(backend.get_many(&[key(1), key(2)])).await.kind(),
        failing(backend.set_many(writes())).await.kind(),
        failing(backend.delete_many(&[key(2), key(3)])).await.kind(),
        failing(backend.ping()).await.kind(),
    ]
}
