//! The same by HTTP, to Upstash: its token is the login, which stands in one header and nowhere else.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use blindcache::{BackendErrorKind, Keyring, UpstashBackend, UpstashBuilder};
use blindcache_server_tests::upstash::{Instead, Seen, Upstash};

use crate::{
    MINUTE,
    case::{Case, Master},
    failures, logins, route, store,
};

/// Everything that works, by each way to a database, and everything that does not. What it was sent and holds is
/// looked through in the end, so it is given back.
pub(crate) async fn through(keys: &Keyring, masters: &[Master], case: &mut Case) -> Databases {
    let token = case.logins.text("a token");
    let (plain, tls) = (Upstash::taking(&token, false), Upstash::taking(&token, true));
    let url = plain.url();
    let builder: UpstashBuilder = UpstashBackend::builder(&url, &token).timeout(MINUTE);
    case.show(&builder);
    route(builder.max_entry(UpstashBackend::ENTRY).build().unwrap(), keys, masters, case).await;
    let variables = [("KV_REST_API_URL", &url), ("KV_REST_API_TOKEN", &token)];
    let lookup =
        |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.to_string());
    let builder = case.show(UpstashBuilder::from_vars(lookup).unwrap());
    route(builder.timeout(MINUTE).build().unwrap(), keys, masters, case).await;
    route(over_tls(&tls, &token, case), keys, masters, case).await;
    case.outcome(UpstashBackend::from_env()); // of this process, which has none

    refused(case);
    failing(&plain, &token, case).await;
    Databases { plain, tls, token }
}

fn over_tls(tls: &Upstash, token: &str, case: &mut Case) -> UpstashBackend {
    let certs = tls.certs();
    case.marks.add("the client's key", logins::secret_part(&certs.client_key));
    let builder = UpstashBackend::builder(&tls.url(), token)
        .timeout(MINUTE)
        .ca_certificates(certs.ca.as_str())
        .client_certificate(certs.client.as_str(), certs.client_key.as_str());
    case.show(builder).build().unwrap()
}

/// Settings that cannot work, with a token, a user and a password in them.
fn refused(case: &mut Case) {
    let [token, user, password] =
        ["a token of a refused setting", "a user", "a password"].map(|what| case.text(what));
    for (url, token) in [
        (format!("redis://{user}:{password}@localhost"), token.clone()),
        (format!("{user}:{password}"), token.clone()),
        (format!("https://{user}:{password}@localhost/?_token={token}"), token.clone()),
        (format!("http://localhost/#{token}"), token.clone()),
        ("http://localhost".into(), format!("{token}\n")),
    ] {
        case.show(&UpstashBackend::builder(&url, &token));
        case.refused(UpstashBackend::new(&url, &token));
        for names in [
            ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"],
            ["KV_REST_API_URL", "KV_REST_API_TOKEN_FILE"],
            ["KV_REST_API_URL", "UPSTASH_REDIS_REST_TOKEN"],
        ] {
            let set = [(names[0], &url), (names[1], &token)];
            let lookup =
                |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.to_string());
            case.outcome(UpstashBuilder::from_vars(lookup).and_then(|builder| Ok(builder.build()?)));
        }
    }
    case.refused(
        UpstashBackend::builder("http://localhost", &token).ca_certificates(password.as_str()).build(),
    );
}

/// A wrong token, a server that repeats all that it was sent, and none.
async fn failing(upstash: &Upstash, token: &str, case: &mut Case) {
    let wrong = case.logins.text("a wrong token");
    let [user, password] = ["a user of Upstash", "a password of Upstash"].map(|what| case.logins.text(what));
    let login = upstash.url().replace("//", &format!("//{user}:{password}@"));
    for backend in [
        UpstashBackend::new(&upstash.url(), &wrong).unwrap(),
        UpstashBackend::new("http://127.0.0.1:1", token).unwrap(),
    ] {
        let (all, failed) = failures::every_call(backend, case).await;
        assert_eq!(all, failed);
    }
    for frame in ["-ERR ", "-", "+", "$1\r\n", "", "{\"error\":\"", "[{\"error\":\""] {
        for (status, url) in [(200, &upstash.url()), (302, &login), (400, &login), (429, &upstash.url())] {
            upstash.answers(move |seen| Some(repeated(seen, status, frame)));
            let backend = UpstashBackend::new(url, token).unwrap();
            let (_, failed) = failures::every_call(backend, case).await;
            assert!(failed > 0, "{status} {frame}");
        }
    }
    upstash.answers_well();
    let flood = || Instead::Flood { start: b"$99999999\r\n".to_vec(), length: None };
    upstash.answers(move |_| Some(flood()));
    let small = UpstashBackend::builder(&upstash.url(), token).max_entry(1_000).build().unwrap();
    let err = case.refused(blindcache::Backend::ping(&small).await);
    assert_eq!(err.kind(), BackendErrorKind::Rejected);
    upstash.answers_well();
    // What these are, is said.
    case.show((UpstashBackend::MAX_REQUEST, UpstashBackend::LARGEST_ENTRY, UpstashBackend::MAX_BATCH));
    case.show(UpstashBackend::LONGEST_TTL);
}

/// An answer that holds the request, its login too.
fn repeated(seen: &Seen, status: u16, frame: &str) -> Instead {
    let said =
        format!("{:?} {}", seen.head.headers["authorization"].to_str(), seen.head.uri).replace('"', "'");
    let end = match frame {
        "{\"error\":\"" => "\"}",
        "[{\"error\":\"" => "\"}]",
        _ => "\r\n",
    };
    let headers = vec![("location", seen.head.uri.to_string()), ("x-said", said.clone())];
    Instead::Answer { status, headers, body: format!("{frame}{said}{end}").into_bytes() }
}

/// The databases of a test, and what is in them.
pub(crate) struct Databases {
    plain: Upstash,
    tls: Upstash,
    token: String,
}

impl Databases {
    fn both(&self) -> [&Upstash; 2] {
        [&self.plain, &self.tls]
    }

    /// The names in them.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.both().into_iter().flat_map(|upstash| store::entries(&upstash.redis));
        entries.map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    }

    pub(crate) fn dump(&self) -> Vec<u8> {
        self.both().into_iter().flat_map(|upstash| store::dump(&upstash.redis)).collect()
    }

    /// All that they were sent, but the token in its header.
    pub(crate) fn heard(&self) -> Vec<u8> {
        let mut heard = Vec::new();
        for seen in self.both().into_iter().flat_map(Upstash::seen) {
            let mut head = format!("{} {}\n", seen.head.method, seen.head.uri);
            for (name, value) in &seen.head.headers {
                if name != "authorization" {
                    writeln!(head, "{name}: {}", value.to_str().unwrap()).unwrap();
                }
            }
            heard.extend_from_slice(head.as_bytes());
            heard.extend_from_slice(&seen.body);
        }
        heard
    }

    /// Puts a mark into both places, by the way that a leak would take.
    pub(crate) fn control(&self, canary: &str) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.plain.port)).unwrap();
        let head = format!("Host: h\r\nConnection: close\r\nAuthorization: Bearer {}\r\n", self.token);
        write!(connection, "GET /set/control/{canary} HTTP/1.1\r\n{head}\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
