//! `UpstashBackend`, on Upstash's REST API over a real Redis.

mod answers;
mod bytes;
mod faithful;
mod floods;
mod limits;
mod misbehaviour;
mod tls;
mod wire;

use std::future::Future;

use blindcache::{BackendError, UpstashBackend};
use blindcache_server_tests::{
    in_time,
    upstash::{TOKEN, Upstash},
};

blindcache_server_tests::remote_suite!(Upstash);

/// The backend for this database, with the default limits.
fn at(upstash: &Upstash) -> UpstashBackend {
    UpstashBackend::new(&upstash.url(), TOKEN).unwrap()
}

/// The error that the call ends with, in time.
async fn error<T>(call: impl Future<Output = Result<T, BackendError>>) -> BackendError {
    let Err(err) = in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "upstash");
    err
}

/// What Redis itself holds under this name.
fn held(upstash: &Upstash, name: &str) -> Option<Vec<u8>> {
    upstash.redis.admin(&["GET", name])
}
