//! The one exception: a login tells the server the user's name and the password, and the traffic shows it.

use blindcache::RedisBackend;
use blindcache_server_tests::Certs;

use crate::{case::Case, several};

/// The traffic without each `AUTH user password`, which `HELLO 3 AUTH user password` ends with too; and how many
/// there were.
pub(crate) fn cut(traffic: &[u8], user: &str, password: &str) -> (Vec<u8>, usize) {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let login = ["AUTH", user, password].map(bulk).concat();
    let (mut rest, mut left, mut count) = (Vec::new(), traffic, 0);
    while let Some(at) = left.windows(login.len()).position(|it| it == login.as_bytes()) {
        rest.extend(&left[..at]);
        left = &left[at + login.len()..];
        count += 1;
    }
    rest.extend(left);
    (rest, count)
}

/// Settings of a `RedisBackend` that cannot work, with passwords and keys in them.
pub(crate) fn refused(case: &mut Case) {
    let [user, password] =
        ["a user of a refused URL", "a password of a refused URL"].map(|what| case.text(what));
    let login = format!("{user}:{password}");
    for url in [
        login.clone(),
        format!("http://{login}@localhost"),
        format!("redis://{login}@"),
        format!("redis://{login}@localhost:99999"),
        format!("redis://{login}@localhost/{password}"),
        format!("redis://{login}@localhost/?protocol={password}"),
        format!("redis://{login}#{password}@localhost"),
        format!("rediss://{login}@localhost/#insecure"),
        format!("rediss://{login}@-.-"),
        format!("unix://?user={user}&pass={password}&db={password}"),
    ] {
        case.show(&RedisBackend::builder(&url));
        case.refused(RedisBackend::new(&url));
    }
    several::refused(&login, case);
    let tls = || RedisBackend::builder(&format!("rediss://{login}@localhost"));
    let Certs { ca, client, client_key, .. } = Certs::generate();
    let other_key = Certs::generate().client_key;
    for key in [&client_key, &other_key] {
        case.marks.add("a client's key", secret_part(key));
    }
    let garbage = case.text("a key that is no PEM");
    for builder in [
        tls().ca_certificates(garbage.as_str()),
        tls().ca_certificates(ca.as_str()).client_certificate(client.as_str(), garbage.as_str()),
        tls().ca_certificates(ca.as_str()).client_certificate(garbage.as_str(), client_key.as_str()),
        tls().ca_certificates(ca.as_str()).client_certificate(client.as_str(), other_key.as_str()),
        RedisBackend::builder(&format!("redis://{login}@localhost")).client_certificate(client, client_key),
    ] {
        case.show(&builder);
        case.refused(builder.build());
    }
    let client = redis::Client::open(format!("redis://{login}@localhost")).unwrap();
    let builder = RedisBackend::builder_from_client(&client).ca_certificates(garbage.as_str());
    case.show(&builder);
    case.refused(builder.build());
}

/// In the PEM of a P-256 key, the first part of the secret scalar.
pub(crate) fn secret_part(key: &str) -> &[u8] {
    &key.lines().nth(1).unwrap().as_bytes()[48..]
}
