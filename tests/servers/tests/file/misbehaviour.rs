//! What the caller sees while the file system misbehaves, and that the same backend works on afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use blindcache::{
    Backend, BackendError,
    BackendErrorKind::{self, Denied, Misconfigured, Rejected, Timeout, TooLarge},
    BackendExt, FileBackend,
};
use blindcache_server_tests::{HANG, entry, in_time, key};

use crate::mounts::{Mount, ask, dir};

/// Prints one row of the table of all stores.
fn row(trouble: &str, saw: &str) {
    println!("| file | {trouble} | {saw} |");
}

fn kind<T>(answer: Result<T, BackendError>) -> BackendErrorKind {
    let Err(err) = answer else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "file");
    err.kind()
}

/// With a limit that a busy disk does not meet.
fn backend(dir: &Path) -> FileBackend {
    FileBackend::builder(dir).timeout(HANG).build().unwrap()
}

/// The same backend stores and finds again.
async fn works(backend: &FileBackend) {
    backend.set(&key(7), entry(7, 300), None).await.unwrap();
    assert_eq!(backend.get(&key(7)).await.unwrap().unwrap(), entry(7, 300).into_bytes());
    backend.ping().await.unwrap();
}

fn leaf(dir: &Path) -> PathBuf {
    dir.join("a/a")
}

#[tokio::test]
async fn a_directory_that_is_gone_is_a_miss_and_is_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("entries");
    let backend = backend(&dir);
    works(&backend).await;
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(backend.get(&key(7)).await.unwrap(), None);
    works(&backend).await;
    row("down: the directory is removed", "a miss; set makes it again");

    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "").unwrap();
    assert_eq!(kind(backend.get(&key(7)).await), Misconfigured);
    assert_eq!(kind(backend.set(&key(7), entry(7, 300), None).await), Misconfigured);
    fs::remove_file(&dir).unwrap();
    works(&backend).await;
    row("down: a file stands in its place", "Misconfigured");
}

/// The store lies: an entry is there although it has expired, or was cut, or is another program's.
#[tokio::test]
async fn what_is_no_living_entry_is_a_miss() {
    let parent = tempfile::tempdir().unwrap();
    let backend = backend(parent.path());
    let is_missed = async |what: &str| {
        assert_eq!(backend.get(&key(7)).await.unwrap(), None, "{what}");
        assert!(!backend.exists(&key(7)).await.unwrap(), "{what}");
        works(&backend).await;
        row(what, "a miss");
    };
    works(&backend).await;
    backend.sweep().await.unwrap(); // so that none is due while the files below are there
    let file = leaf(parent.path()).join(key(7).as_str());
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..100]).unwrap();
    is_missed("lies about exists: half an entry").await;
    fs::write(&file, "garbage").unwrap();
    is_missed("garbage").await;
    fs::File::options().write(true).open(&file).unwrap().set_len(100 << 20).unwrap();
    is_missed("garbage: 100 MB").await;
    backend.set(&key(7), entry(7, 300), Some(Duration::from_millis(1))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(file.exists());
    is_missed("ignores ttl: the file is still there").await;
}

#[test]
fn a_file_system_that_hangs() {
    Mount::Hung.run("misbehaviour::on_a_hung_mount");
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "runs on a mount of another test"]
async fn on_a_hung_mount() {
    let Some(dir) = dir() else { return };
    let limit = Duration::from_secs(1);
    let backend = FileBackend::builder(&dir).timeout(limit).build().unwrap();
    works(&backend).await;
    let hang = dir.clone();
    tokio::task::spawn_blocking(move || ask(&hang, "hang")).await.unwrap();
    let start = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100 {
        let backend = backend.clone();
        calls.spawn(async move {
            match number % 4 {
                0 => kind(backend.get(&key(7)).await),
                1 => kind(backend.set(&key(7), entry(8, 300), None).await),
                2 => kind(backend.delete(&key(7)).await),
                _ => {
                    kind(backend.set_many((0..200).map(|it| (key(it), entry(it, 300), None)).collect()).await)
                }
            }
        });
    }
    // The one thread of the runtime goes on meanwhile.
    let (mut beats, mut kinds) = (0, Vec::new());
    while kinds.len() < 100 {
        tokio::select! {
            kind = in_time(calls.join_next()) => kinds.push(kind.unwrap().unwrap()),
            () = tokio::time::sleep(Duration::from_millis(5)) => beats += 1,
        }
    }
    assert!(beats >= 3, "the runtime's thread hangs, too");
    assert!(kinds.into_iter().all(|kind| kind == Timeout));
    assert!(start.elapsed() < limit * 5, "{:?}", start.elapsed());
    row("hung: 100 calls at once", "Timeout, each at its limit");

    // Its threads are free as soon as the file system answers.
    let resume = dir.clone();
    std::thread::spawn(move || ask(&resume, "resume")).join().unwrap();
    while backend.ping().await.is_err() {}
    // What was under the mount is there again, and no call that timed out has changed it.
    assert_eq!(backend.get(&key(7)).await.unwrap().unwrap(), entry(7, 300).into_bytes());
    works(&backend).await;
}

