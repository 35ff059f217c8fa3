//! The first command of README.md, on a real Redis.

use std::process::Command;

use blindcache_server_tests::Server;

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
