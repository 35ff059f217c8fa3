//! The ways in: users, TLS, clients of the caller's.

use blindcache::{Backend, BackendErrorKind as Kind, RedisBackend, RedisBuilder};
use blindcache_server_tests::{
    Certs, Cluster, Options, Sentinel, Server, Trio,
    cluster::{MASTERS, node},
    entry, failing, key,
    sentinel::SERVICE,
    until,
};

/// What is written comes back, on each node.
async fn works(backend: &RedisBackend) {
    let keys: Vec<_> = (0..30).map(key).collect();
    let writes = (0..30).map(|number| (key(number), entry(number, 200), None));
    backend.set_many(writes.collect()).await.unwrap();
    let found = backend.get_many(&keys).await.unwrap();
    for (number, found) in (0..).zip(found) {
        assert_eq!(found.unwrap(), entry(number, 200).as_bytes());
    }
    backend.ping().await.unwrap();
}

/// Nothing that is secret is shown.
fn shows_no_secret(shown: &str) {
    assert!(!shown.contains("s3cret") && !shown.contains("app"), "{shown}");
}

#[tokio::test]
async fn every_node_gets_the_login() {
    let config = "user app on >s3cret ~* &* +@all\n";
    let cluster =
        Cluster::of(MASTERS, MASTERS, || Options { config: config.into(), ..Options::default() }).await;
    for end in ["", "?protocol=resp3", "/0"] {
        let urls = |login: &str| {
            let at = |server: &Server| format!("redis://{login}@127.0.0.1:{}{end}", server.port);
            cluster.nodes.iter().map(at).collect::<Vec<_>>()
        };
        let backend = RedisBackend::cluster(urls("app:s3cret")).unwrap();
        works(&backend).await;
        shows_no_secret(&format!("{backend:?}"));
        assert!(format!("{backend:?}").contains(&format!("redis://127.0.0.1:{}", cluster.nodes[2].port)));
        let wrong = RedisBackend::cluster(urls("app:s3cretly")).unwrap();
        let err = wrong.get(&key(1)).await.unwrap_err();
        assert_eq!(err.kind(), Kind::Denied);
        shows_no_secret(&format!("{err:?} {wrong:?}"));
        assert_eq!(failing(wrong.ping()).await, Kind::Denied);
    }
    let clients = cluster.nodes[1..]
        .iter()
        .map(|node| redis::Client::open(format!("redis://app:s3cret@127.0.0.1:{}", node.port)).unwrap());
    works(&RedisBackend::cluster_builder_from_clients(&clients.collect::<Vec<_>>()).build().unwrap()).await;
}

