//! The documents keep up with the code: each claim of SECURITY.md has an assumption, tests that exist, and one command that
//! runs them; what the other documents name exists too.
#![allow(clippy::unwrap_used)] // a test

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Documents whose tests, fuzz targets, files and commands must exist.
const DOCUMENTS: [&str; 7] = [
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/backends.md",
    "docs/guide.md",
    "docs/testing.md",
    "docs/threats.md",
];
/// The folders that a path in a document begins with.
const FOLDERS: [&str; 7] = ["benches/", "docs/", "examples/", "fuzz/", "macros/", "src/", "tests/"];
/// A word of so many parts is the name of a test.
const PARTS: usize = 4;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The Rust sources that are this file or stand below this folder.
fn sources(path: &Path) -> Vec<PathBuf> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flat_map(|entry| sources(&entry.unwrap().path())).collect(),
        Err(_) if path.extension().is_some_and(|end| end == "rs") => vec![path.to_owned()],
        Err(_) => vec![],
    }
}

/// The names of all functions in a source.
fn functions_in(source: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(source).unwrap();
    let word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    text.split("fn ").skip(1).map(word).collect()
}

/// What stands between backticks, in text and in tables.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Without the blocks of code, whose fences would be taken for spans.
fn prose(document: &str) -> String {
    document.split("```").step_by(2).collect()
}

/// What a command of `cargo test` runs, with variables before it or without.
struct Run {
    sources: Vec<PathBuf>,
    filters: Vec<String>,
    /// Targets that there are not.
    missing: Vec<String>,
}

impl Run {
    fn of(command: &str) -> Option<Self> {
        let (variables, words) = command.split_once("cargo test")?;
        if variables.split_whitespace().any(|word| !word.contains('=') || word.contains('`')) {
            return None;
        }
        let words = words.split_whitespace();
        let mut words = words.take_while(|word| !word.starts_with('#')).peekable();
        let (mut package, mut paths, mut filters) = (root().to_owned(), vec![], vec![]);
        let mut missing = Vec::new();
        while let Some(word) = words.next() {
            match word {
                "-p" if words.next_if_eq(&"blindcache-server-tests").is_some() => {
                    package.push("tests/servers")
                }
                "-p" if words.next_if_eq(&"blindcache-macros").is_some() => package.push("macros"),
                "-p" if words.next_if_eq(&"blindcache-counts").is_some() => package.push("benches/counts"),
                "--lib" => paths.push(package.join("src")),
                "--test" => {
                    let name = words.next()?;
                    let found = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")]
                        .map(|path| package.join(path))
                        .into_iter()
                        .find(|path| path.exists());
                    match found {
                        // A file `tests/NAME.rs` may have its modules in `tests/NAME/`.
                        Some(path) => paths.extend([path, package.join("tests").join(name)]),
                        None => missing.push(name.to_owned()),
                    }
                }
                "--features" => _ = words.next()?,
                _ if word.starts_with('-') => {}
                _ => filters.push(word.to_owned()),
            }
        }
        if paths.is_empty() && missing.is_empty() {
            paths.extend(["src", "tests"].map(|folder| package.join(folder)));
        }
        // What all tests against servers share are tests of each.
        if package.ends_with("tests/servers") {
            paths.push(package.join("src"));
        }
        Some(Self { sources: paths.iter().flat_map(|path| sources(path)).collect(), filters, missing })
    }

    /// Whether it runs this function of one of these files.
    fn runs(&self, files: &[PathBuf], test: &str) -> bool {
        let is_in = |file: &&PathBuf| self.sources.contains(file) && functions_in(file).contains(test);
        let passes = |path: &str| self.filters.is_empty() || self.filters.iter().any(|it| path.contains(it));
        files.iter().filter(is_in).any(|file| passes(&path_of(file, test)))
    }

    /// Filters that let no function pass, but the word that stands for any: `NAME`.
    fn vain(&self) -> Vec<String> {
        let paths_in =
            |file: &PathBuf| functions_in(file).into_iter().map(|test| path_of(file, &test)).collect();
        let paths: Vec<String> = self.sources.iter().flat_map::<Vec<_>, _>(paths_in).collect();
        let is_vain =
            |filter: &&String| *filter != "NAME" && !paths.iter().any(|path| path.contains(*filter));
        self.filters.iter().filter(is_vain).cloned().collect()
    }
}

/// The path of a test, as a filter sees it, behind what it does not see.
fn path_of(file: &Path, test: &str) -> String {
    format!("{}::{test}", file.with_extension("").to_string_lossy().replace('/', "::"))
}

/// What is wrong with the rows of claims: `| C1 | claim | assumes | held by | run |`.
fn faults(document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with("| C"));
    rows.zip(1..).flat_map(|(row, number)| faults_of(row, number)).collect()
}

fn faults_of(row: &str, number: usize) -> Vec<String> {
    let name = format!("C{number}");
    let cells = row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let [claim, _, assumption, held_by, command] = cells[..] else {
        return vec![format!("{name} has not five cells")];
    };
    let mut faults = Vec::new();
    if claim != name {
        faults.push(format!("{claim} is not {name}"));
    }
    if assumption.is_empty() {
        faults.push(format!("{name} has no assumption"));
    }
    let [Some(run)] = &spans(command).map(Run::of).collect::<Vec<_>>()[..] else {
        faults.push(format!("{name} has not one command"));
        return faults;
    };
    faults.extend(run.missing.iter().map(|target| format!("{name} runs {target}, which is not there")));
    faults.extend(faults_of_holders(held_by, run).into_iter().map(|fault| format!("{name}: {fault}")));
    faults
}

