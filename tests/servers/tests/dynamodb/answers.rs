//! What comes of items as they are in the table: expiry, what others wrote, clients and runtimes.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    Client,
    primitives::Blob,
    types::AttributeValue::{self, B, N, S},
};
use blindcache::{
    Backend, BackendErrorKind as Kind, DynamoDbBackend,
    conformance::{Subject, run_all},
};
use blindcache_server_tests::{
    Remote, Store,
    dynamodb::{Dynoxide, TABLE, at, client, items},
    entry, key,
};

use crate::failing;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Puts an item into the table beside the library.
async fn put(client: &Client, number: u64, attributes: &[(&str, AttributeValue)]) {
    let mut put = client.put_item().table_name(TABLE).item("pk", S(key(number).as_str().into()));
    for (name, value) in attributes {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

fn value(number: u64) -> AttributeValue {
    B(Blob::new(entry(number, 200).as_bytes()))
}

/// Items past their time, which the store serves, are not there.
pub(crate) async fn expired_items_are_misses(store: &impl Remote) {
    let (backend, client) = (store.backend(), client(store.port()));
    let keys: Vec<_> = (0..8).map(key).collect();
    for number in 0..8 {
        put(&client, number, &[("v", value(number)), ("exp", N((now() - 1).to_string()))]).await;
    }
    put(&client, 8, &[("v", value(8)), ("exp", N((now() + 100).to_string()))]).await;
    // The store may have deleted some already, but not all.
    assert!(items(&client).await.len() > 1, "the store does not serve expired items");
    assert!(backend.get(&keys[0]).await.unwrap().is_none());
    assert!(!backend.exists(&keys[0]).await.unwrap());
    assert_eq!(backend.get_many(&keys).await.unwrap(), vec![None; 8]);
    assert!(!backend.delete(&keys[0]).await.unwrap());
    assert_eq!(backend.delete_many(&keys).await.unwrap(), [false; 8]);
    assert_eq!(items(&client).await.len(), 1); // they are gone now all the same
    assert!(backend.delete(&key(8)).await.unwrap());
}

#[tokio::test]
async fn expired_items_that_are_still_served_are_misses() {
    expired_items_are_misses(&Dynoxide::start().await).await;
}

#[tokio::test]
async fn item_has_its_expiry_in_seconds_rounded_up() {
    let server = Dynoxide::start().await;
    let (backend, client) = (server.backend(), client(server.port));
    let before = now();
    let ttls = [None, Some(Duration::from_millis(1)), Some(Duration::from_secs(3_600)), Some(Duration::MAX)];
    for (number, ttl) in (0..).zip(ttls) {
        backend.set(&key(number), entry(number, 200), ttl).await.unwrap();
    }
    let found: HashMap<String, _> = items(&client)
        .await
        .into_iter()
        .map(|mut item| {
            let Some(S(name)) = item.remove("pk") else { panic!("no name") };
            let expiry = item.remove("exp").map(|expiry| expiry.as_n().unwrap().parse::<u64>().unwrap());
            assert_eq!(item.len(), 1); // and `v`
            (name, expiry)
        })
        .collect();
    let expiry = |number| found[key(number).as_str()];
    assert_eq!(expiry(0), None);
    assert!((before + 1..=now() + 1).contains(&expiry(1).unwrap()));
    assert!((before + 3_600..=now() + 3_601).contains(&expiry(2).unwrap()));
    assert_eq!(expiry(3), Some(DynamoDbBackend::LAST_EXPIRY));
}

#[tokio::test]
async fn items_of_other_programs_are_rejected() {
    let server = Dynoxide::start().await;
    let (backend, client) = (server.backend(), client(server.port));
    put(&client, 1, &[]).await;
    put(&client, 2, &[("v", S("text".into()))]).await;
    put(&client, 3, &[("v", value(3)), ("exp", S("soon".into()))]).await;
    put(&client, 4, &[("v", value(4)), ("exp", N("-1.5".into()))]).await;
    for number in 1..=4 {
        assert_eq!(failing(backend.get(&key(number))).await, Kind::Rejected);
        assert_eq!(failing(backend.get_many(&[key(number)])).await, Kind::Rejected);
    }
    // What is there is there, and can be replaced or deleted.
    assert!(backend.exists(&key(1)).await.unwrap());
    assert_eq!(failing(backend.exists(&key(3))).await, Kind::Rejected);
    assert!(backend.delete(&key(2)).await.unwrap());
    backend.set(&key(3), entry(3, 200), None).await.unwrap();
    assert_eq!(backend.get(&key(3)).await.unwrap().unwrap(), entry(3, 200).as_bytes());
}

#[tokio::test]
async fn client_of_the_caller_conforms() {
    let server = Dynoxide::start().await;
    let one = DynamoDbBackend::builder_from_client(TABLE, &client(server.port));
    let one = one.timeout(Duration::from_secs(30)).build().unwrap();
    let subject = Subject::new(Dynoxide::EXPIRY, move || std::future::ready(one.clone()));
    run_all(&subject.largest(Dynoxide::LARGEST)).await.unwrap();
}

#[tokio::test]
async fn reads_that_need_not_be_consistent_work() {
    let server = Dynoxide::start().await;
    let backend = at(server.port).consistent_reads(false).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(backend.exists(&key(1)).await.unwrap());
    assert_eq!(backend.get_many(&[key(1)]).await.unwrap()[0].as_ref().unwrap(), entry(1, 200).as_bytes());
}

#[tokio::test]
async fn missing_table_is_misconfigured() {
    let server = Dynoxide::empty();
    let backend = server.backend();
    assert_eq!(failing(backend.ping()).await, Kind::Misconfigured);
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Misconfigured);
    assert_eq!(failing(backend.get_many(&[key(1)])).await, Kind::Misconfigured);
    assert_eq!(failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await, Kind::Misconfigured);
    assert_eq!(failing(backend.delete_many(&[key(1)])).await, Kind::Misconfigured);
    backend.create_table().await.unwrap();
    backend.ping().await.unwrap();
}

#[test]
fn it_works_on_from_another_runtime_and_says_so_without_one() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime().block_on(Dynoxide::start());
    let backend = server.backend();
    for number in 0..3 {
        runtime().block_on(async {
            backend.set(&key(number), entry(number, 200), None).await.unwrap();
            assert!(backend.get(&key(0)).await.unwrap().is_some());
        });
    }
    let key = key(0);
    let mut call = Box::pin(backend.get(&key));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(err)) = call.as_mut().poll(&mut context) else {
        panic!("the call was to fail at once")
    };
    assert_eq!(err.kind(), Kind::Misconfigured);
    let mut call = Box::pin(backend.create_table());
    let std::task::Poll::Ready(Err(err)) = call.as_mut().poll(&mut context) else {
        panic!("creation was to fail at once")
    };
    assert_eq!(err.kind(), Kind::Misconfigured);
}

#[tokio::test]
async fn unknown_host_is_misconfigured() {
    let backend = DynamoDbBackend::builder(TABLE, "eu-central-1")
        .endpoint_url("http://nowhere.invalid:8000")
        .credentials(blindcache_server_tests::dynamodb::credentials());
    let backend = backend.build().unwrap();
    let kind = failing(backend.ping()).await;
    assert!([Kind::Misconfigured, Kind::Timeout].contains(&kind), "{kind:?}"); // a resolver may be slow
}
