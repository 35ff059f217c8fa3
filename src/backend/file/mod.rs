//! [`FileBackend`]: a directory, which processes can share.

#[cfg(not(unix))]
compile_error!(
    "the feature `file` needs a Unix system: its promises rest on openat, O_NOFOLLOW and file modes"
);

mod blocking;
mod builder;
mod dir;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod header;
mod ledger;
mod place;
mod regular;
mod store;
mod sweep;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;

use self::{
    blocking::{Blocking, Waits},
    place::Place,
    store::Store,
    sweep::Sweeper,
};
pub use self::{builder::FileBuilder, sweep::Swept};
use super::{Backend, Write};
use crate::{
    crypto::{Sealed, StoreKey},
    error::{BackendError, BackendErrorKind},
    metrics::BreakerState,
};

/// The name in errors and metrics.
const NAME: &str = "file";
/// Names in one part of a batch.
const PART: usize = 64;
/// Bytes of entries in one part of a batch, not counting the last one.
const PART_BYTES: usize = 4 << 20;

/// Entries in files under a directory: persistent, without a server, and shared by any number of processes.
///
/// Only for Unix. Each entry is one file, `a/b/b1.ab…` by its blinded name, of mode 0600 in directories of mode 0700
/// whatever the umask, with 24 bytes before the entry that say when it expires. It is written under another name and
/// renamed, so that a reader finds the old entry or the new one and nothing between. Names have up to 159 lower-case
/// letters, digits and dots, so that no prefix leads out of the directory or depends on the case.
///
/// # The directory
///
/// It is made where it is missing, with those above it. It must belong to the effective user, not be a symbolic link,
/// and not be writable by its group or others: else every call is
/// [`Misconfigured`](crate::BackendErrorKind::Misconfigured). Below it no symbolic link is followed: one in place of an
/// entry is a miss and is replaced by the next `set`; one in place of a directory is a miss, and an error of `set`. So
/// is what is not a regular file. Those who may rename the directories above it are trusted.
///
/// Whoever can read the directory sees what any store sees. Files of other names are left alone, and not counted.
///
/// # What is kept
///
/// All files together stay at [1 GiB](Self::BYTES) or [what is set](FileBuilder::max_bytes), each counted as a multiple
/// of 4 KiB; the directories, some 4 MiB, are not counted. What was written first goes first, expired or not, read since
/// or not. An entry is at most [128 MiB](Self::ENTRY), or what is set; a larger one is
/// [`TooLarge`](crate::BackendErrorKind::TooLarge), and what it was to replace is removed.
///
/// The cap is kept after the fact: when a `set` has answered, a thread removes what is too much, and looks at
/// [64 files](Self::SWEEP_STEP) more when it is time to look at all of them again, which is every
/// [10 minutes](Self::SWEEP_INTERVAL), and when this process has written an eighth of the cap. After the first `set` of
/// a backend it looks at all of them in one go, opening each: a runtime that is shut down meanwhile waits for it, and
/// one that is shut down at once may not begin it. [`sweep`](Self::sweep) looks at all of them at once, too. So the
/// total may be above the cap by what is written meanwhile, and by what other processes wrote since this one last
/// looked: one process knows its own exactly. Without writes nothing is swept.
///
/// An entry that is not there in full is a miss: its length is in the file. Nothing is synced to the disk, so after a
/// crash of the machine the last entries may be gone, or hold bytes that do not open.
///
/// # Several processes
///
/// They write, read, delete and sweep at once, and none fails because another was quicker. Their clocks must agree.
/// A sweep that removes an expired or old entry may remove one that another process stored in its place a moment ago,
/// between its look and the removal: an entry dropped early, as any store may.
///
/// # Time limits
///
/// Calls run on Tokio's threads for blocking calls, 16 at once for a backend and its clones, and answer within
/// [2 s](Self::TIMEOUT) or what is set, batches in parts of up to 64 names or 4 MiB each. On a file system that hangs,
/// a call ends in [`Timeout`](crate::BackendErrorKind::Timeout) while its thread still hangs: 16 of them and one for
/// the sweep, and a runtime that is shut down waits for them. A call whose future is dropped, or that timed out, takes
/// no effect after a later `set` or `delete` of the same backend or a clone on the same name; a `get` or `exists` right
/// after it may still be earlier than its effect. Make one backend for a directory, and clone it.
///
/// Calls need a Tokio runtime with its time driver; without a runtime they answer `Misconfigured`.
///
/// # Errors
///
/// [`Denied`](crate::BackendErrorKind::Denied): no permission, or a read-only file system.
/// [`Rejected`](crate::BackendErrorKind::Rejected): the disk or a quota is full, or something else stands in the
/// way. [`TooLarge`](crate::BackendErrorKind::TooLarge): the file system takes no file of this length.
/// [`Transient`](crate::BackendErrorKind::Transient): the rest, such as too many open files. A `set` that fails in
/// one of these ways removes the entry that it was to replace, if it can.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blindcache::{Backend, FileBackend, Sealed, StoreKey};
///
/// # let parent = tempfile::tempdir()?;
/// # let dir = parent.path().join("cache");
/// let files = FileBackend::new(dir)?; // the first call makes it
/// let key = StoreKey::parse(&format!("b1.{}", "a".repeat(52)))?;
/// let entry = Sealed::parse([b"\xC1bc\x01", &[0; 112][..]].concat())?;
/// files.set(&key, entry, None).await?;
/// assert!(files.exists(&key).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileBackend {
    files: Arc<Files>,
    blocking: Blocking,
}

