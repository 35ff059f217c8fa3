//! Upstash Redis of one test: its REST API over a real redis-server, in this process.

mod reply;
mod rest;
mod shim;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::{BackendErrorKind, UpstashBackend, conformance::Expiry};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use self::shim::Shared;
pub use self::shim::{Instead, Seen};
use crate::{Certs, LIMIT, Remote, Server, Store};

/// The token that a test's database takes.
pub const TOKEN: &str = "AYNgASQgFmYtdGVzdC10b2tlbi0wMTIzNDU2Nzg5DQ=";

/// A database. Gone when dropped.
pub struct Upstash {
    pub redis: Server,
    pub port: u16,
    certs: Option<(Certs, TlsAcceptor)>,
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

impl Upstash {
    pub fn start() -> Self {
        Self::taking(TOKEN, false)
    }

    /// Over TLS. Its clients must show a certificate of the same CA.
    pub fn with_tls() -> Self {
        Self::taking(TOKEN, true)
    }

    /// With this token, and with TLS or without.
    pub fn taking(token: &str, tls: bool) -> Self {
        let certs = tls.then(Certs::generate).map(|certs| {
            let acceptor = acceptor(&certs);
            (certs, acceptor)
        });
        let redis = Server::start();
        let shared = Shared {
            token: token.into(),
            redis: redis::Client::open(redis.url()).unwrap(),
            max_request: AtomicUsize::new(rest::MAX_REQUEST),
            rule: Mutex::default(),
            seen: Mutex::default(),
            taken: Arc::default(),
        };
        let mut upstash = Self { redis, port: 0, certs, shared: Arc::new(shared), task: None };
        upstash.open();
        upstash
    }

    fn open(&mut self) {
        let listener = shim::listen(self.port);
        self.port = listener.local_addr().unwrap().port();
        let tls = self.certs.as_ref().map(|(_, acceptor)| acceptor.clone());
        self.task = Some(tokio::spawn(shim::serve(listener, tls, self.shared.clone())));
    }

    pub fn url(&self) -> String {
        match &self.certs {
            None => format!("http://127.0.0.1:{}", self.port),
            Some(_) => format!("https://localhost:{}", self.port),
        }
    }

    pub fn certs(&self) -> &Certs {
        &self.certs.as_ref().unwrap().0
    }

    /// From now on, answers with what the rule gives, where it gives something.
    pub fn answers(&self, rule: impl Fn(&Seen) -> Option<Instead> + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Some(Box::new(rule));
    }

    /// From now on, answers each request with this.
    pub fn answers_always(&self, instead: Instead) {
        self.answers(move |_| Some(instead.clone()));
    }

    /// From now on, answers as the API does again.
    pub fn answers_well(&self) {
        *self.shared.rule.lock().unwrap() = None;
    }

    /// From now on, takes requests of so many bytes at most.
    pub fn takes_requests_up_to(&self, bytes: usize) {
        self.shared.max_request.store(bytes, SeqCst);
    }

    /// The requests since this was asked for last.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// How many bytes of floods clients, and the sockets on the way to them, have taken.
    pub fn taken(&self) -> usize {
        self.shared.taken.load(SeqCst)
    }
}

impl Drop for Upstash {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Store for Upstash {
    type Backend = UpstashBackend;

    const NAME: &'static str = "upstash";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Upstash::start()
    }

    fn backend(&self) -> UpstashBackend {
        UpstashBackend::builder(&self.url(), TOKEN).timeout(Duration::from_secs(30)).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        self.redis.contents().await
    }
}

impl Remote for Upstash {
    const GARBAGE: &'static [BackendErrorKind] = &[BackendErrorKind::Rejected];

    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> UpstashBackend {
        let url = format!("http://127.0.0.1:{port}");
        UpstashBackend::builder(&url, TOKEN).timeout(LIMIT).build().unwrap()
    }

    async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await; // until the port is free, and every connection is gone
        }
        self.redis.stop();
    }

    async fn start_again(&mut self) {
        self.redis.start_again();
        self.open();
    }
}

fn acceptor(certs: &Certs) -> TlsAcceptor {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&certs.ca)).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_slice(certs.server_key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![certificate(&certs.server)], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
