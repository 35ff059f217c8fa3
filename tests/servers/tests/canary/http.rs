//! Everything that works, and what does not, over HTTP: nothing marked is in the traffic, in what the server holds, in an
//! error, a `Debug` or the log. What is found by design: tokens and logins, in the headers that they were set for.

use std::sync::Arc;

use blindcache::{BackendErrorKind, HttpBackend, HttpBuilder};
use blindcache_server_tests::{Asked, Certs, HttpFake, Proxy, Remote, Said, Store, http::Dav};
use data_encoding::BASE64;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::{
    LEFT, MINUTE, calls,
    case::Case,
    failures,
    journal::Log,
    keyring, logins,
    remains::{self, Place},
    route,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_is_shown_by_http() {
    let log = Log::of_process();
    let mut case = Case::default();
    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let [token, header, user, password] =
        ["the token", "a header", "the user", "the password"].map(|what| case.logins.text(what));
    let mut server = Dav::start().await;
    let proxy = Proxy::start(server.port()).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);

    let builder: HttpBuilder = HttpBackend::builder(&url).timeout(MINUTE);
    let builder = builder.header("Authorization", &format!("Bearer {token}")).header("X-Api-Token", &header);
    case.show((HttpBackend::LARGEST_ENTRY, HttpBackend::LONGEST_TTL));
    case.show(&builder);
    route(builder.max_entry(256 << 20).build().unwrap(), &keys, &masters, &mut case).await;
    let login = url.replace("//", &format!("//{user}:{password}@"));
    case.show(HttpBackend::new(&login).unwrap());
    let builder = case.show(HttpBackend::builder(&login).timeout(MINUTE));
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    let builder = HttpBackend::builder(&login).client(callers()).header("X-Api-Token", &header);
    let builder = case.show(builder.timeout(MINUTE));
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    let secure = Dav::with_tls();
    route(over_tls(&secure, &token, &mut case), &keys, &masters, &mut case).await;
    refused(&mut case);
    failing(&token, &mut case).await;

    let (control, canary) = remains::control(&mut case);
    remains::put(proxy.port, "/cache/control", "", &canary);
    let held = server.contents().await;
    server.stop().await;
    let down = HttpBackend::builder(&login).header("X-Api-Token", &header).build().unwrap();
    let (all, failed) = failures::every_call(down, &mut case).await;
    assert_eq!(all, failed);

    // What each way left: the names may be in the traffic and the store, and 8 characters of each anywhere.
    let names = remains::names(&held);
    assert_eq!(names.len(), 3 * LEFT);
    let names = remains::marks_of(&(&names | &remains::names(&secure.contents().await)));
    let traffic = proxy.recorded();
    assert!(case.logins.find(&traffic).is_some());
    let basic = BASE64.encode(format!("{user}:{password}").as_bytes());
    let lines = [
        format!("authorization: Bearer {token}"),
        format!("x-api-token: {header}"),
        format!("authorization: Basic {basic}"),
    ];
    for line in &lines {
        assert!(remains::cut(&traffic, std::slice::from_ref(line)).1 >= calls::LEFT, "too few of a header");
    }
    let (traffic, _) = remains::cut(&traffic, &lines);
    let places = vec![
        Place { what: "the traffic", text: traffic, named: true },
        Place { what: "the store", text: held, named: true },
        Place { what: "the log", text: log.text(), named: false },
    ];
    remains::nothing_is_found(case, &names, &control, places);
}

/// A client of the caller's own.
fn callers() -> reqwest::Client {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(config).build().unwrap()
}

/// TLS, with a client's certificate and a token.
fn over_tls(server: &Dav, token: &str, case: &mut Case) -> HttpBackend {
    let certs = server.certs();
    case.marks.add("the client's key", logins::secret_part(&certs.client_key));
    let builder = HttpBackend::builder(&format!("https://localhost:{}", server.port()))
        .timeout(MINUTE)
        .header("Authorization", &format!("Bearer {token}"))
        .ca_certificates(certs.ca.as_str())
        .client_certificate(certs.client.as_str(), certs.client_key.as_str());
    case.show(builder).build().unwrap()
}

/// Settings that cannot work, with tokens, passwords and keys in them.
fn refused(case: &mut Case) {
    let [user, password, token] =
        ["a user of a URL", "a password of a URL", "a refused token"].map(|what| case.text(what));
    let login = format!("{user}:{password}");
    for url in [
        login.clone(),
        format!("redis://{login}@localhost"),
        format!("http://{login}@localhost:99999"),
        format!("http://{login}@localhost/?{token}"),
        format!("http://{login}@localhost/#{token}"),
        format!("http://{login}@-.-:x/{token}"),
    ] {
        case.show(&HttpBackend::builder(&url));
        case.refused(HttpBackend::new(&url));
    }
    let Certs { ca, client, .. } = Certs::generate();
    let other_key = Certs::generate().client_key;
    case.marks.add("a client's key", logins::secret_part(&other_key));
    let plain = || HttpBackend::builder(&format!("http://{login}@localhost/{token}"));
    let tls = || HttpBackend::builder(&format!("https://{login}@localhost/{token}")).ca_certificates(&*ca);
    for builder in [
        plain().header("X-Token", &format!("{token}\n")),
        plain().header(&format!("{token} "), "x"),
        plain().ca_certificates(token.as_str()),
        plain().max_entry(0),
        tls().ca_certificates(token.as_str()),
        tls().client_certificate(client.as_str(), token.as_str()),
        tls().client_certificate(client.as_str(), other_key.as_str()),
    ] {
        case.show(&builder);
        case.refused(builder.build());
    }
}

/// Servers that repeat all that they were sent, or too much of it.
async fn failing(token: &str, case: &mut Case) {
    let [user, password, path] =
        ["a user of a server", "a password of a server", "a path"].map(|what| case.logins.text(what));
    for status in [200, 302, 400, 401, 404, 413, 429, 500] {
        let fake = HttpFake::start(move |asked| repeated(asked, status)).await;
        let base = format!("127.0.0.1:{}/{path}", fake.port);
        for builder in [
            HttpBackend::builder(&format!("http://{base}")).header("X-Token", token),
            HttpBackend::builder(&format!("http://{user}:{password}@{base}")),
        ] {
            let backend = builder.build().unwrap();
            let (_, failed) = failures::every_call(backend, case).await;
            assert!(failed > 0 || status == 200, "{status}");
        }
        let heard = fake.asked().into_iter().map(|asked| asked.head).collect::<String>();
        assert!(heard.contains(token) && heard.contains(&path), "it had nothing to repeat");
    }
    let flood = |asked: &Asked| Said::Flood(format!("HTTP/1.1 200 x\r\nx-said: {}", asked.path).into());
    let fake = HttpFake::start(flood).await;
    let url = format!("http://{user}:{password}@127.0.0.1:{}/{path}", fake.port);
    let err = case.refused(blindcache::Backend::ping(&HttpBackend::new(&url).unwrap()).await);
    assert_eq!(err.kind(), BackendErrorKind::Rejected);
}

/// An answer that holds the request, its headers too.
pub(crate) fn repeated(asked: &Asked, status: u16) -> Said {
    let said: String = asked.head.chars().filter(|it| !it.is_control()).collect();
    let headers = format!("location: {}\r\nx-said: {said}\r\nretry-after: {said}\r\n", asked.path);
    Said::answer(status, &headers, [said.as_bytes(), &asked.body].concat())
}
