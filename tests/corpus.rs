//! Every file that the fuzzers keep, on stable Rust.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use blindcache::testing::fuzz::TARGETS;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_kept_file_passes_its_target() {
    let mut replayed = 0;
    for (name, target) in TARGETS {
        let files: Vec<_> = fs::read_dir(fuzz().join("corpus").join(name)).unwrap().collect();
        assert!(!files.is_empty(), "{name} has no seeds");
        replayed += files.len();
        for file in files {
            target(&fs::read(file.unwrap().path()).unwrap());
        }
        target(b"");
    }
    println!("{replayed} files of {} targets", TARGETS.len());
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in("corpus"), names);
    assert_eq!(names_in("fuzz_targets"), names);
}
