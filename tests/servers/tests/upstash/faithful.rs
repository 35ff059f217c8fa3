//! The tests' server is one that Upstash's own client works with.

use std::{path::Path, process::Command};

use blindcache_server_tests::upstash::{TOKEN, Upstash};

/// The client's folder, beside cargo's own for tests.
fn packages() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("upstash").to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn official_client_passes() {
    let upstash = Upstash::start();
    let packages = packages();
    let client = Path::new(&packages).join("node_modules/@upstash/redis");
    assert!(client.exists(), "@upstash/redis is missing. Install it: tests/servers/install upstash");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/upstash/client.mjs");
    let mut node = Command::new("node");
    node.arg(script).env("PACKAGES", packages);
    node.env("UPSTASH_REDIS_REST_URL", upstash.url()).env("UPSTASH_REDIS_REST_TOKEN", TOKEN);
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap();
    let output = output.expect("node is missing. Install it: apt-get install nodejs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let checks: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(checks > 200, "{said}");
    println!("@upstash/redis: {said}");
}