#[test]
fn a_full_file_system() {
    Mount::Small.run("misbehaviour::on_a_small_mount");
}

#[tokio::test]
#[ignore = "runs on a mount of another test"]
async fn on_a_small_mount() {
    let Some(dir) = dir() else { return };
    let backend = backend(&dir);
    works(&backend).await;
    assert_eq!(kind(backend.set(&key(7), entry(8, 1 << 20), None).await), Rejected);
    assert_eq!(backend.get(&key(7)).await.unwrap(), None, "nothing stale stays");
    let mut stored = Vec::new();
    let refused = loop {
        let number = 100 + stored.len() as u64;
        match backend.set(&key(number), entry(number, 10_000), None).await {
            Ok(()) => stored.push(number),
            Err(err) => break err.kind(),
        }
        assert!(stored.len() < 100, "never full");
    };
    assert_eq!(refused, Rejected);
    assert!(stored.len() > 5);
    let layered = backend.clone().resilient();
    assert_eq!(kind(layered.set(&key(1), entry(1, 200_000), None).await), Rejected);
    let keys: Vec<_> = stored.iter().map(|number| key(*number)).collect();
    for (number, found) in stored.iter().zip(layered.get_many(&keys).await.unwrap()) {
        assert_eq!(found.unwrap(), entry(*number, 10_000).into_bytes(), "what is stored is still read");
    }
    let names = || fs::read_dir(leaf(&dir)).unwrap().map(|it| it.unwrap().file_name());
    assert!(names().all(|it| it.to_str().unwrap().starts_with("b1.")), "no half files are left");
    backend.delete_many(&keys).await.unwrap();
    works(&backend).await;
    row(
        "full: no space left on the device",
        "set: Rejected, and what it was to replace is gone; get: served",
    );
}

#[test]
fn a_limit_on_the_size_of_files() {
    Mount::ShortFiles.run("misbehaviour::with_short_files");
}

#[tokio::test]
#[ignore = "runs with a limit that another test sets"]
async fn with_short_files() {
    let Some(dir) = dir() else { return };
    let backend = backend(&dir.join("entries"));
    works(&backend).await;
    assert_eq!(kind(backend.set(&key(7), entry(8, 100_000), None).await), TooLarge);
    assert_eq!(backend.get(&key(7)).await.unwrap(), None, "nothing stale stays");
    works(&backend).await;
    row("full: a limit on the size of a file", "set: TooLarge, and what it was to replace is gone");
}

#[test]
fn a_read_only_file_system() {
    Mount::ReadOnly.run("misbehaviour::on_a_read_only_mount");
}

#[tokio::test]
#[ignore = "runs on a mount of another test"]
async fn on_a_read_only_mount() {
    let Some(dir) = dir() else { return };
    let backend = backend(&dir);
    works(&backend).await;
    ask(&dir, "lock");
    assert_eq!(kind(backend.set(&key(7), entry(8, 300), None).await), Denied);
    assert_eq!(kind(backend.set(&key(8), entry(8, 300), None).await), Denied);
    assert_eq!(kind(backend.delete(&key(7)).await), Denied);
    assert!(!backend.delete(&key(8)).await.unwrap());
    assert_eq!(backend.get(&key(7)).await.unwrap().unwrap(), entry(7, 300).into_bytes());
    backend.sweep().await.unwrap();
    ask(&dir, "lock");
    works(&backend).await;
    row("read-only", "set and delete: Denied; get: served");
}
