//! The contract, and what becomes of it on the disk.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use blindcache::{
    Backend,
    BackendErrorKind::{Misconfigured, TooLarge},
    FileBackend, StoreKey,
    conformance::{Expiry, Failure, Subject, run_all},
    testing::Clock,
};

use crate::tools::{HEADER, Place, child, entry, file_of, files, has, key, kind, misses};

/// Some time in 2026, Unix milliseconds.
const NOW: u64 = 1_790_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_keep_the_contract() -> Result<(), Failure> {
    let place = Place::new();
    let shared = place.backend();
    run_all(&Subject::new(Expiry::Exact, move || std::future::ready(shared.clone()))).await
}

#[tokio::test]
async fn nothing_is_looked_at_before_the_first_call() {
    let place = Place::new();
    let backend = place.backend();
    misses(&backend, &key(1)).await;
    assert!(!backend.delete(&key(1)).await.unwrap());
    backend.sweep().await.unwrap();
    assert!(!place.dir().exists(), "only a write makes the directory, and a ping");
    backend.ping().await.unwrap();
    assert!(place.dir().is_dir());
}

#[tokio::test]
async fn the_directories_above_are_made() {
    let place = Place::new();
    let deep = FileBackend::new(place.dir().join("a/b/")).unwrap();
    deep.set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(has(&deep, &key(1), &entry(1, 200)).await);
}

#[tokio::test]
async fn a_file_is_as_documented() {
    let place = Place::new();
    let clock = Clock::at(NOW);
    let backend = place.builder().clock(&clock).build().unwrap();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    assert_eq!(fs::read(place.file(&key(1))).unwrap(), file_of(entry(1, 200).as_bytes()));
    backend.set(&key(1), entry(2, 200), Some(Duration::from_millis(1_500))).await.unwrap();
    let file = fs::read(place.file(&key(1))).unwrap();
    assert_eq!(file[8..16], (NOW + 1_500).to_be_bytes());
    assert_eq!(files(&place.dir()), [place.file(&key(1))]);
}

#[tokio::test]
async fn an_entry_expires_to_the_millisecond() {
    let place = Place::new();
    let clock = Clock::at(NOW);
    let backend = place.builder().clock(&clock).build().unwrap();
    backend.set(&key(1), entry(1, 200), Some(Duration::from_micros(999_001))).await.unwrap();
    clock.set(NOW + 999);
    assert!(has(&backend, &key(1), &entry(1, 200)).await);
    clock.set(NOW + 1_000);
    misses(&backend, &key(1)).await;
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(files(&place.dir()), Vec::<std::path::PathBuf>::new(), "a delete removes what has expired");
}

#[tokio::test]
async fn it_is_there_for_the_next_process() {
    let place = Place::new();
    place.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    assert!(has(&place.backend(), &key(1), &entry(1, 200)).await);
}

/// On a file system that knows no case, or takes `:` for something else, too.
#[tokio::test]
async fn file_names_are_short_and_plain_and_each_its_own() {
    let place = Place::new();
    let backend = place.backend();
    let longest = "p".repeat(64);
    let prefixes = ["", "app:", "APP:", "..", ".", "-", "../", "CON:", &longest];
    let keys: Vec<_> =
        prefixes.iter().filter_map(|it| StoreKey::parse(&format!("{it}{}", key(7).as_str())).ok()).collect();
    assert_eq!(keys.len(), prefixes.len() - 1, "a slash is in no store key");
    for key in &keys {
        backend.set(key, entry(1, 200), None).await.unwrap();
    }
    let names: HashSet<String> =
        files(&place.dir()).iter().map(|it| it.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), keys.len());
    for name in names {
        assert!(name.len() <= 159 && name.starts_with("b1."), "{name}");
        assert!(name.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'.')), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nothing_stale_stays() {
    let place = Place::new();
    let backend = place.builder().max_entry(500).build().unwrap();
    for batch in [false, true] {
        backend.set(&key(1), entry(1, 500), None).await.unwrap();
        let refused = if batch {
            let writes = [(1, 501), (2, 200)].map(|(it, size)| (key(it), entry(it, size), None));
            backend.set_many(writes.into()).await
        } else {
            backend.set(&key(1), entry(1, 501), None).await
        };
        assert_eq!(kind(refused), TooLarge);
        misses(&backend, &key(1)).await;
    }
    assert!(has(&backend, &key(2), &entry(2, 200)).await, "the rest of the batch is stored");
    let small = place.builder().max_bytes(1 << 20).build().unwrap();
    assert_eq!(kind(small.set(&key(1), entry(1, 1 << 20), None).await), TooLarge);
    small.set(&key(1), entry(1, (1 << 20) - HEADER), None).await.unwrap();
}

