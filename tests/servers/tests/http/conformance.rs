//! The contract of `Backend`, whatever the way to the server.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use blindcache::{
    AnyBackend, Backend, HttpBackend,
    conformance::{Expiry, Subject, run_all},
};
use blindcache_server_tests::{
    Store,
    http::{Contract, Dav, Speaks},
};

/// Each rule gets a backend of its own.
async fn conforms<B: Backend>(expiry: Expiry, make: impl Fn() -> B + Send + Sync + 'static) {
    run_all(&Subject::new(expiry, move || std::future::ready(make()))).await.unwrap();
}

#[tokio::test]
async fn http_1_conforms() {
    let server = Contract::speaking(Speaks::Http1).await;
    let backend = server.backend();
    conforms(Contract::EXPIRY, move || backend.clone()).await;
    assert!(server.requests().iter().all(|(version, _)| format!("{version:?}") == "HTTP/1.1"));
}

#[tokio::test]
async fn http_1_over_tls_conforms() {
    let server = Contract::speaking(Speaks::Tls1).await;
    let backend = server.backend();
    conforms(Contract::EXPIRY, move || backend.clone()).await;
    assert!(server.requests().iter().all(|(version, _)| format!("{version:?}") == "HTTP/1.1"));
}

/// One connection carries all calls, once there is one.
#[tokio::test]
async fn http_2_is_spoken_where_the_server_has_it() {
    let server = Contract::speaking(Speaks::Tls2).await;
    let backend = server.backend();
    backend.ping().await.unwrap();
    conforms(Contract::EXPIRY, move || backend.clone()).await;
    assert!(server.requests().iter().all(|(version, _)| format!("{version:?}") == "HTTP/2.0"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn http_2_of_nginx_conforms() {
    let server = Dav::with_tls();
    let backend = server.tls_backend();
    conforms(Dav::EXPIRY, move || backend.clone()).await;
    assert!(server.spoke_http_2());
}

#[tokio::test]
async fn client_of_the_caller_conforms() {
    let server = Contract::speaking(Speaks::Tls2).await;
    let client = reqwest::Client::builder().tls_backend_preconfigured(server.client_config());
    let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let backend = server.bearer(server.port).client(client).build().unwrap();
    conforms(Contract::EXPIRY, move || backend.clone()).await;
}

/// Kills the program when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program that a user starts, as it is in the repository.
fn example() -> Command {
    let build =
        ["build", "--quiet", "--package", "blindcache", "--features", "http", "--example", "http_store"];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    let folder = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    Command::new(folder.join("http_store"))
}

#[tokio::test(flavor = "multi_thread")]
async fn example_of_a_server_conforms() {
    let token = "sixteen bytes of it";
    let mut command = example();
    command.env("STORE_TOKEN", token).env("STORE_ADDRESS", "127.0.0.1:0").stdout(Stdio::piped());
    let mut program = Program(command.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let program = Arc::new(program);
    let make = move || {
        let _running = program.clone();
        let builder = HttpBackend::builder(url.trim()).header("Authorization", &format!("Bearer {token}"));
        AnyBackend::new(builder.build().unwrap())
    };
    conforms(Expiry::AtLeast(Duration::from_secs(1)), make).await;
}

/// The demo goes through `HttpBackend`, and nothing listens where the proxy is said to be.
#[test]
fn proxy_of_the_environment_is_not_used() {
    let mut command = example();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    let demo = command.env_remove("NO_PROXY").env_remove("no_proxy").arg("--demo").output().unwrap();
    assert!(demo.status.success(), "{demo:?}");
}
