//! The canary test. Marked keys, tags, tenants, namespaces, epochs and values go through every public call, most of them
//! against a real Redis behind a recording proxy, with `tracing` and `log` at their highest level. Then nothing that
//! left the library may hold a mark, a master key or what is derived from one, in whatever form: not the traffic, not
//! a dump of the store, not a line of the log, not a metric, not an error or a `Debug`. A control in each shows that it would be found.
//!
//! What is not marked: the prefix of names, which is plaintext by design. What is found by design, and nowhere else:
//! the user and the password, in the `AUTH` that logs in, and the token, in the header `Authorization`.

#[path = "../../../common/mod.rs"]
mod common;

mod cache;
mod calls;
mod case;
mod cloudflare;
mod coverage;
mod dynamodb;
mod failures;
mod file;
mod http;
mod journal;
mod layers;
mod logins;
mod marks;
mod memcached;
mod refusals;
mod remains;
mod several;
mod store;
mod unreadable;
mod upstash;
mod verdict;

use std::{fmt::Debug, fs, io, process::Command, sync::Arc, time::Duration};

use blindcache::{
    AnyBackend, Backend, BackendError, BackendErrorKind, EncryptedBackend, KeyId, Keyring, MasterKey,
    MemoryBackend, Padding, RedisBackend, RedisBuilder, TenantKeys, testing,
};
use blindcache_server_tests::{Certs, Options, Proxy, Server, impatient};

use crate::{
    case::{Case, Master},
    journal::Log,
    several::Several,
    store::Monitor,
    verdict::Places,
};

const MINUTE: Duration = Duration::from_secs(60);
/// How many entries and markers [`route`] leaves in the store.
const LEFT: usize = 2 * calls::LEFT + cache::LEFT_OVER;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_leaves_the_process() {
    let log = Log::of_process();
    let mut case = Case::default();
    calls::FIELDS.iter().for_each(|field| case.marks.add("a field's name", field.as_bytes()));
    let [user, password] = ["the user's name", "the password"].map(|what| case.logins.text(what));
    let server = Server::with(Options {
        certs: Some(Certs::generate()),
        client_certificate: true,
        config: format!("rdbcompression no\nuser {user} on >{password} ~* &* +@all\n"),
    });
    let proxy = Proxy::start(server.port).await;
    let monitor = Monitor::start(&server);

    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let login = format!("{user}:{password}");
    let proxied = |end: &str| format!("redis://{login}@127.0.0.1:{}{end}", proxy.port);
    let one = RedisBackend::new(&proxied("")).unwrap();
    route(one, &keys, &masters, &mut case).await;
    let one: RedisBuilder = RedisBackend::builder(&proxied("/3?protocol=resp3"));
    let one = one.connect_timeout(MINUTE).response_timeout(MINUTE).max_entry(256 << 20).build().unwrap();
    route(AnyBackend::new(one), &keys, &masters, &mut case).await;
    let one = RedisBackend::from_client(&redis::Client::open(proxied("/4")).unwrap()).unwrap();
    route(Arc::new(one), &keys, &masters, &mut case).await;
    let one = RedisBackend::new(&format!("{}?user={user}&pass={password}", server.unix_url())).unwrap();
    route(one, &keys, &masters, &mut case).await;
    route(tls(&server, &login, &mut case), &keys, &masters, &mut case).await;
    let one = layers::around(RedisBackend::new(&proxied("/5")).unwrap());
    route(one, &keys, &masters, &mut case).await;
    let several = Several::start(proxy.port, &login).await;
    route(several.cluster(&mut case), &keys, &masters, &mut case).await;
    route(several.service(&mut case), &keys, &masters, &mut case).await;
    several.heard(&mut case);
    route(MemoryBackend::new(), &keys, &masters, &mut case).await;
    let memory = MemoryBackend::with_limits(MemoryBackend::ENTRIES, MemoryBackend::BYTES);
    route(memory.clone(), &keys, &masters, &mut case).await;
    case.show(&memory).clear();
    let one = RedisBackend::new(&proxied("/6")).unwrap();
    cache::through(one, &proxied("/7"), &masters, &mut case).await;
    let upstash = upstash::through(&keys, &masters, &mut case).await;
    refused(&server, &user, &mut case).await;
    let numbers = case.show(journal::metrics());
    for label in ["blindcache_requests_total", "operation", "key_id", "not_sealed", "transient"] {
        assert!(numbers.contains(label), "no metric has {label}");
    }

    let places = Places { server: &server, proxy: &proxy, monitor: &monitor, upstash: &upstash, log };
    verdict::nothing_is_found(&places, case, [&user, &password]).await;
}

#[test]
fn calls_print_nothing() {
    assert_eq!(printed_by("nothing_marked_leaves_the_process"), ["ok"]);
    let control = printed_by("a_test_that_prints");
    assert!(["ok", "to stdout", "to stderr"].iter().all(|line| control.iter().any(|it| it == line)));
}

