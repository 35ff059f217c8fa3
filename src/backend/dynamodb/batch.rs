//! Batches: cut to what one request may hold, several requests at a time, and what the service puts off asked again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    bound::Bound,
    call::{expiry, now, send},
    error::Failure,
    item::{self, EXPIRY, KEY, MAX_ITEM, VALUE},
    link::{BATCH, Link},
};
use crate::{
    backend::Write,
    crypto::{Sealed, StoreKey},
};

/// Most names in one `BatchGetItem`.
const READS: usize = 100;
/// Most writes in one `BatchWriteItem`.
const WRITES: usize = 25;
/// The size in bytes from which a `BatchWriteItem` takes no further entry.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most requests of one batch at a time.
const WIDE: usize = 16;
/// The longest first pause before what was put off is asked again, and the longest of any.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

impl Link {
    /// The entries of the names that have one.
    pub(super) async fn get_many(
        self: &Arc<Self>,
        keys: &[StoreKey],
    ) -> Result<HashMap<StoreKey, Bytes>, Failure> {
        let parts: Vec<_> = distinct(keys).chunks(READS).map(<[_]>::to_vec).collect();
        let pauses = Pauses::new(self);
        let reads = parts.into_iter().map(|part| {
            let link = self.clone();
            async move { link.read_part(part, pauses).await }
        });
        Ok(each(reads).await?.into_iter().flatten().collect())
    }

    async fn read_part(
        &self,
        part: Vec<StoreKey>,
        mut pauses: Pauses,
    ) -> Result<Vec<(StoreKey, Bytes)>, Failure> {
        let mut pending: HashMap<String, StoreKey> =
            part.into_iter().map(|key| (key.as_str().to_owned(), key)).collect();
        let mut found = Vec::new();
        while !pending.is_empty() {
            let keys = pending.values().map(item::key).collect();
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .projection_expression([KEY, VALUE, EXPIRY].join(", "))
                .consistent_read(self.limits.consistent)
                .build();
            let wanted = wanted.map_err(|_| Failure::unexpected())?;
            let request = self.client().await.batch_get_item().request_items(&self.table, wanted);
            let answer = send!(request, Bound::entries(pending.len(), self.limits.max_entry))?;
            let put_off = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
            let mut left = HashMap::new();
            for key in put_off.iter().flat_map(|it| &it.keys) {
                let (name, key) = pending.remove_entry(item::name(key)?).ok_or_else(Failure::unexpected)?;
                left.insert(name, key);
            }
            let items = answer.responses.and_then(|mut tables| tables.remove(&self.table));
            for item in items.unwrap_or_default() {
                let key = pending.remove(item::name(&item)?).ok_or_else(Failure::unexpected)?;
                found.extend(item::entry(item, now())?.map(|entry| (key, entry)));
            }
            // What is in neither is not there.
            pending = left;
            pauses.before_asking_again(!pending.is_empty()).await?;
        }
        Ok(found)
    }

    /// Writes of which the last under a name counts. Those that are too large take what was stored before with them.
    pub(super) async fn set_many(self: &Arc<Self>, writes: Vec<Write>) -> Result<(), Failure> {
        let mut all_fit = true;
        let mut last = HashMap::new();
        let mut order = Vec::new();
        for (key, entry, ttl) in writes {
            let expiry = expiry(ttl);
            let fits = self.fits(&key, &entry, expiry);
            all_fit &= fits;
            if last.insert(key.clone(), fits.then_some((entry, expiry))).is_none() {
                order.push(key);
            }
        }
        let changes = order.into_iter().filter_map(|key| {
            let entry = last.remove(&key)?;
            Some(Change { key, entry })
        });
        let pauses = Pauses::new(self);
        let parts = cut(changes.collect()).into_iter().map(|part| {
            let link = self.clone();
            async move { link.write_part(part, pauses).await }
        });
        all_fit &= each(parts).await?.into_iter().all(|fits| fits);
        if all_fit { Ok(()) } else { Err(Failure::too_large()) }
    }

    /// Whether all of it was small enough for what is in front of the table.
    async fn write_part(&self, part: Vec<Change>, mut pauses: Pauses) -> Result<bool, Failure> {
        let mut pending: HashMap<String, Change> =
            part.into_iter().map(|change| (change.key.as_str().to_owned(), change)).collect();
        while !pending.is_empty() {
            let requests: Result<Vec<_>, _> = pending.values().map(Change::request).collect();
            let request = self.client().await.batch_write_item().request_items(&self.table, requests?);
            // What is put off comes back as it was sent.
            let answer = match send!(request, Bound::entries(pending.len(), MAX_ITEM)) {
                Err(failure) if failure.is_too_large() => return self.write_singly(pending).await,
                answer => answer?,
            };
            let put_off = answer.unprocessed_items.and_then(|mut tables| tables.remove(&self.table));
            let mut left = HashMap::new();
            for write in put_off.unwrap_or_default() {
                let (name, change) =
                    pending.remove_entry(name_of(&write)?).ok_or_else(Failure::unexpected)?;
                left.insert(name, change);
            }
            pending = left;
            pauses.before_asking_again(!pending.is_empty()).await?;
        }
        Ok(true)
    }

