//! `RedisBackend` keeps the contract of `Backend`, whatever the way to the server.

use blindcache::{
    AnyBackend, Backend, RedisBackend,
    conformance::{Expiry, Subject, run_all},
};
use blindcache_server_tests::{Certs, Options, Server};

/// Each rule gets a connection of its own.
async fn conforms<B: Backend>(make: impl Fn() -> B + Send + Sync + Clone + 'static) {
    let subject = Subject::new(Expiry::Exact, move || std::future::ready(make()));
    run_all(&subject).await.unwrap();
}

#[tokio::test]
async fn redis_by_resp3_conforms() {
    let server = Server::start();
    let url = format!("{}/?protocol=resp3", server.url());
    conforms(move || RedisBackend::new(&url).unwrap()).await;
}

#[tokio::test]
async fn redis_by_tls_conforms() {
    let server = Server::with(Options { certs: Some(Certs::generate()), ..Options::default() });
    let backend =
        RedisBackend::builder(&server.tls_url()).ca_certificates(server.certs().ca.as_str()).build();
    let backend = backend.unwrap();
    conforms(move || backend.clone()).await;
}

#[tokio::test]
async fn redis_by_a_unix_socket_conforms() {
    let server = Server::start();
    let url = server.unix_url();
    conforms(move || AnyBackend::new(RedisBackend::new(&url).unwrap())).await;
}

#[tokio::test]
async fn client_of_the_caller_conforms() {
    let server = Server::start();
    let client = redis::Client::open(server.url()).unwrap();
    conforms(move || RedisBackend::from_client(&client).unwrap()).await;
}
