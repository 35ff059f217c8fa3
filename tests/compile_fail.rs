//! What must not compile: each file in `compile_fail/` fails with exactly the errors that its `//~` marks name.
//!
//! Codes and lines are compared, not the compiler's words, which change from one version to the next.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Line and code, such as `(7, "E0308")`, of the errors of one file.
type Errors = BTreeSet<(u64, String)>;

fn cases() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// What the marks of a file promise: `//~ E0308` at the end of the line of the error.
fn marked(source: &str) -> Errors {
    let lines = source.lines().enumerate();
    let marks = lines.filter_map(|(at, line)| Some((at as u64 + 1, line.split_once("//~ ")?.1.to_owned())));
    marks.collect()
}

/// Checks all the files as programs of one package that depends on this one, and gives each one's errors.
fn compile(cases: &BTreeMap<String, PathBuf>) -> BTreeMap<String, Errors> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("Cargo.toml"), manifest(root, cases)).unwrap();
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();

    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--bins", "--keep-going", "--offline", "--message-format=json", "--target-dir"])
        .arg(package.join("target"))
        .current_dir(&package)
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, Errors> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let target = report["target"]["name"].as_str().unwrap_or_default().to_owned();
        reached.insert(target.clone());
        errors.entry(target).or_default().extend(error(&report["message"]));
    }
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(cases.keys().all(|case| reached.contains(case)), "not all were compiled: {told}");
    errors
}

fn manifest(root: &Path, cases: &BTreeMap<String, PathBuf>) -> String {
    let mut text = format!(
        "[package]\nname = \"compile-fail\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nblindcache = {{ path = {root:?}, default-features = false }}\nbytes = \"1\"\nserde = \"1\"\n"
    );
    for (name, path) in cases {
        text += &format!("[[bin]]\nname = {name:?}\npath = {path:?}\n");
    }
    text
}

fn error(message: &Value) -> Option<(u64, String)> {
    let spans = message["spans"].as_array().filter(|_| message["level"] == "error")?;
    let place = spans.iter().find(|span| span["is_primary"] == true)?;
    Some((place["line_start"].as_u64()?, message["code"]["code"].as_str().unwrap_or("no code").to_owned()))
}

#[test]
fn plaintext_and_secrets_do_not_compile_where_they_must_not_be() {
    let cases = cases();
    let errors = compile(&cases);
    for (name, path) in &cases {
        let marked = marked(&fs::read_to_string(path).unwrap());
        assert_eq!(marked.is_empty(), name == "control", "{name} must have marks, or be the control");
        assert_eq!(errors[name], marked, "errors of {name}, left, and its marks, right");
    }
}