/// Tests that the command does not run, among files each with its tests behind it.
fn faults_of_holders(held_by: &str, run: &Run) -> Vec<String> {
    let (mut files, mut faults, mut held) = (vec![], vec![], false);
    for span in spans(held_by) {
        if span.contains('/') {
            files = sources(&root().join(span));
            // Fuzz targets are no tests: their corpora are run by `tests/corpus.rs`.
            let is_run = span.starts_with("fuzz/") || files.iter().any(|file| run.sources.contains(file));
            held |= is_run;
            if !is_run {
                faults.push(format!("{span} is not run"));
            }
        } else if !run.runs(&files, span) {
            faults.push(format!("{span} is not run"));
        }
    }
    if !held {
        faults.push("nothing holds it".into());
    }
    faults
}

/// Files, tests, fuzz targets, and targets and filters of commands that a document names, and that are not there.
fn missing(document: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let mut missing = Vec::new();
    let prose = prose(document);
    for span in spans(&prose) {
        let is_path = !span.contains([' ', '*', '…']) && FOLDERS.iter().any(|it| span.starts_with(it));
        let is_test = span.split('_').count() >= PARTS
            && span.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_path && !root().join(span).exists() || is_test && !functions.contains(span) {
            missing.push(span.to_owned());
        }
    }
    let named = prose.split("fuzz target").map(|after| after.trim_start_matches('s').trim_start());
    for targets in named.skip(1).filter(|after| after.starts_with('`')) {
        let sentence = targets.split(['.', ';', '(', ':']).next().unwrap();
        let is_there = |name: &&str| root().join(format!("fuzz/fuzz_targets/{name}.rs")).exists();
        missing.extend(spans(sentence).filter(|name| !is_there(name)).map(str::to_owned));
    }
    let code = document.split("```").skip(1).step_by(2).flat_map(str::lines);
    let commands = code.chain(document.lines()).map(str::trim_start).chain(spans(&prose));
    missing.extend(commands.filter_map(Run::of).flat_map(|run| [run.vain(), run.missing].concat()));
    missing
}

#[test]
fn each_claim_has_an_assumption_tests_that_exist_and_one_command_that_runs_them() {
    let security = read("SECURITY.md");
    assert!(security.lines().filter(|line| line.starts_with("| C")).count() >= 16);
    assert_eq!(faults(&security), Vec::<String>::new());
}

#[test]
fn what_the_documents_name_exists() {
    let sources = ["src", "tests", "macros"].map(|folder| sources(&root().join(folder))).concat();
    let functions = sources.iter().flat_map(|source| functions_in(source)).collect::<BTreeSet<_>>();
    assert!(functions.len() > 1_000);
    for document in DOCUMENTS {
        assert_eq!(missing(&read(document), &functions), Vec::<String>::new(), "{document}");
    }
}

/// Each figure of docs/testing.md has the command that makes it, and the day or commit of it.
#[test]
fn each_figure_has_its_command() {
    let testing = read("docs/testing.md");
    let rows = testing.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what |"));
    assert!(rows.clone().count() >= 20);
    assert_eq!(rows.filter(|row| is_bare(row)).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Whether a row `| what | figure | made | by |` has a figure, and not what goes with it.
fn is_bare(row: &str) -> bool {
    let cells = row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let [_, figure, made, by] = cells[..] else { return true };
    figure != "(to be filled)" && (made.is_empty() || spans(by).next().is_none())
}

/// The control: what is planted is found.
#[test]
fn planted_faults_are_found() {
    let (file, test) = ("`tests/boundary.rs`", "an_entry_copied_to_another_place_is_refused");
    let fine = format!("| C1 | a | b | {file} (`{test}`) | `cargo test --test boundary an_entry_copied` |");
    assert_eq!(faults(&fine), Vec::<String>::new());
    for (from, to, fault) in [
        ("C1", "C2", "C2 is not C1"),
        ("| b |", "| |", "C1 has no assumption"),
        (
            " an_entry_copied`",
            " an_entry_moved`",
            "C1: an_entry_copied_to_another_place_is_refused is not run",
        ),
        ("--test boundary", "--test vectors", "C1: tests/boundary.rs is not run"),
        ("--test boundary", "--test boundaries", "C1 runs boundaries, which is not there"),
        ("`cargo test", "`cargo run", "C1 has not one command"),
        (
            "to_another_place",
            "to_no_other_place",
            "C1: an_entry_copied_to_no_other_place_is_refused is not run",
        ),
        ("tests/boundary.rs", "tests/nowhere.rs", "C1: nothing holds it"),
    ] {
        let planted = fine.replace(from, to);
        assert!(faults(&planted).iter().any(|it| it == fault), "{fault}: {:?}", faults(&planted));
    }

    assert!(!is_bare("| a | 7 | today | `cargo test` |") && !is_bare("| a | (to be filled) | | |"));
    assert!(is_bare("| a | 7 | today | |") && is_bare("| a | 7 | | `cargo test` |"));

    let functions = BTreeSet::from([test.to_owned()]);
    for (text, fault) in [
        ("`an_entry_copied_to_nowhere`", "an_entry_copied_to_nowhere"),
        ("`tests/nowhere.rs`", "tests/nowhere.rs"),
        ("the fuzz targets `open` and `close`; `shut`", "close"),
        ("`SEED=1 cargo test --test boundaries`", "boundaries"),
        ("`cargo test --test boundary copied_to_nowhere`", "copied_to_nowhere"),
        ("```sh\ncargo test --test boundaries\n```", "boundaries"),
        ("\n    cargo test --test boundaries   # all\n", "boundaries"),
    ] {
        let found = missing(text, &functions).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(found, BTreeSet::from([fault.to_owned()]), "{text}");
    }
    assert_eq!(missing(&format!("`{test}`, `tests/boundary.rs`"), &functions), Vec::<String>::new());
}