/// What clones share, and the threads of their calls.
struct Files {
    store: Store,
    sweeper: Sweeper,
}

impl FileBackend {
    /// The cap on all files together, unless another is set: 1 GiB.
    pub const BYTES: u64 = 1 << 30;
    /// The largest entry in bytes, unless another is set: 128 MiB.
    pub const ENTRY: usize = 128 << 20;
    /// How long a call may take, unless it is set.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// How often all files are looked at, unless it is set.
    pub const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
    /// How many files are looked at after a `set`, when it is time to look at them.
    pub const SWEEP_STEP: usize = sweep::STEP;

    /// Entries under this directory, with the default limits. Nothing is looked at on the disk yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the path is empty, or relative while the current
    /// directory cannot be told.
    pub fn new(dir: impl AsRef<Path>) -> Result<Self, BackendError> {
        Self::builder(dir).build()
    }

    /// Entries under this directory, with settings.
    pub fn builder(dir: impl AsRef<Path>) -> FileBuilder {
        FileBuilder::new(dir.as_ref())
    }

    fn with(store: Store, sweeper: Sweeper, blocking: Blocking) -> Self {
        Self { files: Arc::new(Files { store, sweeper }), blocking }
    }

    /// Looks at every file: removes what has expired, what is torn and what crashed processes left two hours ago or
    /// earlier, and the oldest entries while there is too much.
    ///
    /// It goes in steps, each within the time limit of a call. For a timer of yours where there are long times without a
    /// `set`, and for looking how full it is.
    ///
    /// # Errors
    /// Whatever first kept it from looking or removing. The rest is swept all the same, unless it is a
    /// [`Timeout`](crate::BackendErrorKind::Timeout).
    pub async fn sweep(&self) -> Result<Swept, BackendError> {
        let number = self.call(|files, _| Ok(files.sweeper.begin(&files.store))).await?;
        loop {
            let step =
                move |files: &Files, _: &Waits| files.sweeper.advance(&files.store, number, 2 * sweep::STEP);
            if let Some(swept) = self.call(step).await? {
                return Ok(swept);
            }
        }
    }

