//! The contract, served in this process by the router of `examples/http_store.rs`, and broken on demand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{Version, header::CONTENT_TYPE},
    middleware::from_fn,
};
use blindcache::{
    AnyBackend, Backend, BackendError, HttpBackend, HttpBuilder, MemoryBackend, Sealed, StoreKey,
    conformance::Expiry,
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    IMPATIENT, PATIENT,
    misdeed::{Misdeed, Misdeeds},
};
use crate::{Certs, Remote, Store};

#[allow(dead_code)] // its `main`
#[path = "../../../../examples/http_store.rs"]
mod http_store;

const TOKEN: &str = "a token of the tests";

/// How the server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Http1,
    /// HTTP/1.1 over TLS, with a client certificate.
    Tls1,
    /// HTTP/2 over TLS, with a client certificate.
    Tls2,
}

/// A server in this process, on a free loopback port. Ends when dropped.
pub struct Contract {
    pub port: u16,
    pub certs: Certs,
    speaks: Speaks,
    router: Router,
    shelf: Arc<Shelf>,
    misdeeds: Misdeeds,
    seen: Arc<Seen>,
    serving: Option<JoinHandle<()>>,
}

/// What reached the server.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<(Version, String)>>,
}

impl Contract {
    pub async fn speaking(speaks: Speaks) -> Self {
        let (misdeeds, seen) = <(Misdeeds, Arc<Seen>)>::default();
        let shelf = Arc::new(Shelf { misdeeds: misdeeds.clone(), ..Shelf::default() });
        let router = http_store::guarded(TOKEN, http_store::store(AnyBackend::new(shelf.clone())));
        let router = router.layer(from_fn({
            let (misdeeds, seen) = (misdeeds.clone(), seen.clone());
            move |request: Request, next| {
                let kind =
                    request.headers().get(CONTENT_TYPE).map(|kind| format!(" {}", kind.to_str().unwrap()));
                let path = request.uri().path_and_query().unwrap();
                let line = format!("{} {path}{}", request.method(), kind.unwrap_or_default());
                seen.requests.lock().unwrap().push((request.version(), line));
                misdeeds.clone().answer(request, next)
            }
        }));
        let certs = Certs::generate();
        let mut contract = Self { port: 0, certs, speaks, router, shelf, misdeeds, seen, serving: None };
        contract.serve();
        contract
    }

    /// What all requests get from now on.
    pub fn set(&self, misdeed: Misdeed) {
        *self.misdeeds.current.lock().unwrap() = misdeed;
    }

    /// Bytes of endless and long bodies that were taken from the server so far.
    pub fn poured(&self) -> usize {
        self.misdeeds.poured.load(SeqCst)
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(SeqCst)
    }

    /// The requests so far: the version, and such as `GET /cache/b1.…`, with the type of the body where there is one.
    pub fn requests(&self) -> Vec<(Version, String)> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    fn url_at(&self, port: u16) -> String {
        let scheme = if self.speaks == Speaks::Http1 { "http" } else { "https" };
        format!("{scheme}://localhost:{port}")
    }

    /// A builder for the server behind this port, with all that it asks for.
    pub fn builder(&self, port: u16) -> HttpBuilder {
        match self.speaks {
            Speaks::Http1 => self.bearer(port),
            _ => self
                .bearer(port)
                .ca_certificates(self.certs.ca.as_str())
                .client_certificate(self.certs.client.as_str(), self.certs.client_key.as_str()),
        }
    }

    /// A builder with the token alone.
    pub fn bearer(&self, port: u16) -> HttpBuilder {
        let builder = HttpBackend::builder(&self.url_at(port)).timeout(PATIENT);
        builder.header("Authorization", &format!("Bearer {TOKEN}"))
    }

    /// What a client of the caller's own knows of the server.
    pub fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.certs.ca)).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let key = PrivateKeyDer::from_pem_slice(self.certs.client_key.as_bytes()).unwrap();
        let mut config = config.with_client_auth_cert(vec![certificate(&self.certs.client)], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    fn serve(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], self.port).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let tls = self.tls();
        self.serving = Some(tokio::spawn(accept(listener, tls, self.router.clone(), self.seen.clone())));
    }

    fn tls(&self) -> Option<TlsAcceptor> {
        let version = match self.speaks {
            Speaks::Http1 => return None,
            Speaks::Tls1 => b"http/1.1".to_vec(),
            Speaks::Tls2 => b"h2".to_vec(),
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.certs.ca)).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let key = PrivateKeyDer::from_pem_slice(self.certs.server_key.as_bytes()).unwrap();
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(clients.build().unwrap());
        let mut config = config.with_single_cert(vec![certificate(&self.certs.server)], key).unwrap();
        config.alpn_protocols = vec![version];
        Some(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

impl Drop for Contract {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, seen: Arc<Seen>) {
    let mut connections = JoinSet::new(); // ends them when this task is aborted
    loop {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        seen.connections.fetch_add(1, SeqCst);
        connections.spawn(connection(client, tls.clone(), router.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(client: TcpStream, tls: Option<TlsAcceptor>, router: Router) {
    match tls {
        None => talk(client, router).await,
        Some(tls) => {
            if let Ok(client) = tls.accept(client).await {
                talk(client, router).await;
            }
        }
    }
}

async fn talk(client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service).await;
}

/// What the server holds, and all that ever was written to it.
#[derive(Default)]
struct Shelf {
    memory: MemoryBackend,
    written: Mutex<Vec<u8>>,
    misdeeds: Misdeeds,
}

impl Backend for Shelf {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        self.memory.get(key).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        self.written.lock().unwrap().extend([key.as_str().as_bytes(), entry.as_bytes()].concat());
        let ignored = matches!(*self.misdeeds.current.lock().unwrap(), Misdeed::IgnoresTtl);
        let ttl = ttl.filter(|_| !ignored);
        self.memory.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.memory.delete(key).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        self.memory.exists(key).await
    }
}

impl Store for Contract {
    type Backend = HttpBackend;

    const NAME: &'static str = "http";
    const EXPIRY: Expiry = Expiry::AtLeast(Duration::from_secs(1));

    /// HTTP/2 over TLS.
    async fn start() -> Self {
        Self::speaking(Speaks::Tls2).await
    }

    fn backend(&self) -> HttpBackend {
        self.builder(self.port).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        self.shelf.written.lock().unwrap().clone()
    }
}

impl Remote for Contract {
    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> HttpBackend {
        self.builder(port).timeout(IMPATIENT).build().unwrap()
    }

    async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await; // until the port is free
        }
    }

    async fn start_again(&mut self) {
        self.serve();
    }
}
