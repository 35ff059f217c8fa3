//! `MemcachedBackend` keeps the contract of `Backend`, whatever the way to the server, and says why there is none.

use blindcache::{
    AnyBackend, Backend, BackendErrorKind as Kind, MemcachedBackend, MemcachedBuilder,
    conformance::{Subject, run_all},
};
use blindcache_server_tests::{Certs, HANG, Memcached, MemcachedOptions, Store, entry, key};

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

/// Memcached stops reading in the middle of a TLS record when it has a whole command: what follows must not be in it.
#[tokio::test]
async fn entries_and_batches_of_any_size_pass_by_tls() {
    let server = tls(false);
    let backend = trusting(&server).timeout(HANG).build().unwrap();
    for size in (16_000..16_500).step_by(5).chain([32_768, 65_536, 1_000_000]) {
        backend.set(&key(1), entry(1, size), None).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, size).as_bytes());
    }
    let larger = trusting(&server).timeout(HANG).max_entry(8 << 20).build().unwrap();
    for size in [2 << 20, 5 << 20] {
        assert_eq!(failing(larger.set(&key(1), entry(1, size), None)).await, Kind::TooLarge);
        assert!(larger.get(&key(1)).await.unwrap().is_none());
    }
    for size in [116, 500, 3_000, 20_000] {
        for count in [10, 100, 600] {
            let keys: Vec<_> = (0..count).map(key).collect();
            let writes = (0..count).map(|number| (key(number), entry(number, size), None));
            backend.set_many(writes.collect()).await.unwrap();
            let found = backend.get_many(&keys).await.unwrap();
            assert!((0..).zip(found).all(|(number, found)| found.unwrap() == entry(number, size).as_bytes()));
            assert!(backend.delete_many(&keys).await.unwrap().iter().all(|there| *there));
        }
    }
}

#[tokio::test]
async fn memcached_by_a_unix_socket_conforms() {
    let options = MemcachedOptions { arguments: LARGE, unix: true, ..MemcachedOptions::default() };
    let server = Memcached::with(options);
    conforms(MemcachedBackend::builder(&server.unix_url())).await;
}

#[tokio::test]
async fn name_and_address_lead_to_the_same_server() {
    let server = Memcached::start();
    let by_address = MemcachedBackend::new(&server.url()).unwrap();
    let by_name = MemcachedBackend::new(&format!("memcached://LOCALHOST:{}/", server.port)).unwrap();
    by_address.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(by_name.exists(&key(1)).await.unwrap());
}

#[tokio::test]
async fn unknown_ca_is_misconfigured() {
    let server = tls(false);
    let other = Certs::generate();
    let backend = MemcachedBackend::builder(&server.tls_url()).ca_certificates(other.ca).build().unwrap();
    assert_eq!(failing(backend.ping()).await, Kind::Misconfigured);
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
