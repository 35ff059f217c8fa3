//! What servers answer, and what comes of it: errors by their kind, other types, expiry.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{Fake, Options, Proxy, Server, entry, failing, healed, impatient, key, until};

fn at(url: &str) -> RedisBackend {
    RedisBackend::new(url).unwrap()
}

#[tokio::test]
async fn full_memory_is_throttled() {
    let server = Server::start();
    let backend = at(&server.url());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(failing(backend.set(&key(2), entry(2, 200), None)).await, Kind::Throttled);
    assert_eq!(failing(backend.set_many(vec![(key(2), entry(2, 200), None)])).await, Kind::Throttled);
    assert!(backend.get(&key(1)).await.unwrap().is_some());
    let _: () = server.admin(&["CONFIG", "SET", "maxmemory", "0"]);
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
}

#[tokio::test]
async fn demoted_server_is_transient_and_its_address_looked_up_again() {
    let server = Server::start();
    let proxy = Proxy::start(server.port).await;
    let backend = at(&proxy.url());
    backend.ping().await.unwrap();
    let _: () = server.admin(&["REPLICAOF", "127.0.0.1", "1"]);
    let mut calls = 0;
    while proxy.accepted() < 3 {
        assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Transient); // -READONLY
        calls += 1;
        assert!(calls < 100_000, "the old connection is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(calls > 20, "a new connection for each call");
    let _: () = server.admin(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient); // -MASTERDOWN
    let _: () = server.admin(&["REPLICAOF", "NO", "ONE"]);
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
}

#[tokio::test]
async fn missing_permission_is_denied() {
    let config = "user reader on nopass ~* &* +get +mget +exists\n".into();
    let server = Server::with(Options { config, ..Options::default() });
    let backend = at(&format!("redis://reader:any@127.0.0.1:{}", server.port));
    assert!(backend.get(&key(1)).await.unwrap().is_none());
    assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Denied);
    assert_eq!(failing(backend.delete_many(&[key(1)])).await, Kind::Denied);
    assert_eq!(failing(backend.ping()).await, Kind::Denied);
}

#[tokio::test]
async fn full_server_is_transient() {
    let server = Server::start();
    let backend = impatient(&server.url());
    let _: () = server.admin(&["CONFIG", "SET", "maxclients", "1"]);
    let client = redis::Client::open(server.url()).unwrap();
    let other = client.get_connection().unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
    drop(other);
    healed(&backend).await;
}

#[tokio::test]
async fn key_of_another_type_is_rejected() {
    let server = Server::start();
    let backend = at(&server.url());
    let _: usize = server.admin(&["RPUSH", key(1).as_str(), "element"]);
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected);
    // MGET gives nil for it, by its own definition.
    assert!(backend.get_many(&[key(1)]).await.unwrap()[0].is_none());
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn error_replies_have_the_kind_of_their_code() {
    for (reply, kind) in [
        ("-LOADING Redis is loading the dataset in memory\r\n", Kind::Transient),
        ("-TRYAGAIN Multiple keys request during rehashing\r\n", Kind::Transient),
        ("-MASTERDOWN Link with MASTER is down\r\n", Kind::Transient),
        ("-CLUSTERDOWN The cluster is down\r\n", Kind::Transient),
        ("-OOM command not allowed\r\n", Kind::Throttled),
        ("-WRONGPASS invalid username-password pair\r\n", Kind::Denied),
        ("-NOAUTH Authentication required.\r\n", Kind::Denied),
        ("-MOVED 3999 127.0.0.1:6381\r\n", Kind::Misconfigured),
        ("-ERR unknown command\r\n", Kind::Rejected),
        ("-SOMETHING else\r\n", Kind::Rejected),
        ("-\r\n", Kind::Rejected),
        ("!10\r\nERR hidden\r\n", Kind::Rejected),
    ] {
        let fake = Fake::start(reply.as_bytes()).await;
        let backend = at(&fake.url());
        assert_eq!(failing(backend.get(&key(1))).await, kind, "{reply}");
        assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, kind, "{reply}");
        assert_eq!(failing(backend.get_many(&[key(1)])).await, kind, "{reply}");
        assert_eq!(failing(backend.delete_many(&[key(1)])).await, kind, "{reply}");
    }
}

