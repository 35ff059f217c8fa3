//! Several processes on one directory: this program starts itself again.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant, SystemTime},
};

use blindcache::{Backend, BackendErrorKind, FileBackend};

use crate::tools::{Place, builder, child as start, entry, files, key, kind};

/// Names that all processes are about.
const NAMES: u64 = 300;
/// How long they are at it.
const TIME: Duration = Duration::from_secs(3);

/// Entries whose length follows from their number, up to 60 KiB.
fn sized(number: u64) -> blindcache::Sealed {
    entry(number, 116 + (number * 7_919 % 60_000) as usize)
}

/// What a reader finds: nothing, or an entry that some process wrote under this name, whole.
async fn check(backend: &FileBackend, name: u64) {
    if let Some(found) = backend.get(&key(name)).await.unwrap() {
        let number = u64::from_le_bytes(found[4..12].try_into().unwrap());
        assert_eq!(number % NAMES, name);
        assert!(found == sized(number).as_bytes(), "torn or mixed");
    }
}

/// A small generator: which name is next.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Sets, gets, deletes and batches at random; each answer must be right for a store that others change too.
async fn work(backend: &FileBackend, seed: u64, time: Duration) {
    let (mut state, start) = (seed, Instant::now());
    while start.elapsed() < time {
        let (number, name) = (next(&mut state), next(&mut state) % NAMES);
        let number = number / NAMES * NAMES + name;
        let ttl = number.is_multiple_of(3).then(|| Duration::from_millis(1 + number % 50));
        match next(&mut state) % 6 {
            0 | 1 => backend.set(&key(name), sized(number), ttl).await.unwrap(),
            2 => check(backend, name).await,
            3 => drop(backend.delete(&key(name)).await.unwrap()),
            4 => {
                let writes = (0..NAMES / 10).map(|name| (key(name), sized(name), ttl)).collect();
                backend.set_many(writes).await.unwrap();
            }
            _ => drop(backend.delete_many(&(0..10).map(key).collect::<Vec<_>>()).await.unwrap()),
        }
    }
}

/// Not a test by itself: the work of a process that the tests start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the tests start it as another process"]
async fn child() {
    let Ok(role) = env::var("BLINDCACHE_TEST_ROLE") else { return };
    let dir = PathBuf::from(env::var_os("BLINDCACHE_TEST_DIR").unwrap());
    // So small that entries are dropped all the time.
    let backend = builder(&dir).max_bytes(2 << 20).build().unwrap();
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("work", seed) => work(&backend, seed.parse().unwrap(), TIME).await,
        ("sweep", _) => {
            let start = Instant::now();
            while start.elapsed() < TIME {
                backend.sweep().await.unwrap();
            }
        }
        ("write", _) => loop {
            backend.set(&key(1), entry(1, 1 << 20), None).await.unwrap();
        },
        ("umask", umask) => {
            become_a_user(&dir);
            // SAFETY: no pointers.
            unsafe { libc::umask(u32::from_str_radix(umask, 8).unwrap() as libc::mode_t) };
            backend.set(&key(1), entry(1, 200), None).await.unwrap();
            assert!(backend.exists(&key(1)).await.unwrap());
        }
        ("unreadable", _) => {
            let file = |number| files(&dir).into_iter().find(|it| it.ends_with(key(number).as_str()));
            backend.set(&key(0), entry(0, 200), None).await.unwrap();
            backend.set(&key(1), entry(1, 200), Some(Duration::from_millis(1))).await.unwrap();
            fs::set_permissions(file(0).unwrap(), fs::Permissions::from_mode(0o000)).unwrap();
            thread::sleep(Duration::from_millis(5));
            become_a_user(&dir);
            assert_eq!(kind(backend.sweep().await), BackendErrorKind::Denied);
            assert!(file(0).is_some() && file(1).is_none(), "one was in the way of the other");
        }
        other => panic!("no such role: {other:?}"),
    }
}

/// Modes do not apply to root, so as root this process becomes somebody else, to whom all below its directory belongs.
fn become_a_user(dir: &Path) {
    const NOBODY: u32 = 65_534;
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let ours =
        |path: &Path| path.ancestors().take_while(|it| *it != env::temp_dir()).map(Path::to_owned).collect();
    let all: Vec<PathBuf> =
        files(dir).iter().map(PathBuf::as_path).chain([dir]).flat_map::<Vec<_>, _>(ours).collect();
    for path in all.iter().filter(|it| it.exists()) {
        chown(path, Some(NOBODY), None).unwrap();
    }
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
}

#[test]
fn an_entry_that_cannot_be_read_keeps_no_other_from_being_swept() {
    let place = Place::new();
    assert!(start("unreadable", &place.dir()).status().unwrap().success());
}

/// A process that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_write_delete_and_sweep_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let roles = ["work 1", "work 2", "work 3", "sweep"];
    let mut children: Vec<_> =
        roles.iter().map(|role| Killed(start(role, &place.dir()).spawn().unwrap())).collect();
    let backend = place.builder().max_bytes(2 << 20).build().unwrap();
    work(&backend, 4, TIME).await;
    for (child, role) in children.iter_mut().zip(roles) {
        assert!(child.0.wait().unwrap().success(), "{role}");
    }
    for name in 0..NAMES {
        check(&backend, name).await;
    }
    assert!(backend.sweep().await.unwrap().bytes <= 2 << 20);
    let left = files(&place.dir());
    assert!(left.iter().all(|it| is_entry(it)), "{left:?}");
}

fn is_entry(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with("b1.")
}

/// Killed in the middle of a write, a process leaves at most what is swept later, and never half an entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_is_killed_leaves_no_half_entry() {
    let place = Place::new();
    let backend = place.backend();
    let temps = || files(&place.dir()).into_iter().filter(|it| !is_entry(it)).collect::<Vec<_>>();
    let mut kills = 0;
    while temps().is_empty() {
        assert!(kills < 500, "never killed in the middle of a write");
        let child = Killed(start("write", &place.dir()).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while temps().is_empty() && Instant::now() < deadline {
            thread::yield_now();
        }
        drop(child); // by SIGKILL
        kills += 1;
        let found = backend.get(&key(1)).await.unwrap();
        assert!(found.is_none_or(|found| found == entry(1, 1 << 20).as_bytes()), "half an entry");
    }
    let left = temps();
    assert_eq!(backend.sweep().await.unwrap().removed, 0, "the writer may be alive yet");
    for temp in &left {
        let old = SystemTime::now() - Duration::from_secs(3 * 3_600);
        File::options().write(true).open(temp).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(backend.sweep().await.unwrap().removed, left.len() as u64);
    assert_eq!(temps(), Vec::<PathBuf>::new());
    backend.set(&key(1), entry(2, 200), None).await.unwrap();
    assert!(fs::read(place.file(&key(1))).unwrap().ends_with(entry(2, 200).as_bytes()));
}
