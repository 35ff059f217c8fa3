//! Servers that answer whatever they like: typed errors or a miss, and nothing that they say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use aws_sdk_dynamodb::config::{retry::RetryConfig, timeout::TimeoutConfig};
use blindcache::{Backend, BackendError, BackendErrorKind as Kind, DynamoDbBackend};
use blindcache_server_tests::{
    LIMIT,
    dynamodb::{TABLE, at, client, patient},
    entry, in_time, key,
};

use crate::{
    canned::{Answer, Asked, Canned, error, ok, whole},
    failed, failing,
};

/// The errors of a call by each method.
async fn by_each(backend: &DynamoDbBackend) -> Vec<BackendError> {
    vec![
        failed(backend.get(&key(1))).await,
        failed(backend.set(&key(1), entry(1, 200), None)).await,
        failed(backend.delete(&key(1))).await,
        failed(backend.exists(&key(1))).await,
        failed(backend.get_many(&[key(1)])).await,
        failed(backend.set_many(vec![(key(1), entry(1, 200), None)])).await,
        failed(backend.delete_many(&[key(1)])).await,
        failed(backend.ping()).await,
    ]
}

#[tokio::test]
async fn errors_of_the_service_have_the_kind_of_their_code() {
    for (status, code, kind) in [
        ("400 Bad Request", "ProvisionedThroughputExceededException", Kind::Throttled),
        ("400 Bad Request", "ThrottlingException", Kind::Throttled),
        ("400 Bad Request", "RequestLimitExceeded", Kind::Throttled),
        ("400 Bad Request", "ResourceNotFoundException", Kind::Misconfigured),
        ("400 Bad Request", "AccessDeniedException", Kind::Denied),
        ("400 Bad Request", "UnrecognizedClientException", Kind::Denied),
        ("400 Bad Request", "ExpiredTokenException", Kind::Denied),
        ("400 Bad Request", "InvalidSignatureException", Kind::Denied),
        ("400 Bad Request", "MissingAuthenticationTokenException", Kind::Denied),
        ("400 Bad Request", "ValidationException", Kind::Rejected),
        ("400 Bad Request", "SerializationException", Kind::Rejected),
        ("400 Bad Request", "ItemCollectionSizeLimitExceededException", Kind::Rejected),
        ("500 Internal Server Error", "InternalServerError", Kind::Transient),
        ("503 Service Unavailable", "ServiceUnavailable", Kind::Transient),
        // Unknown ones, by their status.
        ("400 Bad Request", "Hunter2", Kind::Rejected),
        ("403 Forbidden", "Hunter2", Kind::Denied),
        ("404 Not Found", "Hunter2", Kind::Misconfigured),
        ("405 Method Not Allowed", "Hunter2", Kind::Misconfigured),
        ("408 Request Timeout", "Hunter2", Kind::Timeout),
        ("425 Too Early", "Hunter2", Kind::Transient),
        ("429 Too Many Requests", "Hunter2", Kind::Throttled),
        ("500 Internal Server Error", "Hunter2", Kind::Transient),
        ("501 Not Implemented", "Hunter2", Kind::Rejected),
        ("504 Gateway Timeout", "Hunter2", Kind::Timeout),
        ("507 Insufficient Storage", "Hunter2", Kind::Throttled),
        ("302 Found", "Hunter2", Kind::Misconfigured),
    ] {
        let server = Canned::start(move |_| error(status, code, "location: http://hunter2/\r\n")).await;
        for err in by_each(&patient(server.port)).await {
            assert_eq!(err.kind(), kind, "{status} {code}");
            let shown = format!("{err:?} {err} {:?}", std::error::Error::source(&err)).to_lowercase();
            assert!(!shown.contains("hunter"), "{shown}");
        }
        assert_eq!(server.asked().len(), 8, "{code}: each call is one request");
    }
}

/// What is in front of the table may take less than the table.
#[tokio::test]
async fn what_a_gateway_finds_too_large_takes_the_old_entry_with_it() {
    let server = Canned::start(|asked| match asked.body.len() > 2_000 {
        true => error("413 Payload Too Large", "Hunter2", ""),
        false => ok("{}"),
    })
    .await;
    let backend = patient(server.port);
    assert_eq!(failing(backend.set(&key(1), entry(1, 2_000), None)).await, Kind::TooLarge);
    let operations = |asked: Vec<Asked>| asked.into_iter().map(|asked| asked.operation).collect::<Vec<_>>();
    assert_eq!(operations(server.asked()), ["putitem", "deleteitem"]);
    // Of a batch the rest is written.
    let writes =
        (0..30).map(|number| (key(number), entry(number, if number == 7 { 2_000 } else { 200 }), None));
    assert_eq!(failing(backend.set_many(writes.collect())).await, Kind::TooLarge);
    let asked = server.asked().split_off(2);
    let taken = asked.iter().filter(|asked| asked.body.len() <= 2_000);
    let (deleted, written): (Vec<_>, Vec<_>) = taken.partition(|asked| asked.operation == "deleteitem");
    assert_eq!(deleted.iter().flat_map(|asked| asked.names()).collect::<Vec<_>>(), [key(7).as_str()]);
    let mut written: Vec<_> = written.iter().flat_map(|asked| asked.names()).collect();
    written.sort_unstable();
    let mut others: Vec<_> = (0..30).filter(|it| *it != 7).map(|it| key(it).as_str().to_owned()).collect();
    others.sort_unstable();
    assert_eq!(written, others);
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    for (headers, after) in [
        ("retry-after: 7\r\n", Some(Duration::from_secs(7))),
        ("retry-after: 999999999\r\n", Some(Duration::from_secs(3_600))),
        ("retry-after: soon\r\n", None),
        ("retry-after: -1\r\n", None),
        ("", None),
    ] {
        let server = Canned::start(move |_| error("400 Bad Request", "ThrottlingException", headers)).await;
        for err in by_each(&patient(server.port)).await {
            assert_eq!((err.kind(), err.retry_after()), (Kind::Throttled, after), "{headers}");
        }
    }
}