#[tokio::test]
async fn text_of_the_server_is_in_no_error() {
    for reply in [
        "-ERR wrong password 'hunter2' given\r\n",
        "-WRONGPASS hunter2\r\n",
        "-HUNTER2 hunter2\r\n",
        "-HUNTER hunter2\r\n",
        "+hunter2\r\n",
        "hunter2\r\n",
        "*1\r\n$7\r\nhunter2\r\n",
    ] {
        let fake = Fake::greeting(reply.as_bytes(), reply.as_bytes()).await;
        for login in ["", ":hunter2@", "user:hunter2@"] {
            for end in ["", "/1", "?protocol=resp3"] {
                let backend = at(&format!("redis://{login}127.0.0.1:{}/{end}", fake.port));
                let err = backend.get(&key(1)).await.unwrap_err();
                let shown = format!("{err:?} {err} {:?} {backend:?}", std::error::Error::source(&err));
                assert!(!shown.to_lowercase().contains("hunter"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn answers_of_another_type_are_rejected() {
    for reply in [
        ":1\r\n",
        ":-9223372036854775808\r\n",
        "*0\r\n",
        "*1\r\n$1\r\nx\r\n",
        "*2\r\n*1\r\n:1\r\n%1\r\n+a\r\n+b\r\n",
        "+something\r\n",
        "%1\r\n+a\r\n+b\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(12345678901234567890\r\n",
        "=7\r\ntxt:abc\r\n",
        "|1\r\n+a\r\n+b\r\n$1\r\nx\r\n",
    ] {
        let fake = Fake::start(reply.as_bytes()).await;
        let backend = at(&fake.url());
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected, "{reply}");
        assert_eq!(failing(backend.set(&key(1), entry(1, 200), None)).await, Kind::Rejected, "{reply}");
        assert_eq!(failing(backend.get_many(&[key(1), key(2), key(3)])).await, Kind::Rejected, "{reply}");
        if reply != ":1\r\n" {
            assert_eq!(failing(backend.delete(&key(1))).await, Kind::Rejected, "{reply}");
            assert_eq!(failing(backend.delete_many(&[key(1)])).await, Kind::Rejected, "{reply}");
        }
    }
}

#[tokio::test]
async fn absurd_sizes_neither_hang_nor_fill_the_memory() {
    let nested = "*9\r\n".repeat(2_000);
    let deep = "*1\r\n".repeat(150) + ":1\r\n";
    for reply in [
        "$9223372036854775807\r\n",
        "$99999999999999999999\r\n",
        "$-5\r\nx\r\n",
        "*9223372036854775807\r\n",
        "*4294967295\r\n:1\r\n",
        "*-7\r\n*-7\r\n",
        "%9223372036854775807\r\n",
        "%-1\r\n",
        "|9223372036854775807\r\n",
        "|-1\r\n",
        "~-1\r\n~9223372036854775807\r\n",
        ">9223372036854775807\r\n",
        ">-1\r\n",
        ">0\r\n",
        ">1\r\n:1\r\n",
        "=-1\r\n",
        "!-1\r\n",
        "=3\r\nabc\r\n",
        "$1\r\nxyz\r\n",
        "\r\n",
        "\0",
        "",
        &nested,
        &deep,
    ] {
        let fake = Fake::start(reply.as_bytes()).await;
        let backend = impatient(&fake.url());
        // A negative size is nil by the client's reading; any other of these is late or no answer.
        if let Ok(found) = backend.get(&key(1)).await {
            assert!(found.is_none(), "{}", reply.escape_debug());
        }
        let kind = failing(backend.set(&key(1), entry(1, 200), None)).await;
        let expected = [Kind::Timeout, Kind::Rejected, Kind::Transient];
        assert!(expected.contains(&kind), "{}: {kind:?}", reply.escape_debug());
        let kind = failing(backend.set_many(vec![(key(1), entry(1, 200), None)])).await;
        assert!(expected.contains(&kind), "{}: {kind:?}", reply.escape_debug());
    }
}

#[tokio::test]
async fn ttl_is_in_milliseconds_and_a_later_set_replaces_it() {
    let server = Server::start();
    let backend = at(&server.url());
    let left = || server.admin::<i64>(&["PTTL", key(1).as_str()]);
    let set = async |ttl| backend.set(&key(1), entry(1, 200), ttl).await.unwrap();
    let hour = 3_600_000;
    set(Some(Duration::from_millis(hour as u64 + 500))).await;
    assert!((hour - 60_000..=hour + 500).contains(&left()));
    assert!(server.admin::<i64>(&["PEXPIRETIME", key(1).as_str()]) > 1_600_000_000_000);
    set(None).await;
    assert_eq!(left(), -1);
    set(Some(Duration::MAX)).await;
    assert!(left() > 1 << 61);
    set(Some(Duration::ZERO)).await;
    until("the least ttl ends", async || backend.get(&key(1)).await.unwrap().is_none()).await;
    let write = |ttl| vec![(key(1), entry(1, 200), ttl)];
    backend.set_many(write(Some(Duration::from_secs(3_600)))).await.unwrap();
    assert!((hour - 60_000..=hour).contains(&left()));
    backend.set_many(write(None)).await.unwrap();
    assert_eq!(left(), -1);
}

#[tokio::test]
async fn long_batches_keep_their_order() {
    let server = Server::start();
    let backend = at(&server.url());
    let count = 1_500;
    let keys: Vec<_> = (0..count).map(key).collect();
    let size = |number: u64| if number % 500 == 0 { 6 << 20 } else { 200 };
    let writes = (0..count).map(|number| (key(number), entry(number, size(number)), None));
    backend.set_many(writes.collect()).await.unwrap();
    let found = backend.get_many(&keys).await.unwrap();
    assert_eq!(found.len(), count as usize);
    for (number, found) in (0..).zip(found) {
        assert_eq!(found.unwrap(), entry(number, size(number)).as_bytes());
    }
    backend.delete(&key(700)).await.unwrap();
    let deleted = backend.delete_many(&keys).await.unwrap();
    assert_eq!(deleted.iter().position(|there| !there), Some(700));
    assert_eq!(deleted.iter().filter(|there| **there).count(), count as usize - 1);
    assert_eq!(server.admin::<usize>(&["DBSIZE"]), 0);
}

#[tokio::test]
async fn doubled_keys_in_a_batch_are_as_single_calls() {
    let server = Server::start();
    let backend = at(&server.url());
    backend.set_many(vec![(key(1), entry(1, 200), None), (key(1), entry(2, 300), None)]).await.unwrap();
    let found = backend.get_many(&[key(1), key(2), key(1)]).await.unwrap();
    let second = entry(2, 300).into_bytes();
    assert_eq!(found, [Some(second.clone()), None, Some(second)]);
    assert_eq!(backend.delete_many(&[key(1), key(2), key(1)]).await.unwrap(), [true, false, false]);
}

#[tokio::test]
async fn empty_batch_makes_no_call() {
    let backend = at("redis://127.0.0.1:1");
    assert!(backend.get_many(&[]).await.unwrap().is_empty());
    assert!(backend.delete_many(&[]).await.unwrap().is_empty());
    backend.set_many(vec![]).await.unwrap();
}
