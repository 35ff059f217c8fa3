//! What calls do that nobody waits for any more.

use std::{
    fs,
    future::Future,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;

use super::{FileBackend, blocking::CALLS, place::Place, sweep::Candidate};
use crate::{
    backend::{Backend, Write},
    crypto::{Locator, Sealed, StoreKey},
    error::BackendErrorKind,
};

/// How often each race is run.
const ROUNDS: usize = 30;

fn key(number: u8) -> StoreKey {
    StoreKey::new("", &Locator([number; 32]))
}

fn entry(fill: u8, size: usize) -> Sealed {
    let mut bytes = b"\xC1bc\x01".to_vec();
    bytes.resize(size, fill);
    Sealed::parse(bytes).unwrap()
}

fn backend() -> (TempDir, FileBackend) {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::builder(dir.path().join("entries")).timeout(Duration::from_secs(30)).build();
    (dir, backend.unwrap())
}

/// All files that are being written.
fn temps(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().map(|it| it.unwrap().path()) {
        if path.is_dir() {
            found.extend(temps(&path));
        } else if path.file_name().unwrap().to_str().unwrap().starts_with("tmp-") {
            found.push(path);
        }
    }
    found
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("waited in vain: {what}");
}

/// Keeps every change of this name waiting, as a file system that hangs would, until the sender is dropped.
fn hang(backend: &FileBackend, key: &StoreKey) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (resume, hung) = mpsc::channel();
    let (say, said) = mpsc::channel();
    let (files, leaf) = (backend.files.clone(), Place::of(key).leaf);
    let thread = thread::spawn(move || {
        let _account = files.store.ledger.account(leaf);
        say.send(()).unwrap();
        let _ = hung.recv();
    });
    said.recv().unwrap();
    (resume, thread)
}

