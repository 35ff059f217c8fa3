//! `MemcachedBackend`, on real servers.

mod answers;
mod fake;
mod faults;
mod hostile;
mod misbehaviour;
mod servers;
mod ways;

blindcache_server_tests::remote_suite!(blindcache_server_tests::Memcached);

/// The kind of the error that the call ends with, in time.
async fn failing<T>(
    call: impl Future<Output = Result<T, blindcache::BackendError>>,
) -> blindcache::BackendErrorKind {
    let Err(err) = blindcache_server_tests::in_time(call).await else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "memcached");
    err.kind()
}
