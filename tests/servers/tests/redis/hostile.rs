//! Servers that answer whatever they like: typed errors, no panic, no hang, and nothing that they echo.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend};
use blindcache_server_tests::{Fake, entry, failing, impatient, key};

fn at(url: &str) -> RedisBackend {
    RedisBackend::new(url).unwrap()
}

/// Panics so far in any task: one of the connection's own would look like a lost connection.
fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let old = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            old(info);
        }));
    });
    PANICS.load(SeqCst)
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
async fn absurd_sizes_neither_panic_nor_hang() {
    let panics_before = panics();
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
    assert_eq!(panics(), panics_before);
}