/// A call that hangs in the middle is dropped; then another is made, and both go on at once.
async fn race<A, B>(backend: &FileBackend, early: A, late: B)
where
    A: Future<Output: Send> + Send + 'static,
    B: Future<Output: Send> + Send + 'static,
{
    let (resume, thread) = hang(backend, &key(1));
    let early = tokio::spawn(early);
    let at_work = |count: usize| backend.blocking.places.available_permits() == CALLS - count;
    until("the early call begins", || at_work(1)).await;
    tokio::time::sleep(Duration::from_millis(10)).await; // as far as it comes
    early.abort();
    assert!(early.await.is_err());
    let late = tokio::spawn(late);
    until("the late call begins", || at_work(2)).await;
    drop(resume);
    late.await.unwrap();
    until("both have ended", || at_work(0)).await;
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_set_does_not_undo_a_later_set() {
    let (dir, backend) = backend();
    for _ in 0..ROUNDS {
        let (early, late) = (backend.clone(), backend.clone());
        race(&backend, async move { early.set(&key(1), entry(1, 5_000), None).await }, async move {
            late.set(&key(1), entry(2, 200), None).await.unwrap()
        })
        .await;
        assert_eq!(backend.get(&key(1)).await.unwrap().unwrap(), entry(2, 200).into_bytes());
    }
    assert_eq!(temps(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_batch_does_not_undo_a_later_delete() {
    let (dir, backend) = backend();
    for _ in 0..ROUNDS {
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        let (early, late) = (backend.clone(), backend.clone());
        let writes: Vec<Write> = (1..4).map(|at| (key(at), entry(at, 5_000), None)).collect();
        race(&backend, async move { early.set_many(writes).await }, async move {
            assert!(late.delete(&key(1)).await.unwrap());
        })
        .await;
        assert!(!backend.exists(&key(1)).await.unwrap());
        assert!(!backend.exists(&key(3)).await.unwrap(), "the rest of a dropped batch is not done");
    }
    assert_eq!(temps(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_delete_does_not_undo_a_later_set() {
    let (_dir, backend) = backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    for _ in 0..ROUNDS {
        let (early, late) = (backend.clone(), backend.clone());
        race(&backend, async move { early.delete(&key(1)).await }, async move {
            late.set(&key(1), entry(2, 200), None).await.unwrap()
        })
        .await;
        assert!(backend.exists(&key(1)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timed_out_set_takes_no_effect_later() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::builder(dir.path()).timeout(Duration::from_millis(100)).build().unwrap();
    let (resume, thread) = hang(&backend, &key(1));
    let late = backend.set(&key(1), entry(1, 200), None).await;
    assert_eq!(late.unwrap_err().kind(), BackendErrorKind::Timeout);
    drop(resume);
    thread.join().unwrap();
    until("it has ended", || backend.blocking.places.available_permits() == CALLS).await;
    assert!(!backend.exists(&key(1)).await.unwrap());
    assert_eq!(temps(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_batch_on_what_hangs_ends_at_its_first_part() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::builder(dir.path()).timeout(Duration::from_millis(100)).build().unwrap();
    let (resume, thread) = hang(&backend, &key(1));
    let start = std::time::Instant::now();
    let writes = (0..1_000).map(|_| (key(1), entry(1, 200), None)).collect();
    assert_eq!(backend.set_many(writes).await.unwrap_err().kind(), BackendErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(1), "one limit, not one for each of 16 parts");
    drop(resume);
    thread.join().unwrap();
}

/// What a sweep saw is old news by the time that it removes.
#[tokio::test]
async fn what_was_written_since_the_look_stays() {
    let (_dir, backend) = backend();
    let store = &backend.files.store;
    let age = |number: u8| {
        let dir = store.root.leaf(Place::of(&key(number)).leaf).unwrap().unwrap();
        let found = dir.find(&Place::of(&key(number)).name).unwrap().unwrap();
        found.written
    };
    for number in [1, 2] {
        backend.set(&key(number), entry(1, 200), None).await.unwrap();
    }
    let seen = [1, 2].map(|number| Candidate::new(age(number), Place::of(&key(number))));
    let before = age(1);
    while age(1) == before {
        backend.set(&key(1), entry(2, 200), None).await.unwrap(); // a file's time may be that of a coarse clock
    }
    assert_eq!(seen.map(|it| it.remove(store).unwrap()), [false, true]);
    assert!(backend.exists(&key(1)).await.unwrap());
    assert!(!backend.exists(&key(2)).await.unwrap());
    assert_eq!(store.ledger.total(), 4_096);
}

#[tokio::test]
async fn one_thread_tidies_at_a_time() {
    let (_dir, backend) = backend();
    let (store, sweeper) = (&backend.files.store, &backend.files.sweeper);
    let claim = sweeper.claim_due(store).unwrap(); // the first pass is due, and is not begun yet
    assert!(sweeper.claim_due(store).is_none());
    drop(claim);
    let claim = sweeper.claim_due(store).unwrap();
    sweeper.tidy(store, claim);
    assert!(sweeper.claim_due(store).is_none(), "nothing is due any more");
    backend.sweep().await.unwrap();
    backend.files.sweeper.begin(store);
    assert!(sweeper.claim_due(store).is_some(), "it was given back");
}

/// The thread that tidies after a write goes on with the pass of a sweep that somebody waits for.
#[tokio::test]
async fn a_sweep_that_another_thread_could_not_finish_fails() {
    let (dir, backend) = backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    let root = dir.path().join("entries");
    let sweep = || {
        let (store, sweeper) = (&backend.files.store, &backend.files.sweeper);
        let number = sweeper.begin(store);
        loop {
            if let Some(claim) = sweeper.claim_due(store) {
                sweeper.tidy(store, claim);
            }
            if let Some(swept) = sweeper.advance(store, number, 0).transpose() {
                return swept;
            }
        }
    };
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(sweep().unwrap_err().kind(), BackendErrorKind::Misconfigured);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(sweep().unwrap().entries, 1);
}

#[tokio::test]
async fn the_total_follows_every_change() {
    let (_dir, backend) = backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    backend.sweep().await.unwrap(); // no other is due in this test
    let total = || backend.files.store.ledger.total();
    assert_eq!(total(), 4_096);
    for _ in 0..3 {
        backend.set(&key(1), entry(1, 10_000), None).await.unwrap();
        backend.set(&key(2), entry(1, 200), Some(Duration::from_millis(1))).await.unwrap();
        assert_eq!(total(), 4 * 4_096);
        backend.delete(&key(1)).await.unwrap();
        assert_eq!(total(), 4_096);
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(backend.sweep().await.unwrap().removed, 1);
    assert_eq!(total(), 0);
}

#[test]
fn a_batch_is_cut_by_count_and_by_bytes() {
    let cut = |count: usize, size: usize| {
        let writes = (0..count).map(|_| (key(1), entry(1, size), None)).collect();
        super::parts(writes).iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(cut(130, 116), [64, 64, 2]);
    assert_eq!(cut(5, 3 << 20), [2, 2, 1]);
    assert_eq!(cut(2, 5 << 20), [1, 1]);
    assert_eq!(cut(0, 116), [0; 0]);
}
