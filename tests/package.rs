//! What the package says of itself holds: the Rust version that it states, and its features.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

fn cargo(arguments: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What cargo knows of this package and of all that the workspace is built from, on this platform.
fn metadata() -> Value {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host];
    serde_json::from_str(&cargo(&arguments)).unwrap()
}

fn this(metadata: &Value) -> &Value {
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().find(|package| package["name"] == "blindcache").unwrap()
}

/// The names and versions of all that this package is built from with these features alone, on this platform:
/// dependencies and build dependencies, not those of its tests.
fn built_from(features: &[&str]) -> BTreeSet<(String, String)> {
    let features = features.join(",");
    let tree = ["tree", "--package=blindcache", "--edges=normal,build", "--prefix=none", "--format={p}"];
    let with = ["--no-default-features", "--features", &features, "--locked", "--offline"];
    let lines = cargo(&[&tree[..], &with].concat());
    let packages = lines.lines().map(|line| line.split_once(" v").unwrap());
    packages.map(|(name, rest)| (name.into(), rest.split(' ').next().unwrap().into())).collect()
}

fn names(features: &[&str]) -> BTreeSet<String> {
    built_from(features).into_iter().map(|(name, _)| name).collect()
}

/// The version as numbers, without zeros at the end: 1.88 is 1.88.0.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// What states a newer Rust than this package does, and is among these.
fn newer(metadata: &Value, among: &BTreeSet<(String, String)>) -> Vec<String> {
    let ours = numbers(this(metadata)["rust_version"].as_str().unwrap());
    let text = |package: &Value, what: &str| package[what].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let used = packages.filter(|it| among.contains(&(text(it, "name"), text(it, "version"))));
    let newer = used.filter(|it| it["rust_version"].as_str().is_some_and(|rust| numbers(rust) > ours));
    newer.map(|package| text(package, "name")).collect()
}

/// The backends that have a client, or another crate, of their own: its name, and what no other backend may bring.
const CLIENTS: [(&str, &[&str]); 6] = [
    ("redis", &["redis"]),
    ("http", &["reqwest"]),
    ("cloudflare-kv", &["reqwest"]),
    ("upstash", &["reqwest"]),
    ("dynamodb", &["aws-sdk-dynamodb", "aws-config"]),
    ("file", &["rustix"]),
];
/// Every feature but `default` and `dynamodb`.
const FEATURES: [&str; 14] = [
    "aws-lc-rs",
    "cloudflare-kv",
    "conformance",
    "file",
    "http",
    "l1",
    "macros",
    "memcached",
    "metrics",
    "redis",
    "redis-cluster",
    "testing",
    "tracing",
    "upstash",
];

/// The AWS SDK moves its own every few months, so `dynamodb` is left out, and documented.
#[test]
fn no_dependency_states_a_newer_rust_than_this_package() {
    let metadata = metadata();
    let used = built_from(&FEATURES);
    assert!(used.len() > 100, "only {} packages were looked at", used.len());
    assert_eq!(newer(&metadata, &used), Vec::<String>::new());
    // The control: those of the SDK are found.
    assert!(newer(&metadata, &built_from(&["dynamodb"])).contains(&"aws-sdk-dynamodb".to_owned()));
}

#[test]
fn a_backend_brings_no_client_of_another() {
    let clients: BTreeSet<&str> = CLIENTS.iter().flat_map(|(_, clients)| *clients).copied().collect();
    for feature in ["redis", "http", "cloudflare-kv", "upstash", "memcached", "dynamodb", "file"] {
        let own = CLIENTS.iter().find(|(name, _)| *name == feature).map_or(&[][..], |(_, clients)| clients);
        let names = names(&[feature]);
        let found: BTreeSet<&str> = clients.iter().copied().filter(|name| names.contains(*name)).collect();
        assert_eq!(found, own.iter().copied().collect(), "{feature}");
    }
}

#[test]
fn the_features_are_those_of_the_documentation() {
    let metadata = metadata();
    let features = this(&metadata)["features"].as_object().unwrap();
    let names: BTreeSet<&str> = features.keys().map(String::as_str).collect();
    assert_eq!(names, FEATURES.into_iter().chain(["default", "dynamodb"]).collect());
    let readme = read("README.md");
    for name in names.iter().filter(|name| **name != "default") {
        assert!(readme.contains(&format!("\n| `{name}` |")), "README.md does not say what {name} is");
    }
    assert_eq!(features["default"], serde_json::json!(["redis", "aws-lc-rs", "l1", "macros"]));
}

#[test]
fn each_dependency_has_its_reason() {
    let contributing = read("CONTRIBUTING.md");
    let (_, reasons) = contributing.split_once("## Dependencies").unwrap();
    for manifest in MANIFESTS {
        let text = read(manifest);
        let names = dependencies(&text);
        assert!(!names.is_empty(), "{manifest} has no dependencies?");
        let missing: Vec<&str> =
            names.into_iter().filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
        assert_eq!(missing, Vec::<&str>::new(), "CONTRIBUTING.md does not say what {manifest} has these for");
    }
    let planted = "[dependencies]\none = \"1\"\n[dev-dependencies]\n# why\ntwo = { version = \"1\", features = [\n\
                   \"x\",\n] }\n[target.'cfg(unix)'.dev-dependencies]\nthree.workspace = true\n[features]\nfour = []";
    assert_eq!(dependencies(planted), ["one", "two", "three"]);
}

/// Every manifest that names dependencies, those in a workspace of their own too.
const MANIFESTS: [&str; 8] = [
    "Cargo.toml",
    "macros/Cargo.toml",
    "benches/counts/Cargo.toml",
    "benches/parts/Cargo.toml",
    "benches/rivals/Cargo.toml",
    "tests/servers/Cargo.toml",
    "tests/timing/Cargo.toml",
    "fuzz/Cargo.toml",
];

/// The names of the dependencies of a manifest, of whatever kind.
fn dependencies(manifest: &str) -> Vec<&str> {
    let (mut names, mut inside) = (Vec::new(), false);
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if inside && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            names.push(line.split(['.', ' ', '=']).next().unwrap());
        }
    }
    names
}

fn read(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
