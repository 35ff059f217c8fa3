//! One row of a table: what a caller sees of a store that is down, hangs, throttles, lies, ignores the ttl, or answers
//! garbage, and that it recovers without a restart.

use std::{fmt::Debug, time::Duration};

use blindcache::{
    Backend, BackendError,
    BackendErrorKind::{Misconfigured, Rejected, Throttled, Timeout, Transient},
    EncryptedBackend, HttpBackend, Keyring, MasterKey,
};
use blindcache_server_tests::{
    Fault, LIMIT, Proxy, Remote, Store as _, entry, healed,
    http::{Contract, Misdeed},
    key,
};

use crate::{failing, kinds};

fn said<T: Debug>(outcome: Result<T, BackendError>) -> String {
    match outcome {
        Ok(answer) => format!("{answer:?}"),
        Err(err) => err.kind().as_str().to_owned(),
    }
}

#[tokio::test]
async fn row_of_the_table() {
    let mut server = Contract::start().await;
    let mut row = Vec::new();
    let backend = server.builder(server.port).timeout(LIMIT).max_entry(1 << 16).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();

    server.stop().await;
    assert_eq!(kinds(&backend).await, [Transient; 8]);
    row.push(("down", said(backend.get(&key(1)).await)));
    server.start_again().await;
    healed(&backend).await;

    for (what, misdeed, kind) in [
        ("hung", Misdeed::Silence, Timeout),
        ("throttling", Misdeed::Status(429, vec![("retry-after", "1".into())]), Throttled),
        ("failing", Misdeed::status(500), Transient),
        ("elsewhere", Misdeed::status(302), Misconfigured),
    ] {
        server.set(misdeed);
        assert_eq!(kinds(&backend).await, [kind; 8], "{what}");
        row.push((what, said(backend.get(&key(1)).await)));
        server.set(Misdeed::None);
        healed(&backend).await;
    }

    server.set(Misdeed::LiesAboutExists);
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(backend.exists(&key(2)).await.unwrap());
    assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());
    row.push(("lying about exists", "a get is right all the same".into()));

    server.set(Misdeed::IgnoresTtl);
    row.push(("ignoring ttl", ignored_ttl(&backend).await));

    let page = Misdeed::status(200);
    server.set(page);
    let found = backend.get(&key(1)).await.unwrap().unwrap();
    assert_eq!(found, "a page");
    row.push(("another page", unreadable(&backend).await));
    server.set(Misdeed::Endless(200));
    assert_eq!(failing(backend.get(&key(1))).await.kind(), Rejected);
    row.push(("endless", said(backend.get(&key(1)).await.map(drop))));
    server.set(Misdeed::None);
    healed(&backend).await;

    let proxy = Proxy::start(server.port).await;
    let proxied = server.impatient(proxy.port);
    proxied.ping().await.unwrap();
    proxy.set(Fault::Garbage);
    assert_eq!(kinds(&proxied).await, [Rejected; 8]);
    row.push(("garbage", said(proxied.get(&key(1)).await)));
    proxy.set(Fault::None);
    healed(&proxied).await;
    assert_eq!(proxied.get(&key(1)).await.unwrap().unwrap(), entry(1, 200).as_bytes());

    let cells: Vec<_> = row.iter().map(|(what, said)| format!("{what}: {said}")).collect();
    println!("| http | {} |", cells.join(" | "));
}

fn boundary(backend: &HttpBackend) -> EncryptedBackend<HttpBackend> {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    EncryptedBackend::new(backend.clone(), keys.tenant("acme").unwrap())
}

/// The entry is still there, and what is sealed says that it has expired.
async fn ignored_ttl(backend: &HttpBackend) -> String {
    let boundary = boundary(backend);
    boundary.set("short", "value", Duration::from_millis(50)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(boundary.get::<String>("short").await.unwrap(), None);
    "a miss".into()
}

async fn unreadable(backend: &HttpBackend) -> String {
    let err = boundary(backend).get::<String>("any").await.unwrap_err();
    let blindcache::Error::Unreadable(reason) = err else { panic!("{err:?}") };
    reason.as_str().to_owned()
}
