//! What is sent, and what each answer means.

use std::{error::Error as _, time::Duration};

use blindcache::{Backend, BackendErrorKind as Kind, StoreKey};
use blindcache_server_tests::{
    Cloudflare, HttpFake, Said,
    cloudflare::{ACCOUNT, NAMESPACE, TOKEN},
    entry, in_time, key,
};

use crate::{at, kind, kinds, reads_a_value, refusal, success};

#[tokio::test]
async fn requests_are_those_of_the_api() {
    let fake = HttpFake::start(|asked| match asked.path.contains("/metadata/") {
        true => refusal(404, 10_009),
        false => success("null"),
    })
    .await;
    let backend = at(fake.port);
    let name = key(1).as_str().to_owned();
    let colon = StoreKey::parse(&format!("app:v1:{name}")).unwrap();
    let minute = Some(Duration::from_millis(90_001));
    backend.get(&key(1)).await.unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    backend.set(&colon, entry(1, 200), minute).await.unwrap();
    backend.delete(&key(1)).await.unwrap();
    backend.exists(&key(1)).await.unwrap();
    backend.set_many(vec![(key(1), entry(1, 200), None), (colon, entry(1, 200), minute)]).await.unwrap();
    backend.set_many(vec![(key(1), entry(1, 200), minute)]).await.unwrap();
    backend.delete_many(&[key(1), key(1)]).await.unwrap();
    backend.ping().await.unwrap();

    let root = format!("/client/v4/accounts/{ACCOUNT}/storage/kv/namespaces/{NAMESPACE}");
    let asked = fake.asked();
    let lines: Vec<_> =
        asked.iter().map(|it| format!("{} {}", it.method, it.path.strip_prefix(&root).unwrap())).collect();
    let probe = "a".repeat(52);
    assert_eq!(
        lines,
        [
            format!("GET /values/{name}"),
            format!("PUT /values/{name}"),
            format!("PUT /values/app%3Av1%3A{name}?expiration_ttl=91"),
            format!("GET /metadata/{name}"),
            format!("DELETE /values/{name}"),
            format!("GET /metadata/{name}"),
            "PUT /bulk".into(),
            format!("PUT /values/{name}?expiration_ttl=91"),
            format!("GET /metadata/{name}"),
            "POST /bulk/delete".into(),
            format!("GET /metadata/b1.{probe}"),
        ]
    );
    let header = |line: &str| asked.iter().filter(|it| it.head.contains(line)).count();
    assert_eq!(header(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), asked.len());
    assert_eq!(header("\r\ncontent-type: application/octet-stream\r\n"), 3);
    assert_eq!(header("\r\ncontent-type: application/json\r\n"), 2);
    assert_eq!(asked[1].body, entry(1, 200).as_bytes());
    assert_eq!(asked[9].body, format!("[\"{name}\"]").into_bytes());
}

#[tokio::test]
async fn statuses_and_codes_have_the_kind_a_caller_can_act_on() {
    for (status, code, expected) in [
        (400, 6003, Kind::Denied),
        (400, 6111, Kind::Denied),
        (401, 10_000, Kind::Denied),
        (401, 1, Kind::Denied),
        (403, 9109, Kind::Denied),
        (400, 7003, Kind::Misconfigured),
        (404, 10_013, Kind::Misconfigured),
        (404, 7000, Kind::Misconfigured),
        (404, 1, Kind::Misconfigured),
        (400, 10_034, Kind::Rejected),
        (400, 10_048, Kind::Throttled),
        (405, 10_405, Kind::Misconfigured),
        (500, 10_009, Kind::Transient),
        (500, 10_000, Kind::Transient),
        (502, 1, Kind::Transient),
        (504, 1, Kind::Timeout),
        (302, 1, Kind::Misconfigured),
        (418, 1, Kind::Rejected),
    ] {
        let fake = HttpFake::start(move |_| refusal(status, code)).await;
        assert_eq!(kinds(&at(fake.port)).await, [Err(expected); 8], "{status} {code}");
    }
}

#[tokio::test]
async fn only_a_missing_key_is_a_miss() {
    let fake = HttpFake::start(|_| refusal(404, 10_009)).await;
    let backend = at(fake.port);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(backend.get_many(&[key(1), key(2)]).await.unwrap(), [None, None]);
    // There is no such answer to a write.
    let set = kind(backend.set(&key(1), entry(1, 200), None)).await;
    assert_eq!(set, Err(Kind::Misconfigured));
    let html =
        HttpFake::start(|_| Said::answer(404, "content-type: text/html\r\n", "<html>10009</html>")).await;
    assert_eq!(kinds(&at(html.port)).await, [Err(Kind::Misconfigured); 8]);
}

