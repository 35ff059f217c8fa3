//! Every file that the fuzzers keep, on stable Rust: it passes its target, and takes no more memory than it may.

#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::PathBuf,
};

use blindcache::testing::fuzz::{TARGETS, Target, control, control_memory};

/// Most bytes that a target takes for one of the files.
const MEMORY: usize = 4 << 20;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// What is wrong with a target and one input.
fn fault((name, target): Target, input: &[u8]) -> Option<String> {
    match catch_unwind(|| peak_of(|| target(input))) {
        Err(_) => Some(format!("{name} panics on {}", input.escape_ascii())),
        Ok(bytes) if bytes > MEMORY => {
            Some(format!("{name} takes {bytes} bytes for {}", input.escape_ascii()))
        }
        Ok(_) => None,
    }
}

#[test]
fn every_kept_file_passes_its_target() {
    let (mut faults, mut replayed) = (Vec::new(), 0);
    for &(name, target) in TARGETS {
        target(b""); // what is made once is made here
        let files: Vec<_> = fs::read_dir(fuzz().join("corpus").join(name)).unwrap().collect();
        assert!(!files.is_empty(), "{name} has no seeds");
        replayed += files.len();
        let inputs = files.into_iter().map(|file| fs::read(file.unwrap().path()).unwrap());
        faults.extend(inputs.filter_map(|input| fault((name, target), &input)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    println!("{replayed} files of {} targets", TARGETS.len());
}

#[test]
fn a_planted_fault_is_seen() {
    let planted = fs::read(fuzz().join("controls/planted")).unwrap();
    for target in [("control", control as fn(&[u8])), ("control_memory", control_memory)] {
        assert!(fault(target, &planted).is_some_and(|fault| fault.starts_with(target.0)));
        assert_eq!(fault(target, &planted[1..]), None);
    }
}

/// Without the features of some stores their targets are not there.
#[test]
fn every_target_has_a_corpus_and_a_program() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names_in("fuzz_targets");
    assert_eq!(names_in("corpus"), programs);
    let read = |file| fs::read_to_string(fuzz().join(file)).unwrap();
    let (manifest, text) = (read("Cargo.toml"), read("../CONTRIBUTING.md"));
    for name in &programs {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")),
            "{name}"
        );
    }
    assert!(text.contains(&format!("There are {} targets", programs.len())));
    if cfg!(all(
        feature = "cloudflare-kv",
        feature = "dynamodb",
        feature = "memcached",
        feature = "redis",
        feature = "upstash"
    )) {
        assert_eq!(programs, names);
    } else {
        assert!(programs.is_superset(&names) && names.len() > 12);
    }
}

thread_local! {
    /// Bytes that this thread has taken and not given back, and the most of them.
    static TAKEN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The most bytes that are taken at a time while this runs.
fn peak_of(work: impl FnOnce()) -> usize {
    TAKEN.set((0, 0));
    work();
    TAKEN.get().1
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(more: usize, less: usize) {
    // No allocation is made here, and none is counted while the thread ends.
    let _ = TAKEN.try_with(|taken| {
        let (now, most) = taken.get();
        let now = (now + more).saturating_sub(less);
        taken.set((now, most.max(now)));
    });
}

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as this call's.
        unsafe { System.dealloc(at, layout) }
    }
}