/// Files count as multiples of 4 KiB, so what fits into the cap by its bytes alone would be swept at once.
#[tokio::test]
async fn an_entry_that_the_cap_has_no_room_for_is_too_large() {
    let place = Place::new();
    let odd = (1 << 20) + 1;
    let backend = place.builder().max_bytes(odd as u64).build().unwrap();
    backend.set(&key(2), entry(2, 200), None).await.unwrap();
    assert_eq!(kind(backend.set(&key(1), entry(1, odd - HEADER), None).await), TooLarge);
    backend.sweep().await.unwrap();
    assert!(has(&backend, &key(2), &entry(2, 200)).await);
    backend.set(&key(1), entry(1, (1 << 20) - HEADER), None).await.unwrap();
    backend.sweep().await.unwrap();
    assert!(has(&backend, &key(1), &entry(1, (1 << 20) - HEADER)).await);
}

#[tokio::test]
async fn a_larger_entry_of_another_process_is_a_miss() {
    let place = Place::new();
    place.backend().set(&key(1), entry(1, 501), None).await.unwrap();
    let backend = place.builder().max_entry(500).build().unwrap();
    misses(&backend, &key(1)).await;
    assert!(!backend.delete(&key(1)).await.unwrap());
    misses(&place.backend(), &key(1)).await;
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn assert_modes(place: &Place) {
    let file = place.file(&key(1));
    assert_eq!(mode(&file), 0o600);
    for dir in file.ancestors().skip(1).take(3) {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
}

#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let place = Place::new();
    place.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    assert_modes(&place);
}

#[test]
fn modes_are_the_same_under_every_umask() {
    for umask in ["umask 000", "umask 022", "umask 277", "umask 777"] {
        let place = Place::new();
        assert!(child(umask, &place.dir()).status().unwrap().success(), "{umask}");
        assert_modes(&place);
        let deep = place.outside("above").join("more").join("entries");
        assert!(child(umask, &deep).status().unwrap().success(), "{umask}, with those above it");
    }
}

#[test]
fn settings_that_cannot_work_are_misconfigured() {
    let place = Place::new();
    let refused = |builder: blindcache::FileBuilder| assert_eq!(kind(builder.build()), Misconfigured);
    assert_eq!(kind(FileBackend::new("")), Misconfigured);
    refused(place.builder().timeout(Duration::ZERO));
    refused(place.builder().timeout(Duration::MAX));
    refused(place.builder().sweep_interval(Duration::ZERO));
    refused(place.builder().max_bytes((1 << 20) - 1));
    refused(place.builder().max_entry(0));
    refused(place.builder().max_entry((512 << 20) + 1));
    assert!(place.builder().max_bytes(1 << 20).max_entry(512 << 20).build().is_ok());
}

#[test]
fn debug_shows_the_settings() {
    let place = Place::new();
    let shown = format!("{:?}", place.builder().max_entry(500).build().unwrap());
    for part in ["entries", "max_bytes: 1073741824", "max_entry: 500", "timeout: 30s", "sweep_interval: 600s"]
    {
        assert!(shown.contains(part), "{shown}");
    }
}
