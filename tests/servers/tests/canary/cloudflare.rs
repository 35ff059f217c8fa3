//! Everything that works, and what does not, over Cloudflare's REST API: nothing marked is in the traffic, in what the
//! namespace holds, in an error, a `Debug` or the log. What is found by design: the token, in the header
//! `Authorization`, and the ids of the account and the namespace, in the path of each request.

use blindcache::{BackendErrorKind, CloudflareKvBackend, CloudflareKvBuilder};
use blindcache_server_tests::{Asked, Certs, Cloudflare, HttpFake, Proxy, Remote, Said, Store};

use crate::{
    LEFT, MINUTE, calls,
    case::Case,
    failures,
    http::repeated,
    journal::Log,
    keyring, logins,
    remains::{self, Place},
    route,
};

/// Who owns the namespace.
struct Owner {
    account: String,
    namespace: String,
    token: String,
}

impl Owner {
    fn new(case: &mut Case) -> Self {
        let [account, namespace, token] =
            ["the account", "the namespace", "the token"].map(|what| case.logins.text(what));
        Self { account, namespace, token }
    }

    fn server(&self, certs: Option<Certs>) -> Cloudflare {
        Cloudflare::of(&self.account, &self.namespace, &self.token, certs)
    }

    fn at(&self, port: u16) -> CloudflareKvBuilder {
        self.builder().base_url(&format!("http://127.0.0.1:{port}/client/v4"))
    }

    fn builder(&self) -> CloudflareKvBuilder {
        CloudflareKvBackend::builder(&self.account, &self.namespace, &self.token)
    }

