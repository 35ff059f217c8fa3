//! The directories: each is opened relative to the one above it, and none through a symbolic link.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat},
    io::Errno,
    process::geteuid,
};

use super::{
    error,
    place::Leaf,
    regular::{Found, Temp},
};
use crate::error::BackendError;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A FIFO or a device in the way must not make the open wait.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
/// What others than the owner must not be allowed.
const FOREIGN_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);

/// The directory of the backend, as an absolute path. Opened anew by each call: it may be removed and made again.
pub(super) struct Root(PathBuf);

/// An open directory.
pub(super) struct Dir(OwnedFd);

impl Root {
    /// A path that stays the same when the process changes its directory, without a slash at the end, which would
    /// follow a symbolic link.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self(std::path::absolute(path)?.components().collect()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory, if it is there: the effective user's own, and nobody else may write to it.
    pub(super) fn open(&self) -> Result<Option<Dir>, BackendError> {
        let dir = match rustix::fs::open(&self.0, DIRECTORY, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => {
                return Err(error::misconfigured("the directory is a symbolic link, or no directory"));
            }
            Err(err) => return Err(error::io(err)),
        };
        let stat = rustix::fs::fstat(&dir).map_err(error::io)?;
        if stat.st_uid != geteuid().as_raw() {
            return Err(error::misconfigured("the directory belongs to another user than this process's"));
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(FOREIGN_WRITE) {
            return Err(error::misconfigured("the directory can be written to by others than its owner"));
        }
        Ok(Some(Dir(dir)))
    }

    /// The same, made where it is missing, with those above it.
    pub(super) fn make(&self) -> Result<Dir, BackendError> {
        if let Some(dir) = self.open()? {
            return Ok(dir);
        }
        let missing: Vec<&Path> = self.0.ancestors().take_while(|above| !above.exists()).collect();
        for dir in missing.into_iter().rev() {
            make_directory(CWD, dir).map_err(error::io)?;
        }
        self.open()?.ok_or_else(|| error::io(Errno::NOENT))
    }

    /// A leaf, if it is there.
    pub(super) fn leaf(&self, leaf: Leaf) -> Result<Option<Dir>, BackendError> {
        let Some(mut dir) = self.open()? else { return Ok(None) };
        for name in leaf.path() {
            dir = match dir.child(name) {
                Ok(child) => child,
                Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => return Ok(None),
                Err(err) => return Err(error::io(err)),
            };
        }
        Ok(Some(dir))
    }

    /// A leaf, made where it is missing.
    pub(super) fn make_leaf(&self, leaf: Leaf) -> Result<Dir, BackendError> {
        let mut dir = self.make()?;
        for name in leaf.path() {
            dir = match dir.child(name) {
                Err(Errno::NOENT) => make_directory(&dir.0, name).and_then(|()| dir.child(name)),
                child => child,
            }
            .map_err(error::io)?;
        }
        Ok(dir)
    }
}

/// Makes a directory of mode 0700, unless another was quicker.
fn make_directory(above: impl std::os::fd::AsFd, name: impl rustix::path::Arg + Copy) -> Result<(), Errno> {
    match rustix::fs::mkdirat(&above, name, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(err) => return Err(err),
    }
    // A umask that takes away the owner's own bits would leave a directory that this process cannot use.
    let stat = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let made =
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == geteuid().as_raw();
    if made && !Mode::from_raw_mode(stat.st_mode).contains(Mode::RWXU) {
        rustix::fs::chmodat(&above, name, Mode::RWXU, AtFlags::empty())?;
    }
    Ok(())
}

impl Dir {
    fn child(&self, name: &str) -> Result<Self, Errno> {
        rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty()).map(Self)
    }

    /// The regular file of this name. What is anything else is not there.
    pub(super) fn find(&self, name: &str) -> Result<Option<Found>, BackendError> {
        match rustix::fs::openat(&self.0, name, READ, Mode::empty()) {
            Ok(file) => Found::new(file.into()).map_err(error::io),
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO | Errno::OPNOTSUPP) => Ok(None),
            Err(err) => Err(error::io(err)),
        }
    }

    /// What is known of a regular file without opening it. What is anything else is not there.
    pub(super) fn stat(&self, name: &str) -> Option<Stat> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat)
    }

    /// Whether there was something to remove.
    pub(super) fn remove(&self, name: &str) -> Result<bool, BackendError> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(err) => Err(error::io(err)),
        }
    }

    /// An empty file of mode 0600 whatever the umask, under a name that no other has.
    pub(super) fn create(&self, name: String) -> Result<Temp<'_>, Errno> {
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.0, name.as_str(), new, mode)?;
        let temp = Temp::new(self, name, file.into());
        rustix::fs::fchmod(temp.file(), mode)?;
        Ok(temp)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        rustix::fs::renameat(&self.0, from, &self.0, to)
    }

    /// The names in it, up to so many.
    pub(super) fn names(&self, most: usize) -> Result<Vec<Box<str>>, BackendError> {
        let entries = rustix::fs::Dir::read_from(&self.0).map_err(error::io)?;
        let mut names = Vec::new();
        for entry in entries.take(most) {
            let entry = entry.map_err(error::io)?;
            names.extend(entry.file_name().to_str().ok().map(Into::into));
        }
        Ok(names)
    }
}
