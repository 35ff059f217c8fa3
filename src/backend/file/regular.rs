//! One regular file: found and read within limits, or written and put in its place at once.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::{FileExt, MetadataExt},
};

use bytes::Bytes;
use rustix::{fs::Stat, io::Errno};

use super::{dir::Dir, header::Header};

/// What files are taken to occupy is a multiple of this many bytes: the block of most file systems.
pub(super) const BLOCK: u64 = 4_096;

/// What a file of this size in bytes is taken to occupy.
pub(super) fn cost(size: u64) -> i64 {
    i64::try_from(size.saturating_add(BLOCK - 1) / BLOCK * BLOCK).unwrap_or(i64::MAX)
}

/// The same, of a file that is not opened.
pub(super) fn stat_cost(stat: &Stat) -> i64 {
    u64::try_from(stat.st_size).map_or(0, cost)
}

/// An open regular file.
pub(super) struct Found {
    file: File,
    pub(super) size: u64,
    /// When it was written, in nanoseconds after 1970.
    pub(super) written: i128,
}

impl Found {
    /// `None` for what is not a regular file.
    pub(super) fn new(file: File) -> io::Result<Option<Self>> {
        let it = file.metadata()?;
        let written = nanoseconds(it.mtime(), it.mtime_nsec());
        Ok(it.is_file().then(|| Self { size: it.len(), written, file }))
    }

    /// The header, if the file is whole: one of this version, and as long as it says.
    pub(super) fn header(&self) -> io::Result<Option<Header>> {
        let mut start = [0; Header::SIZE];
        match self.file.read_exact_at(&mut start, 0) {
            Ok(()) => Ok(Header::parse(&start).ok().filter(|header| header.fits(self.size))),
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// The entry behind the header, if it is no longer than `max` bytes and all there.
    pub(super) fn entry(mut self, header: Header, max: usize) -> io::Result<Option<Bytes>> {
        let Some(length) = usize::try_from(header.length).ok().filter(|length| *length <= max) else {
            return Ok(None);
        };
        let mut entry = Vec::new();
        entry.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(Header::SIZE as u64))?;
        self.file.take(header.length).read_to_end(&mut entry)?;
        Ok((entry.len() == length).then(|| entry.into())) // it may have been cut in the meantime
    }
}

/// From the two parts of a file's time.
pub(super) fn nanoseconds(seconds: impl Into<i128>, rest: impl Into<i128>) -> i128 {
    seconds.into() * 1_000_000_000 + rest.into()
}

/// A file that is being written. Removed when dropped, unless it was put in its place.
pub(super) struct Temp<'a> {
    dir: &'a Dir,
    name: Option<String>,
    file: File,
}

impl<'a> Temp<'a> {
    pub(super) fn new(dir: &'a Dir, name: String, file: File) -> Self {
        Self { dir, name: Some(name), file }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn write(&mut self, header: Header, entry: &[u8]) -> io::Result<()> {
        self.file.write_all(&header.write())?;
        self.file.write_all(entry)
    }

    /// In one step in place of what has this name now, be it a symbolic link, which is not followed.
    pub(super) fn put(mut self, name: &str) -> Result<(), Errno> {
        if let Some(temp) = &self.name {
            self.dir.rename(temp, name)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What cannot be removed is swept when it is old.
            let _ = self.dir.remove(name);
        }
    }
}