#[tokio::test]
async fn changed_password_is_denied_until_it_is_changed_back() {
    let cluster = Cluster::three().await;
    let set = |password: &str| {
        for node in &cluster.nodes {
            let _: () = node.admin(&["CONFIG", "SET", "requirepass", password]);
            let _: usize = node.admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
    };
    set("first");
    let urls = cluster.urls().into_iter().map(|url| url.replace("//", "//:first@"));
    let backend = RedisBackend::cluster(urls).unwrap();
    works(&backend).await;
    for _ in 0..2 {
        set("second");
        for number in 0..20 {
            assert_eq!(failing(backend.get(&key(number))).await, Kind::Denied);
        }
        set("first");
        until("the password is right again", async || {
            let mut good = true;
            for number in 0..20 {
                good &= backend.get(&key(number)).await.is_ok();
            }
            good
        })
        .await;
    }
}

#[tokio::test]
async fn cluster_by_tls_works_with_its_ca() {
    let certs = Certs::generate();
    let options = || {
        let certs = Some(certs.clone());
        Options { certs, config: "tls-cluster yes\ntls-replication yes\n".into(), client_certificate: true }
    };
    let cluster = Cluster::of(MASTERS, MASTERS, options).await;
    let builder = || RedisBackend::cluster_builder(cluster.nodes.iter().map(Server::tls_url));
    let with = |builder: RedisBuilder| {
        let builder = builder.ca_certificates(certs.ca.as_str());
        builder.client_certificate(certs.client.as_str(), certs.client_key.as_str()).build().unwrap()
    };
    works(&with(builder())).await;
    let other = Certs::generate();
    let stranger = builder().ca_certificates(other.ca).build().unwrap();
    assert_eq!(failing(stranger.ping()).await, Kind::Misconfigured);
    let anonymous = builder().ca_certificates(certs.ca.as_str()).build().unwrap();
    assert_eq!(failing(anonymous.ping()).await, Kind::Denied);
}

/// The certificate of a node must be for the name or address under which other nodes announce it.
#[tokio::test]
async fn node_that_is_not_what_its_certificate_says_is_misconfigured() {
    let certs = Certs::generate();
    let config = "tls-cluster yes\ncluster-announce-hostname elsewhere.localhost\ncluster-preferred-endpoint-type hostname\n";
    let node = node(Options { certs: Some(certs.clone()), config: config.into(), ..Options::default() });
    let _: () = node.admin(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let backend = RedisBackend::cluster_builder([node.tls_url()]).ca_certificates(certs.ca).build().unwrap();
    // A resolver may not know the name.
    assert_eq!(failing(backend.get(&key(1))).await, Kind::Misconfigured);
}

#[tokio::test]
async fn sentinels_and_master_have_logins_of_their_own() {
    let config = "user app on >s3cret ~* &* +@all\n";
    let trio = Trio::with(config, "requirepass watch3r\nsentinel sentinel-pass watch3r\n").await;
    let sentinels = |login: &str| {
        trio.urls().into_iter().map(|url| url.replace("//", &format!("//{login}"))).collect::<Vec<_>>()
    };
    let service = |login: &str, end: &str| format!("redis://{login}{SERVICE}{end}");
    for end in ["", "/3", "?protocol=resp3"] {
        let backend = RedisBackend::sentinel(&service("app:s3cret@", end), sentinels(":watch3r@")).unwrap();
        works(&backend).await;
        shows_no_secret(&format!("{backend:?}"));
        assert!(!format!("{backend:?}").contains("watch3r"));
    }
    let keyspace: String = trio.servers[0].admin(&["INFO", "keyspace"]);
    assert!(keyspace.contains("db0:keys=30,") && keyspace.contains("db3:keys=30,"), "{keyspace}");
    for (service, sentinels, kind) in [
        (service("app:s3cretly@", ""), sentinels(":watch3r@"), Kind::Denied),
        (service("app:s3cret@", ""), sentinels(":watch3rs@"), Kind::Denied),
        (service("app:s3cret@", ""), sentinels(""), Kind::Denied),
        (service("app:s3cret@", "/99"), sentinels(":watch3r@"), Kind::Rejected),
        (service("app:s3cret@", "").replace(SERVICE, "0ther"), sentinels(":watch3r@"), Kind::Misconfigured),
    ] {
        let backend = RedisBackend::sentinel(&service, sentinels).unwrap();
        for _ in 0..2 {
            let err = backend.get(&key(1)).await.unwrap_err();
            assert_eq!(err.kind(), kind, "{backend:?}");
            shows_no_secret(&format!("{err:?}"));
            assert!(!format!("{err:?}").contains("watch3r"));
        }
    }
    let clients = sentinels(":watch3r@").into_iter().map(|url| redis::Client::open(url).unwrap());
    let clients: Vec<_> = clients.collect();
    let builder = RedisBackend::sentinel_builder_from_clients(&service("app:s3cret@", ""), &clients);
    works(&builder.build().unwrap()).await;
}

#[tokio::test]
async fn sentinel_and_master_by_tls_work_with_their_ca() {
    let certs = Certs::generate();
    let master = Server::with(Options { certs: Some(certs.clone()), ..Options::default() });
    let sentinel = Sentinel::by_tls(&master, &certs);
    let builder = |service: &str, sentinel: String| {
        RedisBackend::sentinel_builder(service, [sentinel])
            .ca_certificates(certs.ca.as_str())
            .build()
            .unwrap()
    };
    works(&builder("rediss://mymaster", sentinel.tls_url())).await;
    // TLS to the one does not say that there is TLS to the other.
    let plain = builder("mymaster", sentinel.tls_url());
    assert!([Kind::Transient, Kind::Rejected, Kind::Timeout].contains(&failing(plain.ping()).await));
}