    /// What stands in the path of each request.
    fn path(&self) -> String {
        format!("/client/v4/accounts/{}/storage/kv/namespaces/{}/", self.account, self.namespace)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_is_shown_by_cloudflare_kv() {
    let log = Log::of_process();
    let mut case = Case::default();
    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let owner = Owner::new(&mut case);
    let mut server = owner.server(None);
    let proxy = Proxy::start(server.port()).await;

    case.show((CloudflareKvBackend::LARGEST_ENTRY, CloudflareKvBackend::SHORTEST_TTL));
    case.show(CloudflareKvBackend::LONGEST_TTL);
    let new = CloudflareKvBackend::new(&owner.account, &owner.namespace, &owner.token);
    case.show(new.unwrap());
    let builder = owner.at(proxy.port).timeout(MINUTE).max_entry(CloudflareKvBackend::LARGEST_ENTRY);
    case.show(&builder);
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    let certs = Certs::generate();
    let secure = owner.server(Some(certs.clone()));
    route(over_tls(&owner, &secure, &certs, &mut case), &keys, &masters, &mut case).await;
    refused(&mut case);
    failing(&owner, &mut case).await;

    let (control, canary) = remains::control(&mut case);
    let bearer = format!("authorization: Bearer {}", owner.token);
    remains::put(
        proxy.port,
        &format!("{}values/control", owner.path()),
        &format!("{bearer}\r\n"),
        &canary.repeat(100),
    );
    server.stop().await; // with all that it holds written
    let held = server.contents().await;
    let (all, failed) = failures::every_call(owner.at(proxy.port).build().unwrap(), &mut case).await;
    assert_eq!(all, failed);

    // Free pages of its database may hold names of entries that were deleted, too.
    let names = remains::names(&held);
    assert!(names.len() >= LEFT, "{}", names.len());
    let names = remains::marks_of(&(&names | &remains::names(&secure.contents().await)));
    let (traffic, count) = remains::cut(&proxy.recorded(), &[bearer]);
    assert!(count >= calls::LEFT && case.logins.find(&traffic).is_some());
    let (path, nothing) = (owner.path(), String::new());
    let traffic = String::from_utf8_lossy(&traffic).replace(&path, &nothing);
    let places = vec![
        Place { what: "the traffic", text: traffic.into_bytes(), named: true },
        Place { what: "the namespace", text: held, named: true },
        Place { what: "the log", text: log.text(), named: false },
    ];
    remains::nothing_is_found(case, &names, &control, places);
}

/// TLS, with a client's certificate.
fn over_tls(owner: &Owner, server: &Cloudflare, certs: &Certs, case: &mut Case) -> CloudflareKvBackend {
    case.marks.add("the client's key", logins::secret_part(&certs.client_key));
    let builder = owner
        .builder()
        .base_url(&format!("https://localhost:{}/client/v4", server.port()))
        .timeout(MINUTE)
        .ca_certificates(certs.ca.as_str())
        .client_certificate(certs.client.as_str(), certs.client_key.as_str());
    case.show(builder).build().unwrap()
}

/// Settings that cannot work, with a token, ids, a user, a password and keys in them.
fn refused(case: &mut Case) {
    let [id, token, user, password] =
        ["an id", "a refused token", "a user", "a password"].map(|what| case.text(what));
    let with = |account: &str, namespace: &str, token: &str| {
        CloudflareKvBackend::builder(account, namespace, token).base_url("http://localhost")
    };
    let good = || with(&id, &id, &token);
    let Certs { ca, client, .. } = Certs::generate();
    let other_key = Certs::generate().client_key;
    case.marks.add("a client's key", logins::secret_part(&other_key));
    let tls = || good().base_url("https://localhost").ca_certificates(&*ca);
    for builder in [
        with(&format!("{id}/"), &id, &token),
        with(&id, &id.repeat(2), &token),
        with(&id, &id, &format!("{token}\n")),
        with(&id, &id, &format!("{token} {token}")),
        good().base_url(&format!("{user}:{password}")),
        good().base_url(&format!("https://{user}:{password}@localhost/?{token}")),
        good().base_url(&format!("redis://{user}:{password}@localhost")),
        good().max_entry(0),
        tls().ca_certificates(password.as_str()),
        tls().client_certificate(client.as_str(), password.as_str()),
        tls().client_certificate(client.as_str(), other_key.as_str()),
    ] {
        case.show(&builder);
        case.refused(builder.build());
    }
    case.refused(CloudflareKvBackend::new(&id, &format!("{id}?"), &token));
}

/// Servers that repeat all that they were sent, as it is and in the API's envelope, or do not end; and a wrong token.
async fn failing(owner: &Owner, case: &mut Case) {
    for status in [200, 302, 400, 401, 404, 413, 429, 500] {
        for in_envelope in [false, true] {
            let fake = HttpFake::start(move |asked| match in_envelope {
                true => envelope(asked, status),
                false => repeated(asked, status),
            })
            .await;
            let (_, failed) = failures::every_call(owner.at(fake.port).build().unwrap(), case).await;
            assert!(failed > 0, "{status} {in_envelope}");
            let heard = fake.asked().into_iter().map(|asked| asked.head).collect::<String>();
            assert!(heard.contains(&owner.token) && heard.contains(&owner.namespace), "nothing to repeat");
        }
    }
    let flood = |asked: &Asked| Said::Flood(format!("HTTP/1.1 200 x\r\nx-said: {}", asked.path).into());
    let fake = HttpFake::start(flood).await;
    let err = case.refused(blindcache::Backend::ping(&owner.at(fake.port).build().unwrap()).await);
    assert_eq!(err.kind(), BackendErrorKind::Rejected);
    let other = owner.server(None);
    let wrong = Owner { token: case.text("a wrong token"), ..Owner::new(case) };
    let backend = wrong.at(other.port()).timeout(MINUTE).build().unwrap();
    let (all, failed) = failures::every_call(backend, case).await;
    assert_eq!(all, failed);
}

/// The API's refusal, with the request in its message.
fn envelope(asked: &Asked, status: u16) -> Said {
    let said: String =
        asked.head.chars().filter(|it| !it.is_control() && !['"', '\\'].contains(it)).collect();
    let error = format!(r#"{{"code":10000,"message":"{said}"}}"#);
    let body = format!(r#"{{"success":false,"errors":[{error}],"messages":["{said}"],"result":"{said}"}}"#);
    Said::answer(status, &format!("x-said: {said}\r\n"), body)
}
