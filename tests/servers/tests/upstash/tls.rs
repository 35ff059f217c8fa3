//! HTTPS, with the certificates that are given; and a client of the caller's.

use std::sync::Arc;

use blindcache::{
    Backend, BackendErrorKind as Kind, UpstashBackend, UpstashBuilder,
    conformance::{Expiry, Subject, run_all},
};
use blindcache_server_tests::{
    Certs, entry, key,
    upstash::{TOKEN, Upstash},
};

use crate::error;

fn trusting(upstash: &Upstash) -> UpstashBuilder {
    UpstashBackend::builder(&upstash.url(), TOKEN).ca_certificates(upstash.certs().ca.as_str())
}

fn ours(upstash: &Upstash) -> UpstashBackend {
    let certs = upstash.certs();
    let builder = trusting(upstash).client_certificate(certs.client.as_str(), certs.client_key.as_str());
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backend_conforms_over_tls() {
    let upstash = Upstash::with_tls();
    let backend = ours(&upstash);
    let made = backend.clone();
    run_all(&Subject::new(Expiry::Exact, move || std::future::ready(made.clone()))).await.unwrap();
    backend.set(&key(1), entry(1, 300_000), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 300_000).as_bytes());
    assert!(upstash.seen().iter().all(|seen| seen.head.version == hyper::Version::HTTP_2));
}

#[tokio::test]
async fn another_ca_is_misconfigured() {
    let upstash = Upstash::with_tls();
    let other = Certs::generate();
    let builder = UpstashBackend::builder(&upstash.url(), TOKEN).ca_certificates(other.ca);
    assert_eq!(error(builder.build().unwrap().ping()).await.kind(), Kind::Misconfigured);
}

#[tokio::test]
async fn missing_or_strange_client_certificate_is_denied() {
    let upstash = Upstash::with_tls();
    let err = error(trusting(&upstash).build().unwrap().ping()).await;
    assert_eq!(err.kind(), Kind::Denied, "{err:?}");
    let other = Certs::generate();
    let stranger = trusting(&upstash).client_certificate(other.client, other.client_key).build().unwrap();
    assert_eq!(error(stranger.ping()).await.kind(), Kind::Denied);
}

#[tokio::test]
async fn plain_and_tls_ports_mistaken_for_each_other_fail() {
    let plain = Upstash::start();
    let url = plain.url().replace("http:", "https:");
    let builder = UpstashBackend::builder(&url, TOKEN).ca_certificates(Certs::generate().ca);
    error(builder.build().unwrap().ping()).await;
    let tls = Upstash::with_tls();
    error(UpstashBackend::new(&tls.url().replace("https:", "http:"), TOKEN).unwrap().ping()).await;
    assert!(tls.seen().is_empty());
}

#[tokio::test]
async fn client_of_the_caller_is_used() {
    let upstash = Upstash::start();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.unwrap().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let client = client.user_agent("the caller's own").build().unwrap();
    let backend = UpstashBackend::builder(&upstash.url(), TOKEN).client(client).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
    assert!(upstash.seen().iter().all(|seen| seen.head.headers["user-agent"] == "the caller's own"));
}
