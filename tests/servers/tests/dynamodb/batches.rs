//! What the service puts off of a batch is asked again, and nothing else.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind};
use blindcache_server_tests::{
    LIMIT,
    dynamodb::{TABLE, at, patient},
    entry, in_time, key,
};
use tokio::time::Instant;

use crate::{
    canned::{Answer, Asked, Canned, ok},
    failed, failing,
};

/// `AQ==` stands for an entry: what is read back is not looked into.
fn items(names: &[String]) -> String {
    let items: Vec<_> =
        names.iter().map(|name| format!(r#"{{"pk":{{"S":"{name}"}},"v":{{"B":"AQ=="}}}}"#)).collect();
    items.join(",")
}

fn keys(names: &[String]) -> String {
    let keys: Vec<_> = names.iter().map(|name| format!(r#"{{"pk":{{"S":"{name}"}}}}"#)).collect();
    keys.join(",")
}

fn puts(names: &[String]) -> String {
    let puts: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"PutRequest":{{"Item":{{"pk":{{"S":"{name}"}},"v":{{"B":"AQ=="}}}}}}}}"#))
        .collect();
    puts.join(",")
}

fn put_off(asked: &Asked, done: &[String], left: &[String]) -> Answer {
    ok(&match asked.operation.as_str() {
        "batchgetitem" => format!(
            r#"{{"Responses":{{"{TABLE}":[{}]}},"UnprocessedKeys":{{"{TABLE}":{{"Keys":[{}]}}}}}}"#,
            items(done),
            keys(left)
        ),
        _ => format!(r#"{{"UnprocessedItems":{{"{TABLE}":[{}]}}}}"#, puts(left)),
    })
}

/// Does half of what is asked, and at least one, each time.
async fn hesitant() -> Canned {
    Canned::start(|asked| {
        let names = asked.names();
        let (done, left) = names.split_at(names.len().div_ceil(2));
        put_off(asked, done, left)
    })
    .await
}

#[tokio::test]
async fn what_is_put_off_is_asked_again_until_it_is_done() {
    let server = hesitant().await;
    let backend = patient(server.port);
    let wanted: Vec<_> = (0..8).map(key).collect();
    let found = in_time(backend.get_many(&wanted)).await.unwrap();
    assert!(found.into_iter().all(|found| found.is_some_and(|entry| *entry == [1])));
    let counts: Vec<_> = server.asked().iter().map(|asked| asked.names().len()).collect();
    assert_eq!(counts, [8, 4, 2, 1]);

    let writes = (0..8).map(|number| (key(number), entry(number, 200), None)).collect();
    in_time(backend.set_many(writes)).await.unwrap();
    let counts: Vec<_> = server.asked()[4..].iter().map(|asked| asked.names().len()).collect();
    assert_eq!(counts, [8, 4, 2, 1]);
}

#[tokio::test]
async fn what_is_put_off_for_good_is_throttled_in_time() {
    let server = Canned::start(|asked| put_off(asked, &[], &asked.names())).await;
    let backend = at(server.port).timeout(LIMIT).build().unwrap();
    let start = Instant::now();
    assert_eq!(failing(backend.get_many(&[key(1), key(2)])).await, Kind::Throttled);
    let writes = vec![(key(1), entry(1, 200), None)];
    assert_eq!(failing(backend.set_many(writes)).await, Kind::Throttled);
    let times = server.asked().len();
    assert!((4..40).contains(&times), "asked {times} times"); // with pauses
    assert!(start.elapsed() < 6 * LIMIT);
}

#[tokio::test]
async fn a_name_is_asked_once_and_the_last_write_of_it_sent() {
    let server = Canned::start(|asked| put_off(asked, &asked.names(), &[])).await;
    let backend = patient(server.port);
    let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    let writes =
        vec![(key(1), entry(1, 200), None), (key(2), entry(2, 200), None), (key(1), entry(3, 300), None)];
    backend.set_many(writes).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        let mut names = asked.names();
        names.sort();
        assert_eq!(names, [key(1).as_str(), key(2).as_str()]);
    }
    let sizes: Vec<_> = asked[1].body.split(r#""B":""#).skip(1).map(|it| it.find('"').unwrap()).collect();
    assert!(sizes.contains(&400) && sizes.contains(&268), "{sizes:?}"); // 300 and 200 bytes in base64
}

#[tokio::test]
async fn names_that_were_not_asked_for_are_rejected() {
    let other = vec![key(9).as_str().to_owned()];
    let in_items = other.clone();
    let server = Canned::start(move |asked| put_off(asked, &in_items, &[])).await;
    assert_eq!(failing(patient(server.port).get_many(&[key(1)])).await, Kind::Rejected);
    let server = Canned::start(move |asked| put_off(asked, &[], &other)).await;
    let backend = patient(server.port);
    assert_eq!(failing(backend.get_many(&[key(1)])).await, Kind::Rejected);
    assert_eq!(failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await, Kind::Rejected);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn requests_of_a_batch_are_made_at_once_but_not_all() {
    let server = Canned::start(|_| Answer::Silence).await;
    let backend = at(server.port).timeout(Duration::from_millis(500)).build().unwrap();
    let many: Vec<_> = (0..100).map(key).collect();
    let err = failed(backend.delete_many(&many)).await;
    assert_eq!(err.kind(), Kind::Timeout);
    assert_eq!(server.asked().len(), 16);
}
