//! What the server says, and what comes of it: errors by their kind, nothing that it echoes, and strict replies.

use std::time::Duration;

use blindcache::{Backend, BackendErrorKind as Kind, UpstashBackend};
use blindcache_server_tests::{
    entry, key,
    upstash::{Instead, Upstash},
};

use crate::{at, error};

fn answer(status: u16, body: &str) -> Instead {
    Instead::Answer { status, headers: vec![], body: body.as_bytes().to_vec() }
}

/// The kinds that every method ends with, all the same.
async fn kind(backend: &UpstashBackend) -> Kind {
    let kinds = [
        error(backend.get(&key(1))).await.kind(),
        error(backend.set(&key(1), entry(1, 200), None)).await.kind(),
        error(backend.delete(&key(1))).await.kind(),
        error(backend.exists(&key(1))).await.kind(),
        error(backend.get_many(&[key(1)])).await.kind(),
        error(backend.set_many(vec![(key(1), entry(1, 200), None)])).await.kind(),
        error(backend.delete_many(&[key(1)])).await.kind(),
        error(backend.ping()).await.kind(),
    ];
    assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{kinds:?}");
    kinds[0]
}

#[tokio::test]
async fn errors_have_the_kind_a_caller_can_act_on() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    for (status, text, expected) in [
        (
            400,
            "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. See https://…",
            Kind::Throttled,
        ),
        (400, "ERR max daily request limit exceeded. Limit: 10000, Usage: 10001.", Kind::Throttled),
        (400, "ERR max bandwidth limit exceeded", Kind::Throttled),
        (400, "ERR DB capacity quota exceeded", Kind::Throttled),
        (429, "ERR max concurrent connections exceeded", Kind::Throttled),
        (429, "ERR slow down", Kind::Throttled),
        (401, "WRONGPASS invalid or missing auth token", Kind::Denied),
        (401, "Unauthorized", Kind::Denied),
        (403, "forbidden", Kind::Denied),
        (400, "NOPERM this user has no permissions to run the 'set' command", Kind::Denied),
        (400, "WRONGTYPE Operation against a key holding the wrong kind of value", Kind::Rejected),
        (400, "ERR wrong number of arguments for 'get' command", Kind::Rejected),
        (200, "ERR another", Kind::Rejected),
        (200, "ERR max requests limit exceeded", Kind::Throttled),
        (400, "LOADING the dataset", Kind::Transient),
        (500, "ERR internal", Kind::Transient),
        (503, "away", Kind::Transient),
        (504, "late", Kind::Timeout),
        (404, "no such database", Kind::Misconfigured),
        (302, "elsewhere", Kind::Misconfigured),
    ] {
        upstash.answers_always(Instead::error(status, text));
        assert_eq!(kind(&backend).await, expected, "{status} {text}");
        upstash.answers_always(answer(status, &format!("-{text}\r\n")));
        assert_eq!(kind(&backend).await, expected, "{status} -{text}");
    }
    for (status, expected) in [(401, Kind::Denied), (429, Kind::Throttled), (502, Kind::Transient)] {
        upstash.answers_always(answer(status, "<html>"));
        assert_eq!(kind(&backend).await, expected, "{status}");
    }
}

#[tokio::test]
async fn errors_of_one_command_in_a_batch_are_its_own() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let _: usize = upstash.redis.admin(&["RPUSH", key(1).as_str(), "element"]);
    assert_eq!(error(backend.get(&key(1))).await.kind(), Kind::Rejected);
    assert_eq!(error(backend.get_many(&[key(2), key(1)])).await.kind(), Kind::Rejected);
    let items = r#"[{"result":null},{"error":"ERR max requests limit exceeded"}]"#;
    upstash.answers_always(answer(200, items));
    assert_eq!(error(backend.get_many(&[key(2), key(1)])).await.kind(), Kind::Throttled);
    assert_eq!(error(backend.delete_many(&[key(2), key(1)])).await.kind(), Kind::Throttled);
}

