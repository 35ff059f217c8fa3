//! What this library and the HTTP client log at their highest level holds no token and no whole name.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use blindcache::{Backend, BackendExt, UpstashBackend};
use blindcache_server_tests::{
    entry, key,
    upstash::{Instead, Upstash},
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::error;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of this process, which begins with the first call.
    fn of_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
            tracing::subscriber::set_global_default(subscriber.with_writer(log.clone()).finish()).unwrap();
            tracing_log::LogTracer::init().unwrap();
            log
        })
    }

    fn count(&self, text: &str) -> usize {
        let log = self.0.lock().unwrap();
        log.windows(text.len()).filter(|it| *it == text.as_bytes()).count()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn every_call(backend: &impl Backend, number: u64) {
    // Some fail, which is logged too.
    let _ = backend.set(&key(number), entry(1, 200), None).await;
    let _ = backend.get(&key(number)).await;
    let _ = backend.exists(&key(number)).await;
    let _ = backend.get_many(&[key(number)]).await;
    let _ = backend.set_many(vec![(key(number), entry(1, 200), None)]).await;
    let _ = backend.delete_many(&[key(number)]).await;
    let _ = backend.delete(&key(number)).await;
    let _ = backend.ping().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_and_no_whole_name_is_logged() {
    let log = Log::of_process();
    let token = "t0kenThatNoLogMayHold";
    let number = 0xC0FFEE_C0FFEE;
    let (plain, tls) = (Upstash::start(), Upstash::with_tls());
    let certs = tls.certs();
    let backends = [
        UpstashBackend::new(&plain.url().replace("http://", "http://u5erOfNoLog:passOfNoLog@"), token)
            .unwrap(),
        UpstashBackend::builder(&tls.url(), token)
            .ca_certificates(certs.ca.as_str())
            .client_certificate(certs.client.as_str(), certs.client_key.as_str())
            .build()
            .unwrap(),
        UpstashBackend::new("http://127.0.0.1:1", token).unwrap(),
    ];
    for backend in backends {
        every_call(&backend, number).await;
        every_call(&backend.clone().resilient(), number).await;
        for upstash in [&plain, &tls] {
            upstash.answers_always(Instead::error(429, "slow down"));
        }
        error(backend.get(&key(number))).await;
        for upstash in [&plain, &tls] {
            upstash.answers_well();
        }
    }
    tracing::trace!("a control");
    log::trace!("another control");
    assert_eq!((log.count("a control"), log.count("another control")), (1, 1));
    assert!(log.count("reqwest") + log.count("hyper") + log.count("h2") > 0, "the client logs nothing");
    let name = key(number).as_str().to_owned();
    let tail = &name[name.len() - 12..]; // 8 characters of a name may be there
    for secret in [token, tail, "u5erOfNoLog", "passOfNoLog", "dTVlck9mTm9Mb2c6cGFzc09mTm9Mb2c"] {
        assert_eq!(log.count(secret), 0, "{secret}");
    }
}
