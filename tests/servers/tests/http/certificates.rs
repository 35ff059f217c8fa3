//! Who is trusted, and as whom we appear.

use blindcache::{Backend, BackendErrorKind as Kind, HttpBackend};
use blindcache_server_tests::{
    Certs, LIMIT, Store as _,
    http::{Contract, Speaks},
};

use crate::failing;

const BOTH: [Speaks; 2] = [Speaks::Tls1, Speaks::Tls2];

#[tokio::test]
async fn server_of_another_ca_is_misconfigured() {
    let others = Certs::generate();
    for speaks in BOTH {
        let server = Contract::speaking(speaks).await;
        let backend = server.builder(server.port).ca_certificates(others.ca.as_str()).build().unwrap();
        assert_eq!(failing(backend.ping()).await.kind(), Kind::Misconfigured);
        // The system does not know it either.
        if let Ok(backend) = HttpBackend::new(&server.url()) {
            assert_eq!(failing(backend.ping()).await.kind(), Kind::Misconfigured);
        }
    }
}

#[tokio::test]
async fn server_of_another_name_is_misconfigured() {
    for speaks in BOTH {
        let server = Contract::speaking(speaks).await;
        let url = format!("https://127.0.0.2:{}", server.port);
        let ca = server.certs.ca.as_str();
        let backend = HttpBackend::builder(&url).ca_certificates(ca).build().unwrap();
        let kind = failing(backend.ping()).await.kind();
        // Where 127.0.0.2 is not this machine, it is the connection that fails.
        assert!([Kind::Misconfigured, Kind::Transient].contains(&kind), "{kind:?}");
    }
}

#[tokio::test]
async fn missing_or_foreign_client_certificate_is_denied() {
    let others = Certs::generate();
    for speaks in BOTH {
        let server = Contract::speaking(speaks).await;
        let builder = || HttpBackend::builder(&server.url()).ca_certificates(server.certs.ca.as_str());
        let foreign = builder().client_certificate(others.client.as_str(), others.client_key.as_str());
        for backend in [builder().build().unwrap(), foreign.build().unwrap()] {
            for _ in 0..3 {
                assert_eq!(failing(backend.ping()).await.kind(), Kind::Denied, "{speaks:?}");
            }
        }
        server.backend().ping().await.unwrap();
    }
}

#[tokio::test]
async fn server_without_tls_is_rejected() {
    let server = Contract::speaking(Speaks::Http1).await;
    let ca = server.certs.ca.as_str();
    let url = format!("https://localhost:{}", server.port);
    let backend = HttpBackend::builder(&url).ca_certificates(ca).timeout(LIMIT).build().unwrap();
    let kind = failing(backend.ping()).await.kind();
    assert!([Kind::Rejected, Kind::Transient].contains(&kind), "{kind:?}");
}

/// Neither the backend nor this test installs a provider of cryptography for the whole process.
#[tokio::test]
async fn nothing_process_wide_is_set() {
    let server = Contract::speaking(Speaks::Tls2).await;
    server.backend().ping().await.unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
