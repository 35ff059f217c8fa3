//! A directory of one test.

use std::{fs, path::Path};

use blindcache::{FileBackend, conformance::Expiry};
use tempfile::TempDir;

use crate::Store;

/// The directory, gone when dropped.
pub struct Files(TempDir);

impl Files {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Store for Files {
    type Backend = FileBackend;

    const NAME: &'static str = "file";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn backend(&self) -> FileBackend {
        FileBackend::builder(self.0.path().join("entries")).timeout(crate::HANG).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        let mut contents = Vec::new();
        read_all(self.0.path(), &mut contents);
        contents
    }
}

fn read_all(dir: &Path, contents: &mut Vec<u8>) {
    for found in fs::read_dir(dir).unwrap() {
        let path = found.unwrap().path();
        contents.extend(path.file_name().unwrap().as_encoded_bytes());
        if path.is_dir() {
            read_all(&path, contents);
        } else {
            contents.extend(fs::read(&path).unwrap());
        }
    }
}
