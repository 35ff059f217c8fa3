//! What a call does on the file system. All of it blocks.

use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;

use super::{
    blocking::Waits,
    dir::{Dir, Root},
    error,
    header::Header,
    ledger::Ledger,
    place::{Place, temp},
    regular::{Temp, cost, stat_cost},
};
use crate::{
    clock::Clock,
    crypto::Sealed,
    error::{BackendError, BackendErrorKind},
};

/// How often a write is tried whose directory somebody removed meanwhile.
const TRIES: usize = 3;

/// The directory and what this process knows of it.
pub(super) struct Store {
    pub(super) root: Root,
    pub(super) max_entry: usize,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
}

impl Store {
    pub(super) fn get(&self, place: &Place) -> Result<Option<Bytes>, BackendError> {
        let Some(dir) = self.root.leaf(place.leaf)? else { return Ok(None) };
        let Some(found) = dir.find(&place.name)? else { return Ok(None) };
        match found.header().map_err(error::io)?.filter(|header| self.serves(*header)) {
            Some(header) => found.entry(header, self.max_entry).map_err(error::io),
            None => Ok(None),
        }
    }

    pub(super) fn exists(&self, place: &Place) -> Result<bool, BackendError> {
        let Some(dir) = self.root.leaf(place.leaf)? else { return Ok(false) };
        self.is_live(&dir, place)
    }

    fn is_live(&self, dir: &Dir, place: &Place) -> Result<bool, BackendError> {
        let Some(found) = dir.find(&place.name)? else { return Ok(false) };
        Ok(found.header().map_err(error::io)?.is_some_and(|header| self.serves(header)))
    }

    /// Whether a `get` would give the entry.
    fn serves(&self, header: Header) -> bool {
        header.is_live(self.clock.now()) && header.length <= self.max_entry as u64
    }

    /// Stores the entry, or else removes what it was to replace, if that can be.
    pub(super) fn set(
        &self,
        place: &Place,
        entry: &Sealed,
        ttl: Option<Duration>,
        waits: &Waits,
    ) -> Result<(), BackendError> {
        let fits = entry.len() <= self.max_entry;
        let written = if fits { self.write(place, entry, ttl, waits) } else { Err(error::too_large()) };
        match written {
            Err(err) if err.kind() == BackendErrorKind::Timeout => Err(err),
            Err(err) => {
                let removed = self.delete(place, waits);
                Err(if fits { err } else { removed.err().unwrap_or(err) })
            }
            Ok(()) => Ok(()),
        }
    }

    fn write(
        &self,
        place: &Place,
        entry: &Sealed,
        ttl: Option<Duration>,
        waits: &Waits,
    ) -> Result<(), BackendError> {
        for _ in 1..TRIES {
            match self.try_write(place, entry, ttl, waits)? {
                Err(Errno::NOENT) => {}
                result => return result.map_err(error::io),
            }
        }
        self.try_write(place, entry, ttl, waits)?.map_err(error::io)
    }

    /// The inner error is that of the directory, which can be gone by now.
    fn try_write(
        &self,
        place: &Place,
        entry: &Sealed,
        ttl: Option<Duration>,
        waits: &Waits,
    ) -> Result<Result<(), Errno>, BackendError> {
        let dir = self.root.make_leaf(place.leaf)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| error::io(std::io::ErrorKind::Other))?;
        let mut file = match dir.create(temp(random)) {
            Ok(file) => file,
            Err(err) => return Ok(Err(err)),
        };
        let header = Header::new(entry.len(), self.clock.now(), ttl);
        file.write(header, entry.as_bytes()).map_err(error::io)?;
        self.put(&dir, place, file, header.length, waits)
    }

    /// Nothing is put in place for a caller who is gone: a later call on this name may be done, and must stay so.
    fn put(
        &self,
        dir: &Dir,
        place: &Place,
        file: Temp<'_>,
        length: u64,
        waits: &Waits,
    ) -> Result<Result<(), Errno>, BackendError> {
        let mut account = self.ledger.account(place.leaf);
        if !waits.still() {
            return Err(error::timeout());
        }
        let old = dir.stat(&place.name).map_or(0, |stat| stat_cost(&stat));
        let put = file.put(&place.name);
        if put.is_ok() {
            account.replaced(old, cost(length.saturating_add(Header::SIZE as u64)));
        }
        Ok(put)
    }

    /// Whether there was an entry that had not expired. What is no file of ours is left alone.
    pub(super) fn delete(&self, place: &Place, waits: &Waits) -> Result<bool, BackendError> {
        let Some(dir) = self.root.leaf(place.leaf)? else { return Ok(false) };
        let mut account = self.ledger.account(place.leaf);
        if !waits.still() {
            return Err(error::timeout());
        }
        let Some(stat) = dir.stat(&place.name) else { return Ok(false) };
        let live = self.is_live(&dir, place);
        let removed = dir.remove(&place.name)?; // also what cannot be read
        if removed {
            account.removed(stat_cost(&stat));
        }
        Ok(live? && removed)
    }
}
