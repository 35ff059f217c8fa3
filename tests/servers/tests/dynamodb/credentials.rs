//! The default chain of credentials, each time in a process of its own, whose environment is the test's.

use std::{env, fs, path::Path, process::Command, time::Duration};

use blindcache::{Backend, BackendErrorKind as Kind, DynamoDbBackend};
use blindcache_server_tests::{
    Store,
    dynamodb::{Dynoxide, REGION, SECRET, TABLE},
    entry, healed, key,
};

use crate::{failed, failing};

/// A table at the server that the environment names, with the default chain.
fn by_default_chain(limit: Duration) -> DynamoDbBackend {
    let url = env::var("TESTS_ENDPOINT").unwrap();
    let builder = DynamoDbBackend::builder(TABLE, REGION).endpoint_url(&url);
    builder.timeout(limit).build().unwrap()
}

/// Runs one of the ignored tests below with this environment and no other AWS settings.
async fn run(test: &str, vars: &[(&str, &str)]) {
    let server = Dynoxide::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("credentials::{test}"), "--ignored", "--nocapture"]);
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", dir.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", dir.path().join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", dir.path().join("credentials"))
        .env("TESTS_ENDPOINT", format!("http://127.0.0.1:{}", server.port))
        .envs(vars.iter().copied());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(done.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn credentials_of_the_environment_are_found() {
    let vars = [("AWS_ACCESS_KEY_ID", "AKIATESTSACCESSKEYID"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    run("child_finds_credentials", &vars).await;
}

#[tokio::test]
#[ignore = "run by credentials_of_the_environment_are_found"]
async fn child_finds_credentials() {
    let backend = by_default_chain(Duration::from_secs(20));
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn missing_credentials_are_denied_until_there_are_some() {
    run("child_waits_for_credentials", &[]).await;
}

#[tokio::test]
#[ignore = "run by missing_credentials_are_denied_until_there_are_some"]
async fn child_waits_for_credentials() {
    let backend = by_default_chain(Duration::from_secs(20));
    for _ in 0..20 {
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Denied);
    }
    assert_eq!(failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await, Kind::Denied);
    let file = env::var("AWS_SHARED_CREDENTIALS_FILE").unwrap();
    let text =
        format!("[default]\naws_access_key_id = AKIATESTSACCESSKEYID\naws_secret_access_key = {SECRET}\n");
    fs::write(Path::new(&file), text).unwrap();
    healed(&backend).await;
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn credentials_that_are_not_there_in_time_are_a_timeout() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    run("child_waits_in_vain", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]).await;
}

#[tokio::test]
#[ignore = "run by credentials_that_are_not_there_in_time_are_a_timeout"]
async fn child_waits_in_vain() {
    // Long, so that the part of it that credentials may take ends well before the whole, on a busy machine too.
    let backend = by_default_chain(Duration::from_secs(4));
    for _ in 0..2 {
        let err = failed(backend.get(&key(1))).await;
        assert_eq!(err.kind(), Kind::Timeout);
        let source = std::error::Error::source(&err).unwrap().to_string();
        assert_eq!(source, "the credentials were not there in time");
    }
}
