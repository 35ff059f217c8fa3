//! Everything that works, and what does not, over DynamoDB: nothing marked is in the traffic, in what the table holds, in
//! an error, a `Debug` or the log.
//!
//! The SDK logs requests as they are, the names and what tells whose they are among it, and this is documented: these are
//! looked for in the lines of this library alone.

use aws_sdk_dynamodb::{Client, config::Credentials};
use blindcache::{DynamoDbBackend, DynamoDbBuilder};
use blindcache_server_tests::{
    Certs, Proxy, Remote, Store,
    dynamodb::{Dynoxide, REGION, TABLE, client, items},
};

use crate::{
    MINUTE, calls, case::Case, failures, journal::Log, keyring, logins, marks::Marks, remains, route,
};

#[tokio::test]
async fn nothing_marked_is_shown_by_dynamodb() {
    let (log, _guard) = Log::of_thread();
    let mut case = Case::default();
    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let secret = case.text("the secret access key");
    let [id, token] = ["the access key's id", "the session token"].map(|what| case.logins.text(what));
    let mut server = Dynoxide::empty();
    let proxy = Proxy::start(server.port).await;

    let credentials = Credentials::new(&id, &secret, Some(token.clone()), None, "tests");
    let at = |port: u16| -> DynamoDbBuilder {
        let builder = DynamoDbBackend::builder(TABLE, REGION).credentials(credentials.clone());
        builder.endpoint_url(&format!("http://127.0.0.1:{port}")).timeout(MINUTE).consistent_reads(true)
    };
    case.show((DynamoDbBackend::LARGEST_ITEM, DynamoDbBackend::LAST_EXPIRY));
    case.show((DynamoDbBackend::TIMEOUT, DynamoDbBackend::CREATE_TIMEOUT));
    let builder = case.show(at(proxy.port).max_entry(DynamoDbBackend::LARGEST_ITEM));
    let one = builder.build().unwrap();
    one.create_table().await.unwrap();
    route(one, &keys, &masters, &mut case).await;
    let config = client(proxy.port).config().to_builder().credentials_provider(credentials.clone());
    let callers = Client::from_conf(config.build());
    case.show(DynamoDbBackend::from_client(TABLE, &callers).unwrap());
    let builder = case.show(DynamoDbBackend::builder_from_client(TABLE, &callers).timeout(MINUTE));
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    refused(&credentials, &mut case);
    let names: Vec<String> =
        items(&client(server.port)).await.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
    let held = server.contents().await;
    server.stop().await;
    let down = at(server.port).timeout(blindcache_server_tests::LIMIT).build().unwrap();
    let (all, failed) = failures::every_call(down, &mut case).await;
    assert_eq!(all, failed);

    assert_eq!(names.len(), 2 * 2 * calls::LEFT); // two calls of all on each of two ways
    let mut written = Marks::default();
    names.iter().for_each(|name| written.add("the name of an entry", &name.as_bytes()[name.len() - 51..]));
    let traffic = proxy.recorded();
    assert!(written.find(&traffic).is_some() && written.find(&held).is_some(), "the names are not looked at");
    let mut control = Marks::default();
    tracing::trace!(target: "blindcache", "{}", control.text("the control"));
    let logged = log.text();
    let text = String::from_utf8_lossy(&logged);
    let is_ours = |line: &&str| line.contains(" blindcache: ") || line.contains(" blindcache::");
    let ours: String = text.lines().filter(is_ours).map(|line| format!("{line}\n")).collect();
    assert!(control.find(ours.as_bytes()).is_some());
    // What the SDK says is there, as documented.
    assert!(written.find(&logged).is_some() && case.logins.find(&logged).is_some());

    let Case { marks, logins, shown } = case;
    remains::tell(traffic.len() + held.len() + logged.len() + shown.len(), &marks, &logins);
    for (place, text, with_names) in [
        ("the traffic", &*traffic, false),
        ("the table", &held, false),
        ("the log", &logged, false),
        ("an error or a Debug", shown.as_bytes(), true),
        ("the log's lines of this library", ours.as_bytes(), true),
    ] {
        let of_lines = [&written, &logins].into_iter().filter(|_| with_names);
        let found: Vec<_> = [&marks]
            .into_iter()
            .chain(of_lines)
            .filter_map(|marks| marks.find(text))
            .map(|it| it.to_string())
            .collect();
        assert!(found.is_empty(), "{place}: {found:#?}");
    }
}

/// Settings that cannot work, with secrets and keys in them.
fn refused(credentials: &Credentials, case: &mut Case) {
    let [user, password] = ["a user of a URL", "a password of a URL"].map(|what| case.text(what));
    let plain = |table: &str, region: &str, url: &str| {
        DynamoDbBackend::builder(table, region).credentials(credentials.clone()).endpoint_url(url)
    };
    let url = "https://localhost";
    let Certs { ca, client, .. } = Certs::generate();
    let other_key = Certs::generate().client_key;
    case.marks.add("a client's key", logins::secret_part(&other_key));
    let garbage = case.text("a key that is no PEM");
    for builder in [
        plain(&format!("{password}/"), REGION, url),
        plain(TABLE, &format!("{password}/"), url),
        plain(TABLE, REGION, &format!("https://{user}:{password}@localhost")),
        plain(TABLE, REGION, &format!("https://localhost/{password}")),
        plain(TABLE, REGION, &format!("{user}:{password}")),
        plain(TABLE, REGION, url).ca_certificates(garbage.as_str()),
        plain(TABLE, REGION, url)
            .ca_certificates(ca.as_str())
            .client_certificate(client.as_str(), other_key.as_str()),
        plain(TABLE, REGION, url)
            .ca_certificates(ca.as_str())
            .client_certificate(client.as_str(), garbage.as_str()),
    ] {
        case.show(&builder);
        case.refused(builder.build());
    }
    case.refused(DynamoDbBackend::new(&format!("{password}/"), REGION));
}