#[test]
#[ignore = "the control of calls_print_nothing"]
fn a_test_that_prints() {
    println!("to stdout");
    eprintln!("to stderr");
}

/// What a process prints that runs this one test: the result is `ok` alone if all else is the harness's own.
fn printed_by(test: &str) -> Vec<String> {
    let mut process = Command::new(std::env::current_exe().unwrap());
    let done = process.args(["--exact", test, "--nocapture", "--include-ignored"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let printed = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    let lines = printed.lines().map(|line| line.trim_start_matches(&format!("test {test} ... ")));
    let of_harness = |line: &str| {
        let slow = line == format!("test {test} has been running for over 60 seconds");
        let of_verdict = line.starts_with(remains::SEARCHED);
        slow || of_verdict || line == "running 1 test" || line.starts_with("test result: ok")
    };
    lines.filter(|line| !line.is_empty() && !of_harness(line)).map(str::to_owned).collect()
}

/// A keyring from variables and a file, in each text form of a key.
fn keyring([sealing, accepted, naming]: &[Master; 3], case: &mut Case) -> Keyring {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("naming");
    fs::write(&file, naming.hex().to_uppercase()).unwrap();
    let keys = case.show(refusals::vars(&[
        ("BLINDCACHE_MASTER_KEY", &sealing.key().to_text()),
        ("BLINDCACHE_ACCEPTED_KEYS", &accepted.hex()),
        ("BLINDCACHE_NAMING_KEY_FILE", file.to_str().unwrap()),
    ]));
    for master in [case.show(sealing.key()), case.show(MasterKey::generate().unwrap())] {
        let id: KeyId = case.show(master.id());
        case.show((id.to_string(), id.to_bytes()));
    }
    let keys = keys.unwrap();
    case.show(keys.key_ids());
    keys
}

/// TLS with a client's certificate.
fn tls(server: &Server, login: &str, case: &mut Case) -> RedisBackend {
    let certs = server.certs();
    let builder = RedisBackend::builder(&server.tls_url().replace("//", &format!("//{login}@")))
        .ca_certificates(certs.ca.as_str())
        .client_certificate(certs.client.as_str(), certs.client_key.as_str());
    case.marks.add("the client's key", logins::secret_part(&certs.client_key));
    case.show(&builder);
    builder.build().unwrap()
}

/// Everything that works, by one way to a store.
async fn route<B: Backend + Debug>(backend: B, keys: &Keyring, masters: &[Master], case: &mut Case) {
    case.show((backend.name(), &backend));
    backend.ping().await.unwrap();
    let tenant = case.tenant(masters);
    let plain = EncryptedBackend::new(backend, case.show(keys.tenant(&tenant).unwrap()));
    calls::every_call(&plain, case).await;
    cache::over(plain.clone().namespace(&case.text("a namespace")).unwrap(), case).await;

    let root = case.master("a tenant's root");
    case.root(&root.0);
    let roots = Keyring::new(root.key()).unwrap();
    let other = plain
        .for_tenant(case.show(TenantKeys::from_roots(&roots)))
        .namespace(&case.text("a namespace"))
        .unwrap()
        .epoch(case.marks.number("an epoch"))
        .prefix("canary:")
        .unwrap()
        .padding(case.show(Padding::None))
        .unwrap()
        .schema(7)
        .max_value(1 << 20)
        .clock(&case.show(testing::Clock::at(1_800_000_000_000)));
    case.show(Padding::Fixed(512).padded(1));
    calls::every_call(&other, case).await;
    refusals::not_sent(&other, case).await;
    refusals::settings(&other, keys, case);
}

/// Everything that does not work.
async fn refused(server: &Server, user: &str, case: &mut Case) {
    refusals::keys(case);
    logins::refused(case);
    failures::hostile(case).await;

    let wrong = case.logins.text("a wrong password");
    for protocol in ["", "?protocol=resp3"] {
        let url = format!("redis://{user}:{wrong}@127.0.0.1:{}/{protocol}", server.port);
        let (all, failed) = failures::every_call(impatient(&url), case).await;
        assert_eq!(all, failed);
    }

    let mut other = Server::start();
    unreadable::every_kind(&other, case).await;
    let backend = impatient(&other.url());
    backend.ping().await.unwrap();
    cache::over_garbage(&other, backend.clone(), case).await;
    other.stop();
    let (all, failed) = failures::every_call(backend.clone(), case).await;
    assert_eq!(all, failed);
    cache::failing(backend.clone(), case).await;
    layers::failing(backend, case).await;
    let err = BackendError::new("custom", BackendErrorKind::Throttled).with_retry_after(MINUTE);
    let err = case.error(err.with_source(io::Error::other("a cause")));
    case.show((err.backend(), err.kind(), err.kind().as_str(), err.retry_after()));
}
