//! Whatever stands in the directory that the backend did not put there: an error or a miss, and nothing is written
//! outside.

use std::{
    fs::{self, File},
    os::unix::{fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use blindcache::{
    Backend,
    BackendErrorKind::{Misconfigured, Rejected},
};
use tokio::time::timeout;

use crate::tools::{HEADER, Place, entry, file_of, files, has, key, kind, misses};

/// What takes longer hangs.
const HANG: Duration = Duration::from_secs(20);

/// A directory with the leaf of `key(1)` in it, and the backend that made it.
async fn with_leaf() -> (Place, blindcache::FileBackend, PathBuf) {
    let place = Place::new();
    let backend = place.backend();
    backend.set(&key(1), entry(1, 200), None).await.unwrap();
    backend.sweep().await.unwrap(); // so that none is due while the tests put their files there
    let file = place.file(&key(1));
    fs::remove_file(&file).unwrap();
    (place, backend, file)
}

/// Calls on what is no entry miss, leave it as it is, and the next set puts an entry in its place.
async fn is_no_entry_and_is_replaced(place: &Place, backend: &blindcache::FileBackend) {
    let what = fs::symlink_metadata(place.file(&key(1))).unwrap();
    timeout(HANG, misses(backend, &key(1))).await.expect("a read hangs");
    assert!(!timeout(HANG, backend.delete(&key(1))).await.expect("a delete hangs").unwrap());
    timeout(HANG, backend.sweep()).await.expect("a sweep hangs").unwrap();
    if !what.is_file() {
        assert_eq!(fs::symlink_metadata(place.file(&key(1))).unwrap().file_type(), what.file_type());
    }
    backend.set(&key(1), entry(2, 300), None).await.unwrap();
    assert!(has(backend, &key(1), &entry(2, 300)).await);
    assert!(fs::symlink_metadata(place.file(&key(1))).unwrap().is_file());
}

#[tokio::test]
async fn a_symlink_in_place_of_an_entry_is_not_followed() {
    let (place, backend, file) = with_leaf().await;
    let outside = place.outside("victim");
    fs::write(&outside, file_of(entry(9, 200).as_bytes())).unwrap();
    symlink(&outside, &file).unwrap();
    is_no_entry_and_is_replaced(&place, &backend).await;
    assert_eq!(fs::read(&outside).unwrap(), file_of(entry(9, 200).as_bytes()));

    fs::remove_file(&file).unwrap();
    symlink(place.outside("new"), &file).unwrap();
    is_no_entry_and_is_replaced(&place, &backend).await;
    assert!(!place.outside("new").exists());
}

#[tokio::test]
async fn a_symlink_in_place_of_a_directory_is_not_followed() {
    for level in [1, 2] {
        let (place, backend, file) = with_leaf().await;
        let dir = file.ancestors().nth(level).unwrap();
        let outside = place.outside("victim");
        fs::rename(dir, &outside).unwrap();
        symlink(&outside, dir).unwrap();
        // The entry would be there if the link were followed.
        let inside = outside.join(file.strip_prefix(dir).unwrap());
        fs::write(&inside, file_of(entry(9, 200).as_bytes())).unwrap();
        misses(&backend, &key(1)).await;
        assert!(!backend.delete(&key(1)).await.unwrap());
        assert_eq!(kind(backend.set(&key(1), entry(1, 200), None).await), Rejected);
        assert_eq!(backend.sweep().await.unwrap().entries, 0);
        assert_eq!(files(&outside), std::slice::from_ref(&inside));
        assert_eq!(fs::read(&inside).unwrap(), file_of(entry(9, 200).as_bytes()));
    }
}

#[tokio::test]
async fn a_symlink_in_place_of_the_whole_directory_is_refused() {
    let place = Place::new();
    fs::create_dir(place.outside("victim")).unwrap();
    symlink(place.outside("victim"), place.dir()).unwrap();
    let slash = blindcache::FileBackend::new(format!("{}/", place.dir().display())).unwrap();
    let dot = blindcache::FileBackend::new(place.dir().join(".")).unwrap();
    for backend in [place.backend(), slash, dot] {
        assert_eq!(kind(backend.set(&key(1), entry(1, 200), None).await), Misconfigured);
        assert_eq!(kind(backend.get(&key(1)).await), Misconfigured);
        assert_eq!(kind(backend.ping().await), Misconfigured);
        assert_eq!(kind(backend.sweep().await), Misconfigured);
    }
    assert_eq!(files(&place.outside("victim")), Vec::<PathBuf>::new());
}

/// Somebody exchanges a directory for a link and back all the time, while entries are written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_leaves_the_directory_while_links_come_and_go() {
    let (place, backend, file) = with_leaf().await;
    let (leaf, aside, outside) = (file.parent().unwrap(), place.outside("aside"), place.outside("victim"));
    fs::create_dir(&outside).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let attack = {
        let (leaf, outside, over) = (leaf.to_owned(), outside.clone(), over.clone());
        move || {
            let start = Instant::now();
            while !over.load(SeqCst) && start.elapsed() < 2 * HANG {
                let _ = fs::rename(&leaf, &aside);
                // A write may have made the directory anew in between: put it out of the way.
                if symlink(&outside, &leaf).is_ok() {
                    std::thread::sleep(Duration::from_micros(200));
                    fs::remove_file(&leaf).unwrap();
                }
                let _ = fs::remove_dir_all(&leaf);
                let _ = fs::rename(&aside, &leaf);
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    };
    let attack = tokio::task::spawn_blocking(attack);
    let (mut stored, mut failed) = (0, 0);
    let deadline = Instant::now() + HANG;
    while stored < 50 || failed < 50 {
        assert!(Instant::now() < deadline, "{stored} writes and {failed} failures only");
        match backend.set(&key(1), entry(1, 200), None).await {
            Ok(()) => stored += 1,
            Err(_) => failed += 1,
        }
        let _ = backend.delete(&key(1)).await;
    }
    over.store(true, SeqCst);
    attack.await.unwrap();
    assert_eq!(files(&outside), Vec::<PathBuf>::new());
    backend.set(&key(1), entry(2, 200), None).await.unwrap();
    assert!(has(&backend, &key(1), &entry(2, 200)).await);
}

/// Lets go whoever hangs on a FIFO, so that a test that fails also ends.
struct Release(PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.0).is_ok_and(|it| !it.is_file()) {
            let _ends = File::options().read(true).write(true).open(&self.0);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[tokio::test]
async fn a_fifo_in_place_of_an_entry_does_not_hang() {
    let (place, backend, file) = with_leaf().await;
    let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let _release = Release(file);
    is_no_entry_and_is_replaced(&place, &backend).await;
}

#[tokio::test]
async fn a_socket_in_place_of_an_entry_is_a_miss() {
    // The path of a socket is at most 107 bytes long: bind it elsewhere and move it.
    let (place, backend, file) = with_leaf().await;
    let _listener = UnixListener::bind(place.outside("s")).unwrap();
    fs::rename(place.outside("s"), file).unwrap();
    is_no_entry_and_is_replaced(&place, &backend).await;
}

#[tokio::test]
async fn a_directory_in_place_of_an_entry_is_a_miss_and_cannot_be_replaced() {
    let (_place, backend, file) = with_leaf().await;
    fs::create_dir(&file).unwrap();
    fs::write(file.join("precious"), "x").unwrap();
    misses(&backend, &key(1)).await;
    assert!(!backend.delete(&key(1)).await.unwrap());
    assert_eq!(kind(backend.set(&key(1), entry(1, 200), None).await), Rejected);
    backend.sweep().await.unwrap();
    assert_eq!(files(&file), [file.join("precious")]);
    assert_eq!(files(file.parent().unwrap()), [file.join("precious")], "no file of a failed write is left");
}

#[tokio::test]
async fn a_file_in_place_of_a_directory_is_a_miss_and_an_error_of_set() {
    for level in [1, 2] {
        let (_place, backend, file) = with_leaf().await;
        let dir = file.ancestors().nth(level).unwrap();
        fs::remove_dir_all(dir).unwrap();
        fs::write(dir, "x").unwrap();
        misses(&backend, &key(1)).await;
        assert_eq!(kind(backend.set(&key(1), entry(1, 200), None).await), Rejected);
        assert_eq!(fs::read(dir).unwrap(), b"x");
    }
    let place = Place::new();
    fs::write(place.dir(), "x").unwrap();
    assert_eq!(kind(place.backend().get(&key(1)).await), Misconfigured);
    assert_eq!(kind(place.backend().set(&key(1), entry(1, 200), None).await), Misconfigured);
}

#[tokio::test]
async fn torn_and_foreign_files_are_misses() {
    let (place, backend, file) = with_leaf().await;
    let whole = file_of(entry(1, 200).as_bytes());
    let mut other_version = whole.clone();
    other_version[7] = 2;
    let mut longer = whole.clone();
    longer.push(0);
    let mut endless = whole.clone();
    endless[16..24].fill(0xFF);
    for torn in [
        Vec::new(),
        whole[..HEADER - 1].to_vec(),
        whole[..HEADER].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        vec![0; whole.len()],
        entry(1, 200).as_bytes().to_vec(),
        b"hello".to_vec(),
        other_version,
        longer,
        endless,
    ] {
        fs::write(&file, &torn).unwrap();
        is_no_entry_and_is_replaced(&place, &backend).await;
        fs::remove_file(&file).unwrap();
    }
    fs::write(&file, whole).unwrap();
    assert!(has(&backend, &key(1), &entry(1, 200)).await, "control: the whole one is an entry");
}

#[tokio::test]
async fn a_huge_file_is_not_read() {
    let (place, _, file) = with_leaf().await;
    let backend = place.builder().max_entry(1_000).build().unwrap();
    let length: u64 = 1 << 40; // a hole: it occupies nothing
    fs::write(&file, [b"bcfile\x00\x01", &u64::MAX.to_be_bytes(), &length.to_be_bytes()[..]].concat())
        .unwrap();
    File::options().write(true).open(&file).unwrap().set_len(length + HEADER as u64).unwrap();
    misses(&backend, &key(1)).await;
    backend.set(&key(1), entry(2, 300), None).await.unwrap();
    assert!(has(&backend, &key(1), &entry(2, 300)).await);
}

#[tokio::test]
async fn a_directory_that_others_can_write_to_is_refused() {
    for mode in [0o770, 0o777, 0o702, 0o1777] {
        let place = Place::new();
        fs::create_dir(place.dir()).unwrap();
        fs::set_permissions(place.dir(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(kind(place.backend().set(&key(1), entry(1, 200), None).await), Misconfigured, "{mode:o}");
        assert_eq!(kind(place.backend().get(&key(1)).await), Misconfigured, "{mode:o}");
        fs::set_permissions(place.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        place.backend().set(&key(1), entry(1, 200), None).await.unwrap();
    }
}

/// One that belongs to somebody else: the root directory's owner, or, for root, a user of this test.
#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let place = Place::new();
    fs::create_dir(place.dir()).unwrap();
    // SAFETY: no pointers.
    let foreign = if unsafe { libc::geteuid() } == 0 {
        std::os::unix::fs::chown(place.dir(), Some(65_534), None).unwrap();
        place.dir()
    } else {
        PathBuf::from("/")
    };
    let backend = blindcache::FileBackend::new(foreign).unwrap();
    assert_eq!(kind(backend.set(&key(1), entry(1, 200), None).await), Misconfigured);
    assert_eq!(kind(backend.get(&key(1)).await), Misconfigured);
}

#[tokio::test]
async fn a_directory_that_is_removed_is_made_again() {
    let (place, backend, _) = with_leaf().await;
    for dir in [place.dir(), place.dir().join("b")] {
        fs::remove_dir_all(dir).unwrap();
        misses(&backend, &key(1)).await;
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        assert!(has(&backend, &key(1), &entry(1, 200)).await);
    }
}
