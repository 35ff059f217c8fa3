//! `MemcachedBackend` keeps the contract of `Backend`, whatever the way to the server, and says why there is none.

use blindcache::{
    AnyBackend, Backend, BackendErrorKind as Kind, MemcachedBackend, MemcachedBuilder,
    conformance::{Subject, run_all},
};
use blindcache_server_tests::{Certs, Memcached, MemcachedOptions, Store};

use crate::failing;

/// Items of up to 2 MiB, for the entry of 1 MiB among the rules.
const LARGE: &[&str] = &["-I", "2m"];

async fn conforms(builder: MemcachedBuilder) {
    let backend = AnyBackend::new(builder.max_entry(1 << 20).build().unwrap());
    let subject = Subject::new(Memcached::EXPIRY, move || std::future::ready(backend.clone()));
    run_all(&subject).await.unwrap();
}

fn tls(client_certificate: bool) -> Memcached {
    Memcached::with(MemcachedOptions {
        arguments: LARGE,
        tls: true,
        client_certificate,
        ..MemcachedOptions::default()
    })
}

fn trusting(server: &Memcached) -> MemcachedBuilder {
    MemcachedBackend::builder(&server.tls_url()).ca_certificates(server.certs().ca.as_str())
}

#[tokio::test]
async fn memcached_by_tls_conforms() {
    conforms(trusting(&tls(false))).await;
}

#[tokio::test]
async fn memcached_by_tls_with_a_client_certificate_conforms() {
    let server = tls(true);
    let certs = server.certs();
    conforms(trusting(&server).client_certificate(certs.client.as_str(), certs.client_key.as_str())).await;
}

#[tokio::test]
async fn memcached_by_a_unix_socket_conforms() {
    let options = MemcachedOptions { arguments: LARGE, unix: true, ..MemcachedOptions::default() };
    let server = Memcached::with(options);
    conforms(MemcachedBackend::builder(&server.unix_url())).await;
}

#[tokio::test]
async fn memcached_by_ipv4_in_brackets_and_name_is_the_same_server() {
    let server = Memcached::start();
    let by_address = MemcachedBackend::new(&server.url()).unwrap();
    let by_name = MemcachedBackend::new(&format!("memcached://LOCALHOST:{}/", server.port)).unwrap();
    let key = blindcache_server_tests::key(1);
    by_address.set(&key, blindcache_server_tests::entry(1, 200), None).await.unwrap();
    assert!(by_name.exists(&key).await.unwrap());
}

#[tokio::test]
async fn unknown_ca_is_misconfigured() {
    let server = tls(false);
    let other = Certs::generate();
    let backend = MemcachedBackend::builder(&server.tls_url()).ca_certificates(other.ca).build().unwrap();
    assert_eq!(failing(backend.ping()).await, Kind::Misconfigured);
}

#[tokio::test]
async fn certificate_for_another_name_is_misconfigured() {
    let server = tls(false);
    let url = format!("memcache+tls://127.0.0.2:{}", server.port);
    // The server listens on one address: where 127.0.0.2 leads to nothing, a name that leads to 127.0.0.1 must do.
    let backend =
        MemcachedBackend::builder(&url).ca_certificates(server.certs().ca.as_str()).build().unwrap();
    assert!([Kind::Misconfigured, Kind::Transient].contains(&failing(backend.ping()).await));
}

#[tokio::test]
async fn missing_or_foreign_client_certificate_is_denied() {
    let server = tls(true);
    let other = Certs::generate();
    for _ in 0..10 {
        let none = trusting(&server).build().unwrap();
        assert_eq!(failing(none.ping()).await, Kind::Denied);
        let foreign = trusting(&server).client_certificate(other.client.as_str(), other.client_key.as_str());
        assert_eq!(failing(foreign.build().unwrap().ping()).await, Kind::Denied);
    }
}

#[tokio::test]
async fn tls_and_plain_do_not_meet() {
    let server = tls(false);
    let plain = MemcachedBackend::new(&server.url()).unwrap();
    // It closes the connection, or waits for the rest of a handshake.
    let kind = failing(plain.ping()).await;
    assert!([Kind::Transient, Kind::Timeout].contains(&kind), "{kind:?}");
    let server = Memcached::start();
    let secure = MemcachedBackend::builder(&server.tls_url()).ca_certificates(Certs::generate().ca);
    let kind = failing(secure.build().unwrap().ping()).await;
    assert!([Kind::Rejected, Kind::Timeout].contains(&kind), "{kind:?}");
}

#[tokio::test]
async fn missing_socket_is_transient() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("memcache+unix://{}", dir.path().join("none").display());
    assert_eq!(failing(MemcachedBackend::new(&url).unwrap().ping()).await, Kind::Transient);
}
