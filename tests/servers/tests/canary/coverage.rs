//! The canary goes through every public call: what is missing here is found by reading the library's sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is for tests alone.
const NOT_DEPLOYED: [&str; 4] = ["cache/parts.rs", "conformance.rs", "conformance", "testing"];
/// What the expansion of `#[cached]` calls, which is `#[doc(hidden)]`: a function of the canary goes through it. What is
/// public of it, `FunctionKey`, is used here by name.
const OF_THE_MACRO: [&str; 2] = ["attribute.rs", "attribute"];
/// The same, in a file with public names.
const HIDDEN: [&str; 1] = ["__default"];
const KINDS: [&str; 8] = ["async", "const", "enum", "fn", "static", "struct", "trait", "type"];

#[test]
fn every_public_function_and_type_is_used_here() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let used: String = files(&here.join("tests/canary")).iter().map(|file| code(file)).collect();
    let used: Vec<&str> = used.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let src = here.join("../../src");
    let left_out = [&NOT_DEPLOYED[..], &OF_THE_MACRO].concat();
    let deployed = |file: &&PathBuf| !left_out.iter().any(|room| file.starts_with(src.join(room)));
    let names: Vec<String> =
        files(&src).iter().filter(deployed).flat_map(|file| public_names(&code(file))).collect();
    assert!(names.len() > 60, "found too little: {names:?}");
    let used_or_hidden = |name: &&String| used.contains(&name.as_str()) || HIDDEN.contains(&name.as_str());
    let missing: Vec<&String> = names.iter().filter(|name| !used_or_hidden(name)).collect();
    assert!(missing.is_empty(), "no canary goes through {missing:?}");
}

/// The sources below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// A source without its tests and comments.
fn code(file: &Path) -> String {
    let source = fs::read_to_string(file).unwrap();
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What `pub` stands before, and nothing else: `pub(crate)` is not public.
fn public_names(code: &str) -> Vec<String> {
    let words: Vec<&str> = code.split_whitespace().collect();
    let items = words.split(|word| *word == "pub").skip(1).filter_map(|words| {
        let kinds = words.iter().take_while(|word| KINDS.contains(word)).count();
        words.get(kinds).filter(|_| kinds > 0)
    });
    items
        .map(|item| item.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
        .collect()
}
