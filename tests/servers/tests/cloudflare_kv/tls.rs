//! TLS, and a client of the caller's.

use std::sync::Arc;

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{Certs, Cloudflare, entry, key};
use reqwest::redirect::Policy;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{HANG, kind};

#[tokio::test]
async fn tls_works_with_the_ca_of_the_server_and_no_other() {
    let certs = Certs::generate();
    let (ca, other) = (certs.ca.clone(), Certs::generate().ca);
    let server = Cloudflare::with_tls(certs);
    let at = |host: &str, ca: &str| {
        let url = format!("https://{host}:{}/client/v4", server.0.port);
        Cloudflare::builder(0).base_url(&url).ca_certificates(ca).timeout(HANG).build().unwrap()
    };
    for host in ["localhost", "127.0.0.1"] {
        let backend = at(host, &ca);
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
        assert_eq!(kind(at(host, &other).ping()).await, Err(Kind::Misconfigured));
    }
    let plain = Cloudflare::builder(server.0.port).timeout(HANG).build().unwrap();
    assert!(kind(plain.ping()).await.is_err());
}

#[tokio::test]
async fn client_of_the_caller_has_its_own_certificates() {
    let certs = Certs::generate();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certs.ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).redirect(Policy::none());
    let client = client.build().unwrap();

    let server = Cloudflare::with_tls(certs);
    let url = format!("https://localhost:{}/client/v4", server.0.port);
    let builder = || Cloudflare::builder(0).base_url(&url).client(client.clone());
    let backend = builder().timeout(HANG).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
    let both = builder().ca_certificates(Certs::generate().ca).build().unwrap_err();
    assert_eq!(both.kind(), Kind::Misconfigured);
}