    /// What together is too large may not be so one by one. Whether none was.
    async fn write_singly(&self, changes: HashMap<String, Change>) -> Result<bool, Failure> {
        let mut all_fit = true;
        for Change { key, entry } in changes.into_values() {
            let result = match entry {
                Some((entry, expiry)) => self.put(&key, &entry, expiry).await,
                None => self.remove(&key).await,
            };
            match result {
                Err(failure) if failure.is_too_large() => all_fit = false,
                result => result?,
            }
        }
        Ok(all_fit)
    }

    /// Whether there was an entry, for each name, in order. A `BatchWriteItem` would not say: each is a request.
    pub(super) async fn delete_many(self: &Arc<Self>, keys: &[StoreKey]) -> Result<Vec<bool>, Failure> {
        let names = distinct(keys);
        let deletes = names.clone().into_iter().map(|key| {
            let link = self.clone();
            async move { link.delete(&key).await }
        });
        let answers = each(deletes).await?;
        // The first of a name has the answer; after it there is nothing left to delete.
        let mut answers: HashMap<_, _> = names.into_iter().zip(answers).collect();
        Ok(keys.iter().map(|key| answers.remove(key).unwrap_or(false)).collect())
    }
}

/// What becomes of a name: its entry, or none where that was too large.
struct Change {
    key: StoreKey,
    entry: Option<(Sealed, Option<u64>)>,
}

impl Change {
    fn len(&self) -> usize {
        self.entry.as_ref().map_or(0, |(entry, _)| entry.len())
    }

    fn request(&self) -> Result<WriteRequest, Failure> {
        let builder = WriteRequest::builder();
        let builder = match &self.entry {
            Some((entry, expiry)) => {
                let item = item::item(&self.key, entry, *expiry);
                let put = PutRequest::builder().set_item(Some(item)).build();
                builder.put_request(put.map_err(|_| Failure::unexpected())?)
            }
            None => {
                let delete = DeleteRequest::builder().set_key(Some(item::key(&self.key))).build();
                builder.delete_request(delete.map_err(|_| Failure::unexpected())?)
            }
        };
        Ok(builder.build())
    }
}

fn name_of(write: &WriteRequest) -> Result<&str, Failure> {
    match (write.put_request(), write.delete_request()) {
        (Some(put), None) => item::name(put.item()),
        (None, Some(delete)) => item::name(delete.key()),
        _ => Err(Failure::unexpected()),
    }
}

/// Each name once, in order.
fn distinct(keys: &[StoreKey]) -> Vec<StoreKey> {
    let mut seen = HashSet::new();
    keys.iter().filter(|key| seen.insert(*key)).cloned().collect()
}

/// Parts of at most so many changes, and of entries up to [`MAX_BYTES`] and the last one.
fn cut(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let mut parts: Vec<Vec<Change>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let size = change.len();
        match parts.last_mut() {
            Some(part) if part.len() < WRITES && bytes < MAX_BYTES => part.push(change),
            _ => {
                bytes = 0;
                parts.push(vec![change]);
            }
        }
        bytes += size;
    }
    parts
}

/// Runs these, at most [`WIDE`] at a time, and gives what they give in order. Ends them all with the first failure, or
/// when it is dropped.
async fn each<T, F>(jobs: impl IntoIterator<Item = F>) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut jobs = jobs.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < WIDE
            && let Some((at, job)) = jobs.next()
        {
            running.spawn(async move { (at, job.await) });
        }
        let Some(ended) = running.join_next().await else { break };
        // Only the end of the runtime ends a job otherwise.
        let (at, answer) = ended.map_err(|_| Failure::no_runtime())?;
        done.push((at, answer?));
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, answer)| answer).collect())
}

/// The pauses before what was put off is asked for again: longer each time, and none that ends after the limit.
#[derive(Debug, Clone, Copy)]
struct Pauses {
    next: Duration,
    deadline: Instant,
}

impl Pauses {
    fn new(link: &Link) -> Self {
        Self { next: FIRST_PAUSE, deadline: Instant::now() + link.limits.timeout.saturating_mul(BATCH) }
    }

    async fn before_asking_again(&mut self, again: bool) -> Result<(), Failure> {
        if !again {
            return Ok(());
        }
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let pause = self.next.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX));
        self.next = LONGEST_PAUSE.min(self.next * 2);
        if Instant::now() + pause + LONGEST_PAUSE / 4 >= self.deadline {
            return Err(Failure::put_off());
        }
        sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(size: usize) -> Change {
        let entry = Sealed::parse([b"\xC1bc\x01".as_slice(), &vec![0; size - 4]].concat()).unwrap();
        Change { key: StoreKey::probe(), entry: Some((entry, None)) }
    }

    fn parts(sizes: Vec<usize>) -> Vec<usize> {
        cut(sizes.into_iter().map(change).collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn writes_are_cut_by_count_and_by_bytes() {
        assert_eq!(parts(vec![116; 51]), [25, 25, 1]);
        assert_eq!(parts(vec![MAX_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(parts(vec![MAX_BYTES, 116]), [1, 1]);
        assert!(parts(vec![]).is_empty());
    }

    #[tokio::test]
    async fn answers_come_in_order_and_the_first_failure_ends_all() {
        let jobs = (0..100u64).map(|at| async move {
            sleep(Duration::from_micros(1_000 - at * 10)).await;
            Ok(at)
        });
        assert_eq!(each(jobs).await.unwrap(), (0..100).collect::<Vec<_>>());
        let jobs =
            (0..100).map(|at| async move { if at == 50 { Err(Failure::unexpected()) } else { Ok(at) } });
        assert!(each(jobs).await.is_err());
    }
}
