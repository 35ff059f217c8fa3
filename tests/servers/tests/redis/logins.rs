//! The ways in: TLS, client certificates, users, unix sockets, database numbers, a client of the caller's.

use blindcache::{Backend, BackendError, BackendErrorKind as Kind, RedisBackend, RedisBuilder};
use blindcache_server_tests::{Certs, Options, Server, entry, failing, in_time, key};

fn tls(client_certificate: bool) -> Server {
    Server::with(Options { certs: Some(Certs::generate()), client_certificate, ..Options::default() })
}

/// What is written comes back.
async fn works(backend: &RedisBackend) {
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
}

fn at(url: &str) -> RedisBackend {
    RedisBackend::new(url).unwrap()
}

#[tokio::test]
async fn tls_works_with_the_ca_of_the_server() {
    let server = tls(false);
    let backend = |url: &str| RedisBackend::builder(url).ca_certificates(server.certs().ca.as_str()).build();
    works(&backend(&server.tls_url()).unwrap()).await;
    works(&backend(&server.tls_url().replace("rediss", "valkeys")).unwrap()).await;
    works(&backend(&server.tls_url().replace("localhost", "127.0.0.1")).unwrap()).await;
}

#[tokio::test]
async fn tls_with_another_ca_is_misconfigured() {
    let server = tls(false);
    let other = Certs::generate();
    let backend = RedisBackend::builder(&server.tls_url()).ca_certificates(other.ca).build().unwrap();
    assert_eq!(failing(backend.ping()).await, Kind::Misconfigured);
}

#[tokio::test]
async fn certificate_of_another_name_is_misconfigured() {
    let server = tls(false);
    let url = server.tls_url().replace("localhost", "127.0.0.2");
    let _: () = server.admin(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"]);
    let backend = RedisBackend::builder(&url).ca_certificates(server.certs().ca.as_str()).build().unwrap();
    let err = in_time(backend.ping()).await.unwrap_err();
    assert_eq!(err.kind(), Kind::Misconfigured);
    assert!(!format!("{err:?}").contains("hunter2"), "a name that the server sent: {err:?}");
}

#[tokio::test]
async fn plain_and_tls_ports_mistaken_for_each_other_fail() {
    let server = tls(false);
    let plain = format!("rediss://localhost:{}", server.port);
    let backend = RedisBackend::builder(&plain).ca_certificates(server.certs().ca.as_str()).build().unwrap();
    failing(backend.ping()).await;
    failing(at(&format!("redis://localhost:{}", server.tls_port)).ping()).await;
}

#[tokio::test]
async fn server_that_wants_a_client_certificate_gets_it() {
    let server = tls(true);
    let certs = server.certs();
    let with = |chain: &str, key: &str| {
        let builder = RedisBackend::builder(&server.tls_url()).ca_certificates(certs.ca.as_str());
        RedisBuilder::client_certificate(builder, chain, key).build().unwrap()
    };
    works(&with(&certs.client, &certs.client_key)).await;

    let none = RedisBackend::builder(&server.tls_url()).ca_certificates(certs.ca.as_str()).build().unwrap();
    assert_eq!(failing(none.ping()).await, Kind::Denied);
    let other = Certs::generate();
    assert_eq!(failing(with(&other.client, &other.client_key).ping()).await, Kind::Denied);
}

#[tokio::test]
async fn user_and_password_log_in_by_either_protocol() {
    let server =
        Server::with(Options { config: "user app on >s%3Acret ~* &* +@all\n".into(), ..Options::default() });
    for end in ["", "?protocol=resp3", "?protocol=2"] {
        works(&at(&format!("redis://app:s%253Acret@127.0.0.1:{}/{end}", server.port))).await;
        let wrong = at(&format!("redis://app:hunter2@127.0.0.1:{}/{end}", server.port));
        let err: BackendError = wrong.ping().await.unwrap_err();
        assert_eq!(err.kind(), Kind::Denied);
        assert!(!format!("{err:?} {wrong:?}").contains("hunter2"));
        let nobody = at(&format!("redis://nobody:hunter2@127.0.0.1:{}/3{end}", server.port));
        assert_eq!(failing(nobody.get(&key(1))).await, Kind::Denied);
    }
    works(&at(&format!("{}?user=app&pass=s%253Acret", server.unix_url()))).await;
}

#[tokio::test]
async fn missing_login_is_denied_until_none_is_needed() {
    let server = Server::start();
    let _: () = server.admin(&["CONFIG", "SET", "requirepass", "secret"]);
    for end in ["", "/2", "?protocol=resp3"] {
        let backend = at(&format!("{}/{end}", server.url()));
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Denied);
        assert_eq!(failing(backend.get_many(&[key(1)])).await, Kind::Denied);
        assert_eq!(failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await, Kind::Denied);
    }
    let _: () = server.admin(&["CONFIG", "SET", "requirepass", ""]);
    works(&at(&server.url())).await;
}

#[tokio::test]
async fn unix_socket_works_and_a_missing_one_is_transient() {
    let mut server = Server::start();
    let backend = at(&server.unix_url());
    works(&backend).await;
    works(&at(&server.unix_url().replace("unix://", "redis+unix://"))).await;
    server.stop();
    assert_eq!(failing(backend.ping()).await, Kind::Transient);
    assert_eq!(failing(at(&format!("{}-missing", server.unix_url())).ping()).await, Kind::Transient);
}

#[tokio::test]
async fn databases_are_apart() {
    let server = Server::start();
    works(&at(&format!("{}/3", server.url()))).await;
    for (url, there) in [
        (format!("{}/3", server.url()), true),
        (format!("{}/3?protocol=resp3", server.url()), true),
        (format!("{}?db=3", server.unix_url()), true),
        (format!("{}/4", server.url()), false),
        (server.url(), false),
    ] {
        assert_eq!(at(&url).exists(&key(1)).await.unwrap(), there, "{url}");
    }
    assert_eq!(failing(at(&format!("{}/99", server.url())).ping()).await, Kind::Rejected);
}

#[tokio::test]
async fn client_of_the_caller_keeps_its_settings() {
    let server =
        Server::with(Options { config: "user app on >secret ~* &* +@all\n".into(), ..Options::default() });
    let url = format!("redis://app:secret@127.0.0.1:{}/5", server.port);
    let backend = RedisBackend::from_client(&redis::Client::open(url).unwrap()).unwrap();
    works(&backend).await;
    assert!(!format!("{backend:?}").contains("secret"));
    assert!(at(&format!("redis://app:secret@127.0.0.1:{}/5", server.port)).exists(&key(1)).await.unwrap());
    let users: String = server.admin(&["CLIENT", "LIST"]);
    assert!(users.lines().any(|line| line.contains("db=5") && line.contains("user=app")));
}
