//! What is sent, to the byte.

use std::time::Duration;

use blindcache::Backend;
use blindcache_server_tests::{
    entry, key,
    upstash::{Seen, TOKEN, Upstash},
};

use crate::at;

/// `POST /set/…`, and the headers of interest.
fn line(seen: &Seen) -> String {
    let mut line = format!("{} {}", seen.head.method, seen.head.uri);
    for name in ["upstash-response-format", "upstash-encoding"] {
        if let Some(value) = seen.head.headers.get(name) {
            line += &format!(" {name}: {}", value.to_str().unwrap());
        }
    }
    line
}

#[tokio::test]
async fn each_call_is_the_documented_request() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let [one, two] = [key(1), key(2)];
    let (one_name, two_name) = (one.as_str(), two.as_str());
    let raw = "upstash-response-format: resp2";

    backend.set(&one, entry(1, 200), Some(Duration::from_micros(60_000_001))).await.unwrap();
    backend.set(&two, entry(2, 200), None).await.unwrap();
    backend.get(&one).await.unwrap();
    backend.exists(&one).await.unwrap();
    backend.ping().await.unwrap();
    backend.get_many(&[one.clone(), two.clone()]).await.unwrap();
    backend.delete_many(std::slice::from_ref(&two)).await.unwrap();
    backend.delete(&one).await.unwrap();

    let seen = upstash.seen();
    assert!(seen.iter().all(|it| it.head.headers["authorization"] == format!("Bearer {TOKEN}").as_str()));
    assert!(seen.iter().all(|it| !it.head.headers.contains_key("accept-encoding")));
    assert_eq!(
        seen.iter().map(line).collect::<Vec<_>>(),
        [
            format!("POST /set/{one_name}?PX=60001 {raw}"),
            format!("POST /set/{two_name} {raw}"),
            format!("GET /get/{one_name} {raw}"),
            format!("GET /exists/{one_name} {raw}"),
            format!("GET /ping {raw}"),
            "POST /pipeline upstash-encoding: base64".into(),
            "POST /pipeline upstash-encoding: base64".into(),
            format!("POST /del/{one_name} {raw}"),
        ]
    );
    assert_eq!(seen[0].body, entry(1, 200).as_bytes());
    assert_eq!(seen[5].body, format!(r#"[["GET","{one_name}"],["GET","{two_name}"]]"#).as_bytes());
    assert_eq!(seen[6].body, format!(r#"[["DEL","{two_name}"]]"#).as_bytes());
}

/// Redis holds `key(number)` for this long, in milliseconds.
fn left(upstash: &Upstash, number: u64) -> i64 {
    upstash.redis.admin(&["PTTL", key(number).as_str()])
}

#[tokio::test]
async fn ttl_is_in_milliseconds_and_a_later_set_replaces_it() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let set = async |ttl| backend.set(&key(1), entry(1, 200), ttl).await.unwrap();
    set(Some(Duration::from_millis(3_600_500))).await;
    assert!((3_540_500..=3_600_500).contains(&left(&upstash, 1)));
    set(None).await;
    assert_eq!(left(&upstash, 1), -1);
    set(Some(Duration::MAX)).await;
    let cut = blindcache::UpstashBackend::LONGEST_TTL.as_millis() as i64;
    assert!((cut - 60_000..=cut).contains(&left(&upstash, 1)));
    set(Some(Duration::ZERO)).await;
    blindcache_server_tests::until("the least ttl ends", async || {
        backend.get(&key(1)).await.unwrap().is_none()
    })
    .await;
    backend.set_many(vec![(key(2), entry(2, 200), Some(Duration::from_secs(3_600)))]).await.unwrap();
    assert!((3_540_000..=3_600_000).contains(&left(&upstash, 2)));
}

#[tokio::test]
async fn long_batches_keep_their_order_and_go_in_parts() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let count = 250;
    let keys: Vec<_> = (0..count).map(key).collect();
    let writes = (0..count).map(|number| (key(number), entry(number, 200 + number as usize), None));
    backend.set_many(writes.collect()).await.unwrap();
    assert_eq!(upstash.seen().len(), 250);
    backend.delete(&key(170)).await.unwrap();
    upstash.seen();
    let found = backend.get_many(&keys).await.unwrap();
    assert_eq!(upstash.seen().len(), 3);
    for (number, found) in (0..).zip(found) {
        let expected = (number != 170).then(|| entry(number, 200 + number as usize).into_bytes());
        assert_eq!(found, expected);
    }
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(upstash.seen().len(), 3);
    assert_eq!(deleted.iter().position(|there| !there), Some(170));
    assert_eq!(deleted.iter().filter(|there| **there).count(), 249);
    assert_eq!(upstash.redis.admin::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    for _ in 0..20 {
        let writes = (0..8).map(|number| (key(1), entry(number, 200), None));
        backend.set_many(writes.collect()).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(7, 200).as_bytes());
    }
    let last = Some(entry(7, 200).into_bytes());
    assert_eq!(backend.get_many(&[key(1), key(2), key(1)]).await.unwrap(), [last.clone(), None, last]);
    assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
}

#[tokio::test]
async fn empty_batch_makes_no_call() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    assert!(backend.get_many(&[]).await.unwrap().is_empty());
    assert!(backend.delete_many(&[]).await.unwrap().is_empty());
    backend.set_many(vec![]).await.unwrap();
    assert!(upstash.seen().is_empty());
}
