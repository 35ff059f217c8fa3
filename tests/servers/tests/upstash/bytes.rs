//! Entries are bytes, and no step loses one.

use std::time::Duration;

use blindcache::{Backend, Sealed, StoreKey, UpstashBackend};
use blindcache_server_tests::{key, upstash::Upstash};

use crate::{at, held};

/// An entry in shape that goes on with these bytes.
fn sealed(rest: &[u8]) -> Sealed {
    Sealed::parse([b"\xC1bc\x01", rest, &[0; 112]].concat()).unwrap()
}

/// What is most likely to be mistaken for something else: for text, a line's end, a reply, JSON, a form, base64.
fn awkward() -> Vec<Sealed> {
    let all: Vec<u8> = (0..=255).collect();
    let pairs: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let mut random = fastrand::Rng::with_seed(3);
    let mut entries: Vec<_> = [
        &all[..],
        &pairs,
        b"",
        b"\r\n$-1\r\n+OK\r\n-ERR\r\n:1\r\n",
        b"\"\\\"}],{\"error\":\"ERR\"}",
        b"%00%FF+a=b&c?#/../",
        b"\xEF\xBF\xBD\xED\xA0\x80\xC0\x80\xFE\xFF",
        b"OKOK====",
        &[0xFF; 1_000],
        &[0; 1_000],
    ]
    .map(sealed)
    .into();
    entries.extend((0..30).map(|size| sealed(&(0..size * size).map(|_| random.u8(..)).collect::<Vec<_>>())));
    entries
}

/// By each way of writing, what Redis holds is the entry; by each way of reading, it comes back.
#[tokio::test]
async fn no_step_loses_a_byte() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let entries = awkward();
    let keys: Vec<StoreKey> = (0..).map(key).take(entries.len()).collect();
    let ttl = |at: usize| at.is_multiple_of(2).then_some(Duration::from_secs(600));
    let pairs = || keys.iter().zip(&entries).enumerate();

    for (at, (key, entry)) in pairs() {
        backend.set(key, entry.clone(), ttl(at)).await.unwrap();
    }
    is_there(&upstash, &backend, &keys, &entries).await;
    assert!(backend.delete_many(&keys).await.unwrap().into_iter().all(|there| there));
    let writes = pairs().map(|(at, (key, entry))| (key.clone(), entry.clone(), ttl(at)));
    backend.set_many(writes.collect()).await.unwrap();
    is_there(&upstash, &backend, &keys, &entries).await;
}

async fn is_there(upstash: &Upstash, backend: &UpstashBackend, keys: &[StoreKey], entries: &[Sealed]) {
    let many = backend.get_many(keys).await.unwrap();
    for ((key, entry), of_many) in keys.iter().zip(entries).zip(many) {
        assert_eq!(held(upstash, key.as_str()).unwrap(), entry.as_bytes());
        assert_eq!(backend.get(key).await.unwrap().unwrap(), entry.as_bytes());
        assert_eq!(of_many.unwrap(), entry.as_bytes());
    }
}

/// What was stored by another client of the same database is read as it is.
#[tokio::test]
async fn what_another_wrote_is_read_as_it_is() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    for value in ["", "OK", "plain", "$-1", "null", "\u{FFFD}😀"] {
        let _: () = upstash.redis.admin(&["SET", key(1).as_str(), value]);
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), value.as_bytes());
        let found = backend.get_many(&[key(1), key(2)]).await.unwrap();
        assert_eq!(found, [Some(value.as_bytes().to_vec().into()), None]);
    }
}