#[tokio::test]
async fn a_client_of_the_caller_retries_no_more_than_ours() {
    let server = Canned::start(|_| error("500 Internal Server Error", "InternalServerError", "")).await;
    let config = client(server.port).config().to_builder();
    let config = config
        .retry_config(RetryConfig::standard().with_max_attempts(10))
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_nanos(1)).build());
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let backend = DynamoDbBackend::from_client(TABLE, &client).unwrap();
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Transient);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_answer_is_rejected() {
    let other = r#"{"pk":{"S":"hunter2"},"v":{"B":"AQ=="}}"#;
    let bodies = [
        "hunter2".to_owned(),
        "[]".into(),
        "{".into(),
        r#"{"Item":7,"Attributes":7,"Responses":7,"UnprocessedItems":7}"#.into(),
        format!(
            r#"{{"Item":{other},"Attributes":{other},"Responses":{{"{TABLE}":[{other}]}},"UnprocessedItems":{{"{TABLE}":[{{}}]}}}}"#
        ),
        format!("{}1{}", r#"{"Item":"#.repeat(5_000), "}".repeat(5_000)),
    ];
    for body in bodies {
        let answer = body.clone();
        let server = Canned::start(move |_| ok(&answer)).await;
        let backend = patient(server.port);
        let shown = &body[..body.len().min(60)];
        assert_eq!(failing(backend.get(&key(1))).await, Kind::Rejected, "{shown}");
        assert_eq!(failing(backend.exists(&key(1))).await, Kind::Rejected, "{shown}");
        assert_eq!(failing(backend.get_many(&[key(1)])).await, Kind::Rejected, "{shown}");
        for err in [
            in_time(backend.set(&key(1), entry(1, 200), None)).await.err(),
            in_time(backend.delete(&key(1))).await.err(),
            in_time(backend.set_many(vec![(key(1), entry(1, 200), None)])).await.err(),
        ]
        .into_iter()
        .flatten()
        {
            assert_eq!(err.kind(), Kind::Rejected, "{shown}");
        }
    }
}

#[tokio::test]
async fn answers_that_are_not_http_are_rejected() {
    for bytes in ["\0\x01\x02\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 999999 OK\r\n\r\n", "+PONG\r\n"]
    {
        let server = Canned::start(move |_| Answer::Whole(bytes.into())).await;
        for err in by_each(&patient(server.port)).await {
            assert_eq!(err.kind(), Kind::Rejected, "{bytes:?}");
        }
    }
}

#[tokio::test]
async fn empty_answers_are_misses() {
    let server = Canned::start(|_| whole("200 OK", "", "{}")).await;
    let backend = patient(server.port);
    assert!(backend.get(&key(1)).await.unwrap().is_none());
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(backend.get_many(&[key(1)]).await.unwrap(), [None]);
}

#[tokio::test]
async fn reads_say_whether_they_are_to_be_consistent() {
    let server = Canned::start(|_| ok("{}")).await;
    for (consistent, word) in [(true, r#""ConsistentRead":true"#), (false, r#""ConsistentRead":false"#)] {
        let backend = at(server.port).consistent_reads(consistent);
        let backend = backend.build().unwrap();
        backend.get(&key(1)).await.unwrap();
        backend.exists(&key(1)).await.unwrap();
        backend.get_many(&[key(1)]).await.unwrap();
        let asked = server.asked();
        assert!(asked[asked.len() - 3..].iter().all(|asked| asked.body.contains(word)), "{asked:?}");
    }
}

/// Several connections that are kept, and all of them half-open.
#[tokio::test]
async fn after_a_call_in_vain_no_kept_connection_is_used() {
    let dead = Arc::new(AtomicUsize::new(0));
    let below = dead.clone();
    let server = Canned::start(move |asked| match asked.connection < below.load(SeqCst) {
        true => Answer::Silence,
        false => ok("{}"),
    })
    .await;
    let backend = at(server.port).timeout(LIMIT).build().unwrap();
    let kept = async || {
        let pings = [(); 4].map(|()| backend.ping());
        let [a, b, c, d] = pings;
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        a.and(b).and(c).and(d).unwrap();
        let used = server.asked().iter().map(|asked| asked.connection).max().unwrap() + 1;
        dead.store(used, SeqCst);
        used
    };
    assert!(kept().await >= 2);
    assert_eq!(failing(backend.ping()).await, Kind::Timeout);
    backend.ping().await.unwrap();
    // The same where the caller has less patience than the backend.
    let before = dead.load(SeqCst);
    assert!(kept().await >= before + 2);
    assert!(tokio::time::timeout(LIMIT * 3 / 4, backend.ping()).await.is_err());
    backend.ping().await.unwrap();
}
