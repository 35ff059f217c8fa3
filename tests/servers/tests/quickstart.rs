//! The first command of README.md, and the example of SECURITY.md, on a real Redis.

use std::{fs, process::Command};

use blindcache::RedisBackend;
use blindcache_server_tests::Server;

#[path = "../../../examples/what_a_store_sees.rs"]
#[allow(dead_code)] // its own `main`
mod what_a_store_sees;

fn quickstart(variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "blindcache", "--example", "quickstart"])
        .env_remove("CACHEKIT_REDIS_URL")
        .env_remove("REDIS_URL")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_quickstart_runs_on_the_redis_of_the_environment() {
    let (server, nobody) = (Server::start(), "redis://127.0.0.1:1");
    let writes = || -> String { server.admin(&["INFO", "commandstats"]) };
    assert!(!writes().contains("cmdstat_set:"));
    for variables in [
        &[("REDIS_URL", server.url().as_str())][..],
        &[("CACHEKIT_REDIS_URL", server.url().as_str()), ("REDIS_URL", nobody)],
    ] {
        let text = quickstart(variables);
        assert!(text.contains("The store is \"redis\"."), "{text}");
        assert!(text.contains("refused: not authentic for this place"), "{text}");
    }
    assert!(writes().contains("cmdstat_set:calls=6"), "{}", writes());
}

#[test]
fn the_quickstart_runs_without_a_server() {
    assert!(quickstart(&[]).contains("The store is \"memory\"."));
}

/// A name, a length in bytes, a ttl in milliseconds, and the bytes that all entries of one master key begin with, in hex.
type Row = (String, usize, i64, String);

/// The rows of SECURITY.md; what follows the key id is random.
fn shown() -> Vec<Row> {
    let security = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md")).unwrap();
    let rows = security.lines().filter(|line| line.starts_with("b1."));
    let row = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        [name, length, ttl, hex] => {
            (name.to_owned(), length.parse().unwrap(), ttl.parse().unwrap(), hex[..16].to_owned())
        }
        _ => panic!("{line}"),
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn what_redis_holds_is_what_security_md_shows() {
    let server = Server::start();
    what_a_store_sees::writes(RedisBackend::new(&server.url()).unwrap()).await.unwrap();
    let mut names: Vec<String> = server.admin(&["KEYS", "*"]);
    names.sort();
    let held = names.into_iter().map(|name| -> Row {
        let entry: Vec<u8> = server.admin(&["GET", &name]);
        let hex = entry[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let ttl = server.admin(&["PTTL", &name]);
        (name, entry.len(), ttl, hex)
    });
    let (held, shown) = (held.collect::<Vec<_>>(), shown());
    let but_ttls = |rows: &[Row]| -> Vec<_> {
        rows.iter().map(|(name, length, _, hex)| (name.clone(), *length, hex.clone())).collect()
    };
    assert_eq!((held.len(), but_ttls(&held)), (6, but_ttls(&shown)));
    for (held, shown) in held.iter().zip(&shown) {
        assert!(held.2.abs_diff(shown.2) < 60_000, "{held:?}, {shown:?}");
    }
}