    async fn call<T, F>(&self, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Files, &Waits) -> Result<T, BackendError> + Send + 'static,
    {
        let files = self.files.clone();
        self.blocking.run(move |waits| job(&files, waits)).await
    }

    /// The call for each of these, in order, up to one that nobody waits for. All are tried; the first error counts.
    async fn each<I, T, F>(&self, items: Vec<I>, job: F) -> Result<Vec<T>, BackendError>
    where
        I: Send + 'static,
        T: Send + 'static,
        F: Fn(&Store, I, &Waits) -> Result<T, BackendError> + Send + 'static,
    {
        self.call(move |files, waits| {
            let wanted = items.into_iter().take_while(|_| waits.still());
            let done: Vec<_> = wanted.map(|item| job(&files.store, item, waits)).collect();
            done.into_iter().collect()
        })
        .await
    }

    /// Sweeps on a thread of its own, if there is something to do and no other sweeps. Nobody waits for it.
    fn tidy(&self) {
        if let Some(claim) = self.files.sweeper.claim_due(&self.files.store) {
            let files = self.files.clone();
            drop(tokio::task::spawn_blocking(move || files.sweeper.tidy(&files.store, claim)));
        }
    }
}

fn places(keys: &[StoreKey]) -> Vec<Place> {
    keys.iter().map(Place::of).collect()
}

/// A batch in parts of up to so many writes and bytes and the last one.
fn parts(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut parts: Vec<Vec<Write>> = Vec::new();
    let mut room = 0;
    for write in writes {
        let length = write.1.len();
        match parts.last_mut().filter(|part| part.len() < PART && room > 0) {
            Some(part) => part.push(write),
            None => {
                parts.push(vec![write]);
                room = PART_BYTES;
            }
        }
        room = room.saturating_sub(length);
    }
    parts
}

#[deny(clippy::missing_trait_methods)]
impl Backend for FileBackend {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        let place = Place::of(key);
        self.call(move |files, _| files.store.get(&place)).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let place = Place::of(key);
        self.call(move |files, waits| files.store.set(&place, &entry, ttl, waits)).await?;
        self.tidy();
        Ok(())
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let place = Place::of(key);
        self.call(move |files, waits| files.store.delete(&place, waits)).await
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let place = Place::of(key);
        self.call(move |files, _| files.store.exists(&place)).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::with_capacity(keys.len());
        for part in keys.chunks(PART) {
            found.extend(self.each(places(part), |store, place, _| store.get(&place)).await?);
        }
        Ok(found)
    }

    async fn set_many(&self, writes: Vec<Write>) -> Result<(), BackendError> {
        let mut done = Ok(());
        for part in parts(writes) {
            let set = |store: &Store, (key, entry, ttl): Write, waits: &Waits| {
                store.set(&Place::of(&key), &entry, ttl, waits)
            };
            let result = self.each(part, set).await;
            self.tidy();
            let hangs = matches!(&result, Err(err) if err.kind() == BackendErrorKind::Timeout);
            done = done.and(result.map(drop));
            if hangs {
                break;
            }
        }
        done
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = Vec::with_capacity(keys.len());
        for part in keys.chunks(PART) {
            deleted.extend(self.each(places(part), |store, place, waits| store.delete(&place, waits)).await?);
        }
        Ok(deleted)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    /// Makes the directory where it is missing, and looks whose it is.
    async fn ping(&self) -> Result<(), BackendError> {
        self.call(|files, _| files.store.root.make().map(drop)).await
    }

    fn breaker_state(&self) -> Option<BreakerState> {
        None
    }
}

impl fmt::Debug for FileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBackend")
            .field("dir", &self.files.store.root.path())
            .field("max_bytes", &self.files.sweeper.max_bytes())
            .field("max_entry", &self.files.store.max_entry)
            .field("timeout", &self.blocking.limit)
            .field("sweep_interval", &self.files.sweeper.interval())
            .finish_non_exhaustive()
    }
}
