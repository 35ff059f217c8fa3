//! `CloudflareKvBackend`, on Cloudflare's REST contract over a local KV namespace, and on servers that misbehave; and the
//! Worker of `examples/`.

mod answers;
mod example;
mod floods;
mod limits;
mod log;
mod misbehaviour;
mod throttle;
mod tls;

use std::time::Duration;

use blindcache::{Backend, BackendError, BackendErrorKind as Kind, CloudflareKvBackend};
use blindcache_server_tests::{Asked, Cloudflare, HANG, Said, entry, in_time, key};

blindcache_server_tests::remote_suite!(Cloudflare);

/// A backend for what listens on this port that has enough time, so that no test is about time.
fn at(port: u16) -> CloudflareKvBackend {
    Cloudflare::builder(port).timeout(HANG).build().unwrap()
}

/// How each method's call ends, in time; the batches have two names.
async fn kinds(backend: &impl Backend) -> [Result<(), Kind>; 8] {
    let writes = vec![(key(2), entry(2, 200), None), (key(3), entry(3, 200), Some(Duration::from_secs(90)))];
    let keys = [key(1), key(2)];
    [
        kind(backend.get(&key(1))).await,
        kind(backend.set(&key(1), entry(1, 200), None)).await,
        kind(backend.delete(&key(1))).await,
        kind(backend.exists(&key(1))).await,
        kind(backend.get_many(&keys)).await,
        kind(backend.set_many(writes)).await,
        kind(backend.delete_many(&keys)).await,
        kind(backend.ping()).await,
    ]
}

async fn kind<T>(call: impl Future<Output = Result<T, BackendError>>) -> Result<(), Kind> {
    in_time(call).await.map(drop).map_err(|err| {
        assert_eq!(err.backend(), "cloudflare-kv");
        err.kind()
    })
}

/// The envelope of an error.
fn refusal(status: u16, code: u64) -> Said {
    let errors = format!(r#"[{{"code":{code},"message":"hunter2"}}]"#);
    Said::answer(status, "", format!(r#"{{"success":false,"errors":{errors},"messages":[],"result":null}}"#))
}

/// The envelope of a success.
fn success(result: &str) -> Said {
    Said::answer(200, "", format!(r#"{{"success":true,"errors":[],"messages":[],"result":{result}}}"#))
}

/// Whether this is a read of the entry itself.
fn reads_a_value(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path.contains("/values/")
}
