//! The settings of a [`FileBackend`].

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    FileBackend, blocking::Blocking, dir::Root, error, header::Header, ledger::Ledger, regular::BLOCK,
    store::Store, sweep::Sweeper,
};
use crate::{clock::Clock, error::BackendError};

/// Longest time limit: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Least cap in bytes.
const LEAST: u64 = 1 << 20;
/// Largest entry in bytes that can be asked for.
const LARGEST: usize = 512 << 20;

/// A [`FileBackend`] with other limits than the default ones.
///
/// ```
/// # fn main() -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::FileBackend;
///
/// let files = FileBackend::builder("/var/cache/app/entries")
///     .max_bytes(10 << 30)
///     .timeout(Duration::from_millis(500))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct FileBuilder {
    dir: PathBuf,
    max_bytes: u64,
    max_entry: usize,
    timeout: Duration,
    sweep_interval: Duration,
    clock: Clock,
}

impl FileBuilder {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            max_bytes: FileBackend::BYTES,
            max_entry: FileBackend::ENTRY,
            timeout: FileBackend::TIMEOUT,
            sweep_interval: FileBackend::SWEEP_INTERVAL,
            clock: Clock::default(),
        }
    }

    /// The cap in bytes on all files together, each counted as a multiple of 4 KiB; at least 1 MiB.
    /// [1 GiB](FileBackend::BYTES) by default.
    ///
    /// Processes that share a directory should have the same: the least one holds.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The largest entry in bytes, at most 512 MiB. [128 MiB](FileBackend::ENTRY) by default, and never more than the
    /// cap on all files allows.
    ///
    /// It bounds what is written and what is read: a larger entry of another process is a miss.
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.max_entry = bytes;
        self
    }

    /// How long a call may take; a batch, each part of it. [2 s](FileBackend::TIMEOUT) by default.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How often all files are looked at, as long as there are writes. [10 minutes](FileBackend::SWEEP_INTERVAL) by
    /// default.
    ///
    /// Until then an expired entry occupies its place on the disk, and what other processes have written is not known.
    pub fn sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// Takes the time from a clock that a test sets.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &crate::testing::Clock) -> Self {
        self.clock = clock.0.clone();
        self
    }

    /// The backend. Nothing is looked at on the disk yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the path is empty, or relative while the current
    /// directory cannot be told, the time limit or the interval is zero, the limit more than an hour, the cap less than
    /// 1 MiB, or the largest entry zero or more than 512 MiB.
    pub fn build(self) -> Result<FileBackend, BackendError> {
        let Self { dir, max_bytes, max_entry, timeout, sweep_interval, clock } = self;
        if timeout.is_zero() || timeout > LONGEST || sweep_interval.is_zero() {
            return Err(error::misconfigured("a time limit of zero or of more than an hour, or no interval"));
        }
        if max_bytes < LEAST || max_entry == 0 || max_entry > LARGEST {
            return Err(error::misconfigured(
                "a cap below 1 MiB, or a largest entry of zero or above 512 MiB",
            ));
        }
        let root = Root::new(&dir).map_err(|_| error::misconfigured("a path that is no directory's"))?;
        let most = usize::try_from(max_bytes / BLOCK * BLOCK).unwrap_or(usize::MAX) - Header::SIZE;
        let store = Store { root, max_entry: max_entry.min(most), ledger: Ledger::new(), clock };
        Ok(FileBackend::with(store, Sweeper::new(max_bytes, sweep_interval), Blocking::new(timeout)))
    }
}
