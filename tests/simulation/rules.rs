//! What was written, and what may be returned by it.

use std::collections::{BTreeMap, HashMap};

use super::{keys::accepts, wire::Doubts};

/// A tenant's key; the ones of a process are written by it alone, and those of none by all.
pub(crate) type Place = (usize, Option<usize>, u8);

/// How long a value is fresh, and how long it may stand in after that, in milliseconds.
pub(crate) const TTL: u64 = 8_000;
pub(crate) const STALE: u64 = 10_000;

/// One write or delete, whose number is its place in the list.
#[derive(Debug)]
struct Written {
    place: Place,
    by: usize,
    /// The master key that sealed it.
    master: usize,
    tagged: bool,
    /// When the call began, and when it ended if it did, by the order of events.
    begin: u64,
    end: Option<u64>,
    /// By the clock of the process that wrote it.
    stale_at: u64,
    ends_at: u64,
}

/// What was known when a call began, by which what it returns is judged.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) process: usize,
    pub(crate) stage: usize,
    pub(crate) wall: u64,
    /// Whether it may return a value past its ttl.
    pub(crate) stale: bool,
    /// Whether the cache answers, which goes by tags and keeps the order of its own writes.
    pub(crate) cached: bool,
    finished: HashMap<Place, u64>,
    invalid: Option<(usize, usize)>,
}

#[derive(Default)]
pub(crate) struct Model {
    now: u64,
    written: Vec<Written>,
    /// When the last write or delete began of those that have ended well: what had ended before that is over.
    finished: HashMap<Place, u64>,
    /// For a process and tenant: numbers below this, with the tag or all, were invalidated by this process.
    invalid: HashMap<(usize, usize), (usize, usize)>,
    /// The names of places, by which the wire knows them.
    pub(crate) names: HashMap<Place, String>,
    pub(crate) doubts: Doubts,
    /// Whether the store keeps to what it is told, so that order can be judged.
    honest: bool,
    pub(crate) wrong: Option<String>,
    pub(crate) values: u64,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
}

impl Model {
    pub(crate) fn new(honest: bool) -> Self {
        Self { honest, ..Self::default() }
    }

    /// A write that begins now, or a delete.
    pub(crate) fn write(
        &mut self,
        place: Place,
        (by, master): (usize, usize),
        tagged: bool,
        wall: u64,
        stale: u64,
    ) -> usize {
        self.now += 1;
        let (begin, stale_at) = (self.now, wall + TTL);
        let ends_at = stale_at + stale;
        self.written.push(Written { place, by, master, tagged, begin, end: None, stale_at, ends_at });
        self.written.len() - 1
    }

    /// A write has ended that is certain to have replaced what was there.
    pub(crate) fn finish(&mut self, number: usize) {
        self.end(number);
        let Written { place, begin, .. } = self.written[number];
        let last = self.finished.entry(place).or_default();
        *last = begin.max(*last);
    }

    /// A write has ended that may not have been kept, as that of a computed value.
    pub(crate) fn end(&mut self, number: usize) {
        self.now += 1;
        self.written[number].end = Some(self.now);
    }

    /// How many writes there were, at the beginning of an invalidation.
    pub(crate) fn count(&self) -> usize {
        self.written.len()
    }

    /// An invalidation of all, or of the tag, has ended, well or not.
    pub(crate) fn invalidated(&mut self, process: usize, tenant: usize, below: usize, all: bool) {
        let (with_tag, any) = self.invalid.entry((process, tenant)).or_default();
        *with_tag = below.max(*with_tag);
        if all {
            *any = below.max(*any);
        }
    }

    /// A process starts, and knows nothing of what it invalidated before.
    pub(crate) fn started(&mut self, process: usize) {
        self.invalid.retain(|(of, _), _| *of != process);
    }

    pub(crate) fn look(&self, (process, stage): (usize, usize), tenant: usize, wall: u64) -> Look {
        let (finished, invalid) = (self.finished.clone(), self.invalid.get(&(process, tenant)).copied());
        Look { process, stage, wall, stale: false, cached: true, finished, invalid }
    }

    /// What is wrong with this value, if a call that began so returned it for this place.
    pub(crate) fn judge(&mut self, look: &Look, place: Place, number: usize) {
        self.values += 1;
        if let Err(wrong) = self.is_right(look, place, number) {
            self.wrong.get_or_insert(wrong);
        }
    }

    fn is_right(&self, look: &Look, place: Place, number: usize) -> Result<(), String> {
        let Some(written) = self.written.get(number) else {
            return Err(format!("{number} was never written"));
        };
        let wrong = |why: &str| Err(format!("value {number} at {place:?} {why}: {written:?}, {look:?}"));
        if written.place != place {
            return wrong("is of another place");
        }
        if !accepts(look.stage, written.master) {
            return wrong("was sealed by a key that is not accepted");
        }
        if look.wall >= if look.stale { written.ends_at } else { written.stale_at } {
            return wrong("has ended");
        }
        if !look.cached {
            return Ok(());
        }
        if let Some((with_tag, any)) = look.invalid
            && written.by == look.process
            && number < if written.tagged { with_tag } else { any }
        {
            return wrong("was invalidated");
        }
        let finished = look.finished.get(&place).filter(|_| place.1 == Some(look.process));
        let in_doubt = || self.doubts.lock().unwrap().contains(&self.names[&place]);
        let is_older = |last: &u64| written.end.is_some_and(|end| end < *last);
        if self.honest && finished.is_some_and(is_older) && !in_doubt() {
            return wrong("is older than a finished write");
        }
        Ok(())
    }

    pub(crate) fn tally(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }
}
