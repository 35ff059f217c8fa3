//! `DynamoDbBackend`, on servers that speak its protocol.

mod answers;
mod batches;
mod canned;
mod credentials;
mod floods;
mod hostile;
#[cfg(feature = "dynamodb-local")]
mod local;
mod misbehaviour;
mod sizes;
mod table;
mod tls;

use blindcache::{BackendError, BackendErrorKind};
use blindcache_server_tests::in_time;

blindcache_server_tests::remote_suite!(blindcache_server_tests::dynamodb::Dynoxide);

/// The error that the call ends with, in time.
async fn failed<T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendError {
    let Err(err) = in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "dynamodb");
    err
}

/// Its kind.
async fn failing<T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendErrorKind {
    failed(call).await.kind()
}
