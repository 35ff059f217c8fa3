//! A call of each method.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use blindcache::{Backend, BackendError, BackendErrorKind};

use crate::{entry, in_time, key};

/// The longest call of [`each_method`] in this process, in milliseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// How long the longest call of [`each_method`] in this process took.
pub fn longest_call() -> Duration {
    Duration::from_millis(LONGEST.load(SeqCst))
}

/// How a call of each method ends, each within this time: `get`, `set`, `delete`, `exists`, the same for batches of two
/// names, but `exists`, and `ping`. What is under `key(1)` is only read.
pub async fn each_method(backend: &impl Backend, within: Duration) -> [Result<(), BackendErrorKind>; 8] {
    let writes = vec![(key(2), entry(2, 200), None), (key(3), entry(3, 200), None)];
    let name = backend.name();
    [
        kind(name, within, backend.get(&key(1))).await,
        kind(name, within, backend.set(&key(2), entry(2, 200), None)).await,
        kind(name, within, backend.delete(&key(2))).await,
        kind(name, within, backend.exists(&key(1))).await,
        kind(name, within, backend.get_many(&[key(1), key(2)])).await,
        kind(name, within, backend.set_many(writes)).await,
        kind(name, within, backend.delete_many(&[key(2), key(3)])).await,
        kind(name, within, backend.ping()).await,
    ]
}

async fn kind<T>(
    name: &str,
    within: Duration,
    call: impl Future<Output = Result<T, BackendError>>,
) -> Result<(), BackendErrorKind> {
    let started = Instant::now();
    let outcome = in_time(call).await;
    let took = started.elapsed();
    LONGEST.fetch_max(took.as_millis() as u64, SeqCst);
    assert!(took < within, "{took:?}");
    outcome.map(drop).map_err(|err| {
        assert_eq!(err.backend(), name);
        err.kind()
    })
}
