//! What the package says of itself holds: the Rust version that it states, and its features.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

/// What cargo knows of this package and of all that it depends on, with its default features, on this platform.
fn metadata() -> Value {
    let cargo = |arguments: &[&str]| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
    };
    let version = String::from_utf8(cargo(&["-vV"]).stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output =
        cargo(&["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn package<'a>(metadata: &'a Value, id: &Value) -> &'a Value {
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().find(|package| package["id"] == *id).unwrap()
}

fn this(metadata: &Value) -> &Value {
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().find(|package| package["name"] == "blindcache").unwrap()
}

/// The ids of all that this package is built from: dependencies and build dependencies, not those of its tests.
fn built_from(metadata: &Value) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let mut reached = BTreeSet::new();
    let mut next = vec![this(metadata)["id"].as_str().unwrap()];
    while let Some(id) = next.pop() {
        if !reached.insert(id.to_owned()) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                next.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    reached
}

/// The version as numbers, without zeros at the end: 1.88 is 1.88.0.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// What this package is built from and states a newer Rust than it does.
fn newer(metadata: &Value) -> Vec<String> {
    let ours = numbers(this(metadata)["rust_version"].as_str().unwrap());
    let ids = built_from(metadata);
    let packages = ids.iter().map(|id| package(metadata, &Value::from(id.as_str())));
    let newer =
        packages.filter(|package| package["rust_version"].as_str().is_some_and(|rust| numbers(rust) > ours));
    newer.map(|package| format!("{} {}", package["name"], package["rust_version"])).collect()
}

#[test]
fn no_dependency_states_a_newer_rust_than_this_package() {
    let metadata = metadata();
    let names = built_from(&metadata).len();
    assert!(names > 50, "only {names} packages were looked at");
    assert_eq!(newer(&metadata), Vec::<String>::new());
}

/// The control: a newer Rust is found in what the package is built from, and is no matter in what its tests use.
#[test]
fn a_planted_newer_rust_is_found() {
    for (name, found) in [("cfg-if", 1), ("redis", 1), ("cc", 1), ("serde_json", 0)] {
        let mut metadata = metadata();
        for package in metadata["packages"].as_array_mut().unwrap() {
            if package["name"] == name {
                package["rust_version"] = "1.88.1".into();
            }
        }
        assert_eq!(newer(&metadata).len(), found, "{name}");
    }
}

#[test]
fn the_features_are_those_of_the_documentation() {
    let metadata = metadata();
    let features = this(&metadata)["features"].as_object().unwrap();
    let names: Vec<&str> = features.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["aws-lc-rs", "conformance", "default", "l1", "macros", "metrics", "redis", "testing", "tracing"]
    );
    assert_eq!(features["default"], serde_json::json!(["redis", "aws-lc-rs", "l1", "macros"]));
}

#[test]
fn each_dependency_has_its_reason() {
    let metadata = metadata();
    let contributing = include_str!("../CONTRIBUTING.md");
    let (_, reasons) = contributing.split_once("## Dependencies").unwrap();
    for dependency in this(&metadata)["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        assert!(reasons.contains(&format!("`{name}`")), "CONTRIBUTING.md does not say what {name} is for");
    }
}

/// Each claim of SECURITY.md names files, and tests in them: all of them exist.
#[test]
fn the_tests_that_security_md_names_exist() {
    let missing = unheld(&read("SECURITY.md"));
    assert_eq!(missing, Vec::<String>::new());
    let planted = "| C1 | a claim | | `tests/nowhere.rs`, `tests/boundary.rs` (`no_such_test`) |";
    assert_eq!(unheld(planted), ["tests/nowhere.rs", "no_such_test"]);
}

/// What the rows of claims name in vain: files, and tests in the file or folder before them.
fn unheld(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let claims = text.lines().filter(|line| line.starts_with("| C"));
    for names in claims.map(|row| row.rsplit('|').nth(1).unwrap()) {
        let mut source = String::new();
        for name in names.split('`').skip(1).step_by(2) {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let is_path = name.contains('/') || name.contains('.');
            match (is_path, path.is_dir()) {
                (true, true) => source.clear(),
                (true, false) => match std::fs::read_to_string(&path) {
                    Ok(text) => source = text,
                    Err(_) => missing.push(name.to_owned()),
                },
                (false, _) if source.contains(&format!("fn {name}(")) => {}
                (false, _) => missing.push(name.to_owned()),
            }
        }
    }
    missing
}

fn read(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
