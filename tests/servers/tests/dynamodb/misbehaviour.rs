//! What a caller sees of a store that misbehaves: the row of a table, and that all is well again afterwards.

use std::time::Duration;

use blindcache::{AnyBackend, Backend, EncryptedBackend, Keyring, MasterKey};
use blindcache_server_tests::{
    Fault, LIMIT, Proxy, Remote, Store,
    dynamodb::{Dynoxide, patient},
    healed, in_time, key,
};

use crate::canned::{Canned, error, ok};

/// What `get` gives: a kind of error, a miss, or a hit.
async fn saw(backend: &impl Backend) -> &'static str {
    match in_time(backend.get(&key(1))).await {
        Err(err) => err.kind().as_str(),
        Ok(None) => "miss",
        Ok(Some(_)) => "hit",
    }
}

async fn under(fault: Fault) -> &'static str {
    let server = Dynoxide::start().await;
    let proxy = Proxy::start(server.port).await;
    let backend = server.impatient(proxy.port);
    healed(&backend).await;
    proxy.set(fault);
    let seen = saw(&backend).await;
    proxy.set(Fault::None);
    healed(&backend).await;
    seen
}

async fn down() -> &'static str {
    let mut server = Dynoxide::start().await;
    let backend = server.impatient(server.port);
    healed(&backend).await;
    server.stop().await;
    tokio::time::sleep(LIMIT).await;
    let seen = saw(&backend).await;
    server.start_again().await;
    healed(&backend).await;
    seen
}

async fn throttling() -> &'static str {
    let server = Canned::start({
        let calls = std::sync::atomic::AtomicUsize::new(0);
        move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => error("400 Bad Request", "ProvisionedThroughputExceededException", ""),
            _ => ok("{}"),
        }
    })
    .await;
    let backend = patient(server.port);
    let seen = saw(&backend).await;
    healed(&backend).await;
    seen
}

/// It says of every name that it is there, and gives nothing.
async fn lying_about_exists() -> &'static str {
    let server = Canned::start(|asked| match asked.body.contains(r#""ProjectionExpression":"pk, exp""#) {
        true => ok(&format!(r#"{{"Item":{{"pk":{{"S":"{}"}}}}}}"#, asked.names()[0])),
        false => ok("{}"),
    })
    .await;
    let backend = patient(server.port);
    assert!(backend.exists(&key(1)).await.unwrap());
    saw(&backend).await
}

/// Through the boundary, whose sealed expiry decides: a store that forgets every `exp` serves nothing late.
async fn ignoring_ttl() -> &'static str {
    let server = Dynoxide::start().await;
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
    let client = blindcache_server_tests::dynamodb::client(server.port);
    let boundary = EncryptedBackend::new(AnyBackend::new(server.backend()), keys.tenant("acme").unwrap());
    boundary.set("user", "Ada", Duration::from_millis(300)).await.unwrap();
    let [item] = &blindcache_server_tests::dynamodb::items(&client).await[..] else { panic!("one item") };
    let mut forgetful = client.put_item().table_name(blindcache_server_tests::dynamodb::TABLE);
    for (name, value) in item.iter().filter(|(name, _)| *name != "exp") {
        forgetful = forgetful.item(name, value.clone());
    }
    forgetful.send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!server.contents().await.is_empty());
    match boundary.get::<String>("user").await {
        Ok(None) => "miss",
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_misbehaviour_is_a_typed_error_or_a_miss() {
    let row = [
        ("down", down().await, "transient"),
        ("hung", under(Fault::BlackHole).await, "timeout"),
        ("throttling", throttling().await, "throttled"),
        ("lying about exists", lying_about_exists().await, "miss"),
        ("ignoring ttl", ignoring_ttl().await, "miss"),
        ("answering garbage", under(Fault::Garbage).await, "rejected"),
    ];
    let cells: Vec<_> = row.iter().map(|(_, seen, _)| *seen).collect();
    println!("| dynamodb | {} | healed |", cells.join(" | "));
    for (what, seen, expected) in row {
        assert_eq!(seen, expected, "{what}");
    }
}
