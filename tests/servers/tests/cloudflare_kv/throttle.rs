//! "Too many requests" is believed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{Cloudflare, HttpFake, Said, entry, in_time, key, until};

use crate::{at, kinds, refusal, success};

#[tokio::test]
async fn nothing_is_asked_for_as_long_as_the_server_said() {
    let throttles = Arc::new(AtomicBool::new(false));
    let says = throttles.clone();
    let fake = HttpFake::start(move |_| match says.load(SeqCst) {
        true => Said::answer(429, "retry-after: 2\r\n", "hunter2"),
        false => success("null"),
    })
    .await;
    let backend = at(fake.port);
    backend.ping().await.unwrap();
    throttles.store(true, SeqCst);
    let start = Instant::now();
    let err = backend.clone().get(&key(1)).await.unwrap_err();
    assert_eq!((err.kind(), err.retry_after()), (Kind::Throttled, Some(Duration::from_secs(2))));
    throttles.store(false, SeqCst);

    let asked = fake.asked().len();
    assert_eq!(kinds(&backend).await, [Err(Kind::Throttled); 8]);
    let left = backend.exists(&key(1)).await.unwrap_err().retry_after().unwrap();
    assert!(left > Duration::ZERO && left < Duration::from_secs(2), "{left:?}");
    assert_eq!(fake.asked().len(), asked);
    until("the pause is over", async || backend.ping().await.is_ok()).await;
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(fake.asked().len(), asked + 1);
    assert_eq!(kinds(&backend).await, [Ok(()); 8]);
}

#[tokio::test]
async fn server_that_does_not_say_how_long_is_left_alone_for_a_second() {
    let fake = HttpFake::start(|_| refusal(429, 971)).await;
    let backend = at(fake.port);
    let err = backend.get(&key(1)).await.unwrap_err();
    assert_eq!((err.kind(), err.retry_after()), (Kind::Throttled, None));
    let err = backend.get(&key(1)).await.unwrap_err();
    assert!(err.retry_after().unwrap() <= Duration::from_secs(1));
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn limit_of_the_api_is_met_and_passes() {
    let window = Duration::from_secs(2);
    let server = tokio::task::spawn_blocking(move || Cloudflare::with_limit(100, window)).await.unwrap();
    let backend = at(server.0.port);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let mut met = None;
    while met.is_none() {
        met = in_time(backend.get(&key(1))).await.err();
    }
    let met = met.unwrap();
    assert_eq!(met.kind(), Kind::Throttled);
    assert!(met.retry_after().unwrap() <= window);
    until("it passes", async || in_time(backend.get(&key(1))).await.is_ok()).await;
    assert_eq!(in_time(backend.get(&key(1))).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}
