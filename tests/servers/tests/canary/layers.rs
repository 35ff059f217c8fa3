//! The layers around a store.

use std::{fmt::Debug, time::Duration};

use blindcache::{
    Backend, BackendExt, Breaker, BreakerState, Error, Limit, MemoryBackend, Resilient, Retry, SettingError,
    Timeout,
};

use crate::{case::Case, failures};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Each of them, with every setting.
pub(crate) fn around<B: Backend>(backend: B) -> impl Backend + Debug
where
    Retry<Limit<Breaker<Timeout<B>>>>: Debug,
{
    let timeout: Timeout<B> = backend.timeout(MINUTE).unwrap();
    let breaker = Breaker::new(timeout).share(0.9).unwrap().min_calls(100).unwrap();
    let breaker = breaker.window(MINUTE).unwrap().open_for(SECOND).unwrap().probes(1).unwrap();
    let limit: Limit<_> = breaker.limit(64, 64).unwrap();
    let retry = Retry::new(limit).attempts(2).unwrap().deadline(MINUTE).unwrap();
    retry.pauses(SECOND / 100, SECOND / 10).unwrap()
}

/// What they make of a store that fails, until the breaker opens.
pub(crate) async fn failing<B: Backend + Debug + Clone>(backend: B, case: &mut Case) {
    let store: Resilient<B> = backend.clone().resilient();
    let (all, failed) = failures::every_call(store, case).await;
    assert_eq!(all, failed);
    let breaker = backend.breaker().min_calls(1).unwrap();
    case.refused(breaker.ping().await);
    assert_eq!(case.show(breaker.state()), BreakerState::Open);
    case.refused(breaker.ping().await);
    case.show(&breaker);
    for err in [
        case.refused(breaker.share(2.0)),
        case.refused(Timeout::new(MemoryBackend::new(), Duration::ZERO)),
        case.refused(Limit::new(MemoryBackend::new(), 0, 0)),
        case.refused(Retry::new(MemoryBackend::new()).attempts(0)),
    ] {
        assert!(matches!(err, Error::Setting(SettingError::Layer { .. })), "{err:?}");
    }
}
