//! TLS: whom we trust, and as whom we appear.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use blindcache::{Backend, BackendErrorKind as Kind, DynamoDbBackend, DynamoDbBuilder};
use blindcache_server_tests::{
    Certs, LIMIT, Store,
    dynamodb::{Dynoxide, REGION, TABLE, credentials},
    entry, key,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    canned::{Canned, ok},
    failing,
};

/// TLS in front of a port; it asks for a certificate of the same CA if it is `strict`. Ends when dropped.
struct Gateway {
    port: u16,
    task: JoinHandle<()>,
}

impl Gateway {
    async fn start(upstream: u16, certs: &Certs, strict: bool) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(certs, strict)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                clients.spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { port, task }
    }

    fn backend(&self) -> DynamoDbBuilder {
        let url = format!("https://localhost:{}", self.port);
        DynamoDbBackend::builder(TABLE, REGION).endpoint_url(&url).credentials(credentials())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(certs: &Certs, strict: bool) -> ServerConfig {
    let chain = |pem: &str| vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if strict {
        let mut roots = RootCertStore::empty();
        roots.add(chain(&certs.ca).remove(0)).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(certs.server_key.as_bytes()).unwrap();
    builder.with_single_cert(chain(&certs.server), key).unwrap()
}

#[tokio::test]
async fn certificate_of_a_ca_of_the_callers_is_trusted_and_no_other() {
    let server = Dynoxide::start().await;
    let certs = Certs::generate();
    let gateway = Gateway::start(server.port, &certs, false).await;
    let backend = gateway.backend().ca_certificates(certs.ca.as_str()).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());

    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "a process-wide default was installed");

    let other = gateway.backend().ca_certificates(Certs::generate().ca).build().unwrap();
    assert_eq!(failing(other.get(&key(1))).await, Kind::Misconfigured);
    // By another name than the certificate's.
    let url = format!("https://localhost.localdomain:{}", gateway.port);
    let other = gateway.backend().endpoint_url(&url).ca_certificates(certs.ca.as_str()).build().unwrap();
    assert_eq!(failing(other.get(&key(1))).await, Kind::Misconfigured);
}

#[tokio::test]
async fn client_certificate_is_presented() {
    let server = Dynoxide::start().await;
    let certs = Certs::generate();
    let gateway = Gateway::start(server.port, &certs, true).await;
    let known = gateway.backend().ca_certificates(certs.ca.as_str());
    let known = known.client_certificate(certs.client.as_str(), certs.client_key.as_str()).build().unwrap();
    known.ping().await.unwrap();
    let nobody = gateway.backend().ca_certificates(certs.ca.as_str()).build().unwrap();
    assert_eq!(failing(nobody.ping()).await, Kind::Denied);
}

#[tokio::test]
async fn what_is_not_tls_is_no_panic() {
    let server = Dynoxide::start().await;
    let url = format!("https://localhost:{}", server.port);
    let builder = DynamoDbBackend::builder(TABLE, REGION).endpoint_url(&url).credentials(credentials());
    let backend = builder.ca_certificates(Certs::generate().ca).build().unwrap();
    assert_eq!(failing(backend.ping()).await, Kind::Rejected);
}

/// A connection that a call began, and did not need in the end, is made in the background.
#[tokio::test]
async fn handshakes_that_never_end_are_given_up() {
    let server = Canned::start(|_| ok("{}")).await;
    let certs = Certs::generate();
    let acceptor = TlsAcceptor::from(Arc::new(config(&certs, false)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (begun, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (begins, ends) = (begun.clone(), ended.clone());
    let task = tokio::spawn(async move {
        let mut clients = JoinSet::new();
        // The first is served, a little late, so that both calls connect.
        let (first, _) = listener.accept().await.unwrap();
        let upstream = server.port;
        clients.spawn(async move {
            sleep(LIMIT / 8).await;
            let mut client = acceptor.accept(first).await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            begins.fetch_add(1, SeqCst);
            let ends = ends.clone();
            clients.spawn(async move {
                while client.read(&mut [0; 4_096]).await.is_ok_and(|size| size > 0) {}
                ends.fetch_add(1, SeqCst);
            });
        }
    });
    let backend = DynamoDbBackend::builder(TABLE, REGION).endpoint_url(&url).credentials(credentials());
    let backend = backend.ca_certificates(certs.ca).timeout(LIMIT * 5).build().unwrap();
    let (one, other) = tokio::join!(backend.ping(), backend.ping());
    one.and(other).unwrap();
    assert!(begun.load(SeqCst) > 0, "no second connection was begun");
    for _ in 0..100 {
        sleep(Duration::from_millis(50)).await;
        if ended.load(SeqCst) == begun.load(SeqCst) {
            task.abort();
            return;
        }
    }
    panic!(
        "{} of {} connections are still open",
        begun.load(SeqCst) - ended.load(SeqCst),
        begun.load(SeqCst)
    );
}