#[tokio::test]
async fn success_that_is_none_is_rejected() {
    let deep = "[".repeat(10_000);
    for body in [
        "",
        "null",
        "{}",
        "<html>",
        r#"{"success":1}"#,
        r#"{"success":false,"errors":[],"result":null}"#,
        r#"{"success":true,"errors":"hunter2"}"#,
        r#"{"success":true,"errors":[]} hunter2"#,
        &deep,
    ] {
        let body = body.to_owned();
        let fake = HttpFake::start(move |_| Said::answer(200, "", &body)).await;
        let [get, set, delete, exists, get_many, set_many, delete_many, ping] = kinds(&at(fake.port)).await;
        // Any bytes may be an entry, as far as a backend can tell.
        assert_eq!([get, get_many], [Ok(()); 2]);
        assert_eq!([set, delete, exists, set_many, delete_many, ping], [Err(Kind::Rejected); 6]);
    }
    for status in [204, 206] {
        let fake = HttpFake::start(move |_| Said::answer(status, "", "")).await;
        assert_eq!(kinds(&at(fake.port)).await, [Err(Kind::Rejected); 8], "{status}");
    }
    let refused = || Said::answer(200, "", r#"{"success":false,"errors":[{"code":10000}]}"#);
    let fake =
        HttpFake::start(move |asked| if reads_a_value(asked) { refusal(404, 10_009) } else { refused() });
    assert_eq!(kind(at(fake.await.port).ping()).await, Err(Kind::Denied));
}

#[tokio::test]
async fn names_that_were_left_out_of_a_batch_make_it_fail() {
    let name = key(2).as_str().to_owned();
    let left_out = format!(r#"{{"successful_key_count":1,"unsuccessful_keys":["{name}"]}}"#);
    let fake =
        HttpFake::start(move |asked| success(if asked.path.contains("/bulk") { &left_out } else { "null" }));
    let fake = fake.await;
    let [_, _, _, _, _, set_many, delete_many, _] = kinds(&at(fake.port)).await;
    assert_eq!([set_many, delete_many], [Err(Kind::Transient); 2]);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = HttpFake::start(|_| success("null")).await;
    let location = format!("location: http://127.0.0.1:{}/\r\n", other.port);
    let fake = HttpFake::start(move |_| Said::answer(307, &location, "")).await;
    assert_eq!(kinds(&at(fake.port)).await, [Err(Kind::Misconfigured); 8]);
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn wrong_token_or_id_is_told_by_the_api() {
    let server = Cloudflare::start();
    let url = format!("{}/client/v4", server.0.url());
    for (account, namespace, token, expected) in [
        (ACCOUNT, NAMESPACE, TOKEN, Ok(())),
        (ACCOUNT, NAMESPACE, "another", Err(Kind::Denied)),
        ("another", NAMESPACE, TOKEN, Err(Kind::Denied)),
        (ACCOUNT, "another", TOKEN, Err(Kind::Misconfigured)),
    ] {
        let builder = blindcache::CloudflareKvBackend::builder(account, namespace, token).base_url(&url);
        assert_eq!(kinds(&builder.build().unwrap()).await, [expected; 8]);
    }
    let elsewhere = Cloudflare::builder(server.0.port).base_url(&format!("{url}/more")).build().unwrap();
    assert_eq!(kind(elsewhere.ping()).await, Err(Kind::Misconfigured));
}

#[tokio::test]
async fn nothing_secret_and_no_text_of_the_server_is_in_an_error() {
    let echo = |asked: &blindcache_server_tests::Asked| {
        let said = format!("hunter2 {} {}", asked.path, asked.head);
        Said::answer(418, &format!("x-hunter: hunter2\r\nlocation: /{}\r\n", asked.path), said)
    };
    let fake = HttpFake::start(echo).await;
    let codes = HttpFake::start(|_| refusal(401, 10_000)).await;
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for port in [fake.port, codes.port, refused] {
        let backend = at(port);
        let err = in_time(backend.get(&key(1))).await.unwrap_err();
        let mut shown = format!("{backend:?} {err:?} {err}");
        let mut source = err.source();
        while let Some(cause) = source {
            shown += &format!(" {cause:?} {cause}");
            source = cause.source();
        }
        for secret in ["hunter2", TOKEN, ACCOUNT, NAMESPACE, "b1.", "Bearer"] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}