#[tokio::test]
async fn throttled_says_when_to_come_back() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    for (status, text) in [(429, "slow down"), (400, "ERR max requests limit exceeded")] {
        let headers = vec![("retry-after", "17".to_owned())];
        let body = format!(r#"{{"error":"{text}"}}"#).into_bytes();
        upstash.answers_always(Instead::Answer { status, headers, body });
        for err in [error(backend.get(&key(1))).await, error(backend.get_many(&[key(1)])).await] {
            assert_eq!((err.kind(), err.retry_after()), (Kind::Throttled, Some(Duration::from_secs(17))));
        }
    }
    upstash.answers_always(Instead::error(429, "slow down"));
    assert_eq!(error(backend.get(&key(1))).await.retry_after(), None);
}

#[tokio::test]
async fn wrong_token_is_denied_and_not_shown() {
    let upstash = Upstash::start();
    let backend = UpstashBackend::new(&upstash.url(), "hunter2hunter2").unwrap();
    assert_eq!(kind(&backend).await, Kind::Denied);
    let err = error(backend.get(&key(1))).await;
    let shown = format!("{err:?} {err} {backend:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(at(&upstash).get(&key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn text_of_the_server_is_in_no_error() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    for status in [200, 302, 400, 401, 404, 429, 500] {
        for body in [
            r#"{"error":"ERR hunter2"}"#,
            r#"{"error":"HUNTER2 hunter2"}"#,
            r#"{"error":"WRONGPASS hunter2"}"#,
            r#"{"hunter2":1}"#,
            r#"[{"error":"ERR max hunter2 limit exceeded"}]"#,
            r#"[{"result":"hunter2"}]"#,
            "-HUNTER2 hunter2\r\n",
            "+hunter2\r\n",
            "hunter2",
        ] {
            let headers = vec![("hunter2", "hunter2".to_owned()), ("location", "/hunter2".to_owned())];
            upstash.answers_always(Instead::Answer { status, headers, body: body.into() });
            for err in [
                error(backend.get(&key(1))).await,
                error(backend.set(&key(1), entry(1, 200), None)).await,
                error(backend.get_many(&[key(1)])).await,
                error(backend.delete_many(&[key(1)])).await,
            ] {
                let shown = format!("{err:?} {err} {:?}", std::error::Error::source(&err));
                assert!(!shown.to_lowercase().contains("hunter"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn answers_that_are_none_are_rejected() {
    let upstash = Upstash::start();
    let backend = at(&upstash);
    let deep = "[".repeat(4_000);
    for body in [
        "",
        "\0",
        "null",
        "{}",
        "[]",
        r#"{"result":"OK"}"#,
        r#"{"result":null}"#,
        "*1\r\n$1\r\nx\r\n",
        ":2\r\n",
        ":-1\r\n",
        "$5\r\nabc\r\n",
        "$3\r\nabc\r\n+OK\r\n",
        "$99999999999999999999\r\n",
        "$-7\r\n",
        "+OK",
        r#"[{"result":1},{"result":1}]"#,
        r#"[{"result":2}]"#,
        r#"[{"result":"&&&&"}]"#,
        r#"[{"result":["YWJj"]}]"#,
        r#"[[]]"#,
        &deep,
    ] {
        upstash.answers_always(answer(200, body));
        assert_eq!(kind(&backend).await, Kind::Rejected, "{body}");
    }
    // What is an answer, but of another command.
    for (body, not_for) in [("+OK\r\n", "get"), (":1\r\n", "get"), ("$-1\r\n", "set"), ("+FINE\r\n", "set")] {
        upstash.answers_always(answer(200, body));
        let err = match not_for {
            "get" => error(backend.get(&key(1))).await,
            _ => error(backend.set(&key(1), entry(1, 200), None)).await,
        };
        assert_eq!(err.kind(), Kind::Rejected, "{body}");
        assert_eq!(error(backend.get_many(&[key(1)])).await.kind(), Kind::Rejected, "{body}");
    }
    upstash.answers_always(answer(200, r#"[{"result":1}]"#));
    assert_eq!(error(backend.get_many(&[key(1)])).await.kind(), Kind::Rejected);
    upstash.answers_always(answer(200, r#"[{"result":null}]"#));
    assert_eq!(error(backend.delete_many(&[key(1)])).await.kind(), Kind::Rejected);
}
