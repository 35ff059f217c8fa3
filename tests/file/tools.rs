//! What these tests share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use blindcache::{Backend, BackendError, BackendErrorKind, FileBackend, FileBuilder, Sealed, StoreKey};
use tempfile::TempDir;

/// The length of a header in bytes.
pub(crate) const HEADER: usize = 24;

/// A directory of one test, with the backend's own in it. Gone when dropped.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Outside the backend's directory.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The backend's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.outside("entries")
    }

    pub(crate) fn builder(&self) -> FileBuilder {
        builder(&self.dir())
    }

    pub(crate) fn backend(&self) -> FileBackend {
        self.builder().build().unwrap()
    }

    /// Where the entry of this name without a prefix lies.
    pub(crate) fn file(&self, key: &StoreKey) -> PathBuf {
        let name = key.as_str();
        self.dir().join(&name[3..4]).join(&name[4..5]).join(name)
    }
}

/// With a limit that a busy machine does not meet.
pub(crate) fn builder(dir: &Path) -> FileBuilder {
    FileBackend::builder(dir).timeout(Duration::from_secs(30))
}

/// A store key of its own for each number. They lie in up to 1,024 leaves.
pub(crate) fn key(number: u64) -> StoreKey {
    let letter =
        |shift: u64| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(number >> shift & 31) as usize]);
    let text: String = "b1.".chars().chain((0..10).map(|at| letter(5 * at))).chain(['a'; 42]).collect();
    StoreKey::parse(&text).unwrap()
}

/// An entry in shape, `size` bytes long, that tells its number.
pub(crate) fn entry(number: u64, size: usize) -> Sealed {
    let mut bytes = b"\xC1bc\x01".to_vec();
    bytes.extend(number.to_le_bytes().into_iter().cycle().take(size - 4));
    Sealed::parse(bytes).unwrap()
}

/// A whole file around these bytes, which never expires.
pub(crate) fn file_of(entry: &[u8]) -> Vec<u8> {
    [b"bcfile\x00\x01", &u64::MAX.to_be_bytes(), &(entry.len() as u64).to_be_bytes(), entry].concat()
}

pub(crate) async fn has(backend: &FileBackend, key: &StoreKey, entry: &Sealed) -> bool {
    backend.get(key).await.unwrap().as_deref() == Some(entry.as_bytes())
}

/// Nothing is under the name, by any call.
pub(crate) async fn misses(backend: &FileBackend, key: &StoreKey) {
    assert_eq!(backend.get(key).await.unwrap(), None);
    assert!(!backend.exists(key).await.unwrap());
    assert_eq!(backend.get_many(std::slice::from_ref(key)).await.unwrap(), [None]);
}

/// The kind of the error of a call.
pub(crate) fn kind<T>(answer: Result<T, BackendError>) -> BackendErrorKind {
    let Err(err) = answer else { panic!("the call was to fail") };
    assert_eq!(err.backend(), "file");
    err.kind()
}

/// Every file below a directory, by name.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().map(|it| it.unwrap().path()) {
        if path.is_dir() && !path.is_symlink() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// This test program again, in one of the roles of [`processes`](crate::processes).
pub(crate) fn child(role: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["processes::child", "--exact", "--ignored", "--nocapture"]);
    command.stdout(Stdio::null()).env("BLINDCACHE_TEST_ROLE", role).env("BLINDCACHE_TEST_DIR", dir);
    command
}
