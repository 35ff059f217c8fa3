//! TLS, and a client of the caller's.

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{Certs, Cloudflare, entry, key};

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
