//! Everything that works, and what does not, over memcached: nothing marked is in the traffic, in what the server holds,
//! in an error, a `Debug` or the log.

use blindcache::{MemcachedBackend, MemcachedBuilder};
use blindcache_server_tests::{Certs, Memcached, MemcachedOptions, Proxy, Remote, Store};

use crate::{
    MINUTE, calls, case::Case, failures, journal::Log, keyring, logins, marks::Marks, remains, route,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_is_shown_by_memcached() {
    let log = Log::of_process();
    let mut case = Case::default();
    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let mut server = Memcached::start();
    let proxy = Proxy::start(server.port).await;

    let builder: MemcachedBuilder =
        MemcachedBackend::builder(&format!("memcache://127.0.0.1:{}", proxy.port));
    let builder = builder.timeout(MINUTE).max_entry(64 << 20).max_connections(4);
    case.show(MemcachedBackend::LAST_EXPIRY);
    case.show((MemcachedBackend::ENTRY, MemcachedBackend::OVERHEAD, MemcachedBackend::SHORTEST_TTL));
    case.show(&builder);
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    let secure = MemcachedOptions { tls: true, client_certificate: true, ..MemcachedOptions::default() };
    let secure = Memcached::with(secure);
    route(tls(&secure, &mut case), &keys, &masters, &mut case).await;
    refused(&mut case);
    let backend = server.impatient(proxy.port);
    let names = server.names();
    let held = server.contents().await;
    server.stop();
    let (all, failed) = failures::every_call(backend, &mut case).await;
    assert_eq!(all, failed);

    // What each way left: the names may be in the traffic and the store, and 8 characters of each anywhere.
    assert_eq!(names.len(), 2 * calls::LEFT);
    let mut written = Marks::default();
    names.iter().for_each(|name| written.add("the name of an entry", &name.as_bytes()[name.len() - 51..]));
    let traffic = proxy.recorded();
    assert!(written.find(&traffic).is_some() && written.find(&held).is_some(), "the names are not looked at");
    let mut control = Marks::default();
    tracing::trace!("{}", control.text("the control"));
    let logged = log.text();
    assert!(control.find(&logged).is_some());

    let Case { marks, logins, shown } = case;
    remains::tell(traffic.len() + held.len() + logged.len() + shown.len(), &marks, &logins);
    for (place, text, with_names) in [
        ("the traffic", &*traffic, false),
        ("the store", &held, false),
        ("an error or a Debug", shown.as_bytes(), true),
        ("the log", &logged, true),
    ] {
        let looked_for = [&marks, &logins].into_iter().chain(with_names.then_some(&written));
        let found: Vec<_> =
            looked_for.filter_map(|marks| marks.find(text)).map(|it| it.to_string()).collect();
        assert!(found.is_empty(), "{place}: {found:#?}");
    }
}

/// TLS with a client's certificate.
fn tls(server: &Memcached, case: &mut Case) -> MemcachedBackend {
    let certs = server.certs();
    let builder = MemcachedBackend::builder(&server.tls_url())
        .ca_certificates(certs.ca.as_str())
        .client_certificate(certs.client.as_str(), certs.client_key.as_str());
    case.marks.add("the client's key", logins::secret_part(&certs.client_key));
    case.show(&builder);
    builder.build().unwrap()
}

/// Settings that cannot work, with passwords and keys in them.
fn refused(case: &mut Case) {
    let [user, password] = ["a user of a URL", "a password of a URL"].map(|what| case.text(what));
    let login = format!("{user}:{password}");
    for url in [
        login.clone(),
        format!("http://{login}@localhost"),
        format!("memcache://{login}@localhost"),
        format!("memcache://localhost,{login}@localhost:99999"),
        format!("memcache://localhost/{password}"),
        format!("memcache+tls://{login}@localhost"),
        format!("memcache+unix://{login}@/run/memcached.sock"),
    ] {
        case.show(&MemcachedBackend::builder(&url));
        case.refused(MemcachedBackend::new(&url));
    }
    let Certs { ca, client, .. } = Certs::generate();
    let other_key = Certs::generate().client_key;
    case.marks.add("a client's key", logins::secret_part(&other_key));
    let builder = MemcachedBackend::builder("memcache+tls://localhost").ca_certificates(ca);
    let builder = builder.client_certificate(client, other_key);
    case.show(&builder);
    case.refused(builder.build());
}
