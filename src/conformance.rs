//! The contract of [`Backend`] as functions, for authors of backends: each rule is one `async fn`, and [`run_all`]
//! is all of them.
//!
//! A rule that does not hold is a [`Failure`], an ordinary error, so a test says `?` or `unwrap`. The rules use fresh
//! random names, so they can run side by side against a server that others use, and they leave a few entries behind.
//! They need a tokio runtime of either kind. Where a rule waits for an entry to expire it asks every 20 ms, for at
//! most 10 s; a backend that keeps tokio's time can be tested under paused time, where waiting costs nothing.
//!
//! # Example
//!
//! ```
//! # use std::{collections::HashMap, sync::Mutex, time::Duration};
//! # use blindcache::{Backend, BackendError, Sealed, StoreKey};
//! # use bytes::Bytes;
//! # #[derive(Default)]
//! # struct Shelf(Mutex<HashMap<StoreKey, Sealed>>);
//! # impl Backend for Shelf {
//! #     async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
//! #         Ok(self.0.lock().unwrap().get(key).map(|entry| entry.clone().into_bytes()))
//! #     }
//! #     async fn set(&self, key: &StoreKey, entry: Sealed, _ttl: Option<Duration>) -> Result<(), BackendError> {
//! #         self.0.lock().unwrap().insert(key.clone(), entry);
//! #         Ok(())
//! #     }
//! #     async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
//! #         Ok(self.0.lock().unwrap().remove(key).is_some())
//! #     }
//! #     async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
//! #         Ok(self.0.lock().unwrap().contains_key(key))
//! #     }
//! # }
//! use blindcache::conformance::{self, Expiry, Failure, Subject};
//!
//! // `Shelf` is the backend of the example at `Backend`: it takes no notice of a ttl.
//! #[tokio::main(flavor = "current_thread")] // in your crate: #[tokio::test]
//! async fn main() -> Result<(), Failure> {
//!     let shelf = Subject::new(Expiry::Ignored, || async { Shelf::default() });
//!     conformance::run_all(&shelf).await
//! }
//! ```

mod subject;

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

pub use self::subject::{Expiry, Failure, Subject};
use self::subject::{Trial, entry_of, names, prefixed, random_entry};
use crate::{
    backend::{Backend, Write},
    crypto::StoreKey,
};

/// A ttl in milliseconds, short enough to wait for.
const SHORT: Duration = Duration::from_millis(100);
/// A ttl that ends after an hour: not while the rules run.
const HOUR: Duration = Duration::from_secs(3_600);
/// More than 30 days, which memcached takes for a date in 1970 unless told otherwise.
const WEEKS: Duration = Duration::from_secs(40 * 24 * 3_600);
/// Length in bytes of the shortest entry there is.
const SMALL: usize = 116;
/// More names than any store takes at once: a batch of these must be split.
const MANY: usize = 130;

/// Every rule of this module, one after the other, up to the first that does not hold.
///
/// # Errors
/// The [`Failure`] of that rule.
pub async fn run_all<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    ping_answers(subject).await?;
    missing_is_none(subject).await?;
    entries_come_back_whole(subject).await?;
    any_bytes_come_back(subject).await?;
    any_name_is_its_own(subject).await?;
    overwrite_replaces(subject).await?;
    delete_is_true_then_false(subject).await?;
    exists_tells_what_is_there(subject).await?;
    no_ttl_stays(subject).await?;
    ttl_expires(subject).await?;
    later_set_replaces_the_ttl(subject).await?;
    empty_batches_do_nothing(subject).await?;
    batches_equal_singles(subject).await?;
    batches_keep_order(subject).await?;
    batch_ttls_are_each_their_own(subject).await?;
    concurrent_writers_do_not_mix(subject).await
}

/// [`Backend::ping`] succeeds on a store that answers.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn ping_answers<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("ping_answers").await;
    trial.call("ping", trial.backend.ping()).await
}

/// Under a name that was never set there is nothing to get, to find or to delete.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn missing_is_none<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("missing_is_none").await;
    let [key] = names();
    trial.is_gone("a name that was never set", &key).await?;
    trial.deletes("a name that was never set", &key, false).await
}

/// Entries of 116 bytes, the least there is, and of 1 MiB, or the [largest](Subject::largest) that the store takes, come
/// back byte for byte.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn entries_come_back_whole<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("entries_come_back_whole").await;
    let [small, large] = names();
    let (few, many) = (random_entry(SMALL), random_entry(trial.largest));
    trial.set(&small, &few, None).await?;
    trial.set(&large, &many, Some(HOUR)).await?;
    trial.holds("an entry of 116 bytes", &small, &few).await?;
    trial.holds("the largest entry", &large, &many).await
}

/// No byte is special: all 256 values, zeros, line ends and the words of text protocols come back as they were.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn any_bytes_come_back<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("any_bytes_come_back").await;
    let all: Vec<u8> = (0..=255).collect();
    let protocol = [b"\r\nEND\r\n$-1\r\n\0\r\n".repeat(8), b" \n".to_vec()].concat();
    for (what, body) in [
        ("all 256 byte values", all.as_slice()),
        ("nothing but zeros", &[0; SMALL]),
        ("nothing but 0xFF", &[0xFF; SMALL]),
        ("line ends and words of protocols", &protocol),
    ] {
        let [key] = names();
        let entry = entry_of(body);
        trial.set(&key, &entry, None).await?;
        trial.holds(what, &key, &entry).await?;
    }
    Ok(())
}

/// A name with a prefix, another one, or none is another name; so are prefixes that differ in case alone.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn any_name_is_its_own<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("any_name_is_its_own").await;
    let [bare] = names();
    let longest = "p".repeat(64);
    let prefixes = ["", "app:", "APP:", "..", ".", "-", "b1.", "a_b-c:D.9:", &longest];
    let mut kept = Vec::new();
    for prefix in prefixes {
        let key = prefixed(prefix, &bare);
        let entry = random_entry(SMALL);
        trial.set(&key, &entry, None).await?;
        kept.push((key, entry));
    }
    for (key, entry) in &kept {
        trial.holds("after setting the same name under other prefixes", key, entry).await?;
    }
    trial.deletes("a name with no prefix", &bare, true).await?;
    for (key, entry) in &kept[1..] {
        trial.holds("after deleting the name that has no prefix", key, entry).await?;
    }
    Ok(())
}

/// A later set under a name replaces the entry, by a longer one and by a shorter one.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn overwrite_replaces<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("overwrite_replaces").await;
    let [key] = names();
    for (what, length) in [("the first", 500), ("a longer one", 5_000), ("a shorter one", SMALL)] {
        let entry = random_entry(length);
        trial.set(&key, &entry, None).await?;
        trial.holds(what, &key, &entry).await?;
    }
    Ok(())
}

/// A delete is true where there was an entry, which is gone then, and false where there was none. The name can be
/// set again, and other names are left alone.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn delete_is_true_then_false<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("delete_is_true_then_false").await;
    let [key, other] = names();
    let entry = random_entry(SMALL);
    trial.set(&key, &entry, None).await?;
    trial.set(&other, &entry, None).await?;
    trial.deletes("an entry", &key, true).await?;
    trial.is_gone("after the delete", &key).await?;
    trial.deletes("a deleted entry", &key, false).await?;
    trial.holds("after the delete of another name", &other, &entry).await?;
    trial.set(&key, &entry, None).await?;
    trial.holds("set again after a delete", &key, &entry).await
}

/// Whether an entry exists is what [`Backend::exists`] says, and asking changes nothing.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn exists_tells_what_is_there<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("exists_tells_what_is_there").await;
    let [key, missing] = names();
    let entry = random_entry(SMALL);
    trial.set(&key, &entry, Some(HOUR)).await?;
    for _ in 0..2 {
        trial.finds("a name that was set", &key, true).await?;
        trial.finds("a name that was never set", &missing, false).await?;
    }
    trial.holds("after asking whether it exists", &key, &entry).await
}

/// An entry without a ttl is there after others have expired.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn no_ttl_stays<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("no_ttl_stays").await;
    let [key] = names();
    let entry = random_entry(SMALL);
    trial.set(&key, &entry, None).await?;
    trial.let_expire(SHORT).await?;
    trial.holds("set without a ttl", &key, &entry).await
}

/// An entry is there before its ttl has passed, be it 100 ms, 2 s, an hour or 40 days, and gone soon after one of
/// 100 ms, as far as its [`Expiry`] says so.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn ttl_expires<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("ttl_expires").await;
    let [short, read, hour, weeks] = names();
    let entry = random_entry(SMALL);
    trial.set(&hour, &entry, Some(HOUR)).await?;
    trial.set(&weeks, &entry, Some(WEEKS)).await?;
    trial.stays_for(SHORT).await?;
    trial.stays_for(Duration::from_secs(2)).await?;
    trial.set(&short, &entry, Some(SHORT)).await?;
    trial.set(&read, &entry, Some(SHORT)).await?;
    trial.expires("with a ttl of 100 ms", &read).await?;
    if trial.least_ttl().is_some() {
        trial.deletes("an expired entry", &short, false).await?;
    }
    trial.holds("with a ttl of an hour", &hour, &entry).await?;
    trial.holds("with a ttl of 40 days", &weeks, &entry).await
}

/// The ttl of the last set is the one that counts: a longer one, none, and a shorter one.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn later_set_replaces_the_ttl<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("later_set_replaces_the_ttl").await;
    let [longer, none, shorter, given] = names();
    let (old, new) = (random_entry(SMALL), random_entry(SMALL));
    for (key, before, after) in [
        (&longer, Some(SHORT), Some(HOUR)),
        (&none, Some(SHORT), None),
        (&shorter, Some(HOUR), Some(SHORT)),
        (&given, None, Some(SHORT)),
    ] {
        trial.set(key, &old, before).await?;
        trial.set(key, &new, after).await?;
    }
    trial.let_expire(SHORT).await?;
    trial.holds("with a longer ttl in place of a short one", &longer, &new).await?;
    trial.holds("with no ttl in place of a short one", &none, &new).await?;
    trial.expires("with a short ttl in place of a longer one", &shorter).await?;
    trial.expires("with a short ttl in place of none", &given).await
}

/// A batch of nothing succeeds, and gives nothing.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn empty_batches_do_nothing<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("empty_batches_do_nothing").await;
    trial.gets_many("no names", &[], &[]).await?;
    trial.set_many(Vec::new()).await?;
    trial.deletes_many("no names", &[], &[]).await
}

/// A batch does what its calls do one after the other: what one sets the others see, and a name may stand in it twice.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn batches_equal_singles<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("batches_equal_singles").await;
    let [single, batch, missing] = names();
    let (first, second, last) = (random_entry(SMALL), random_entry(3_000), random_entry(SMALL));
    trial.set(&single, &first, None).await?;
    let writes = [(&batch, &second), (&single, &second), (&batch, &last)];
    trial.set_many(writes.map(|(key, entry)| (key.clone(), entry.clone(), None)).into()).await?;
    trial.holds("set alone, then in a batch", &single, &second).await?;
    trial.holds("set twice in a batch", &batch, &last).await?;

    let keys = [&batch, &missing, &single, &batch].map(Clone::clone);
    let expected = [Some(&last), None, Some(&second), Some(&last)];
    trial.gets_many("a missing name and one twice", &keys, &expected).await?;
    trial.deletes_many("a missing name and one twice", &keys, &[true, false, true, false]).await?;
    trial.is_gone("deleted in a batch", &single).await?;
    trial.is_gone("deleted twice in a batch", &batch).await
}

/// A batch of 130 answers in the order asked, which is not the order written; missing names keep their place.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn batches_keep_order<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("batches_keep_order").await;
    let keys = names::<MANY>();
    let entries: Vec<_> = keys.iter().map(|_| random_entry(SMALL)).collect();
    let is_set = |at: usize| at % 3 != 1;
    let written = (0..MANY).rev().filter(|&at| is_set(at));
    trial.set_many(written.map(|at| (keys[at].clone(), entries[at].clone(), None)).collect()).await?;

    let expected: Vec<_> =
        entries.iter().enumerate().map(|(at, entry)| is_set(at).then_some(entry)).collect();
    trial.gets_many("130 names, every third missing", &keys, &expected).await?;
    let there: Vec<_> = (0..MANY).map(is_set).collect();
    trial.deletes_many("130 names, every third missing", &keys, &there).await?;
    trial.gets_many("130 deleted names", &keys, &[None; MANY]).await
}

/// In a batch of mixed ttls each entry has its own.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn batch_ttls_are_each_their_own<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("batch_ttls_are_each_their_own").await;
    let [none, short, hour, also_short] = names();
    let entry = random_entry(SMALL);
    let ttls = [(&none, None), (&short, Some(SHORT)), (&hour, Some(HOUR)), (&also_short, Some(SHORT))];
    let writes: Vec<Write> = ttls.map(|(key, ttl)| (key.clone(), entry.clone(), ttl)).into();
    trial.set_many(writes).await?;
    trial.expires("with a ttl of 100 ms in a batch", &short).await?;
    trial.expires("with a ttl of 100 ms at the end of a batch", &also_short).await?;
    trial.holds("without a ttl in a batch", &none, &entry).await?;
    trial.holds("with a ttl of an hour in a batch", &hour, &entry).await?;
    if trial.least_ttl().is_some() {
        trial.gets_many("expired names", &[short, hour], &[None, Some(&entry)]).await?;
    }
    Ok(())
}

/// Of 100 tasks that write at once, each reads back its own entry, and under a name that all of them write there is
/// one of theirs, whole.
///
/// # Errors
/// The [`Failure`] if it does not hold.
pub async fn concurrent_writers_do_not_mix<B: Backend>(subject: &Subject<B>) -> Result<(), Failure> {
    let trial = subject.trial("concurrent_writers_do_not_mix").await;
    let [shared] = names();
    let mut writers = JoinSet::new();
    for length in SMALL..SMALL + 100 {
        writers.spawn(write(trial.clone(), shared.clone(), length));
    }
    let mut written = Vec::new();
    while let Some(writer) = writers.join_next().await {
        written.push(writer.map_err(|panic| trial.failure(panic.to_string()))??);
    }
    match trial.get(&shared).await? {
        Some(found) if written.contains(&found) => Ok(()),
        _ => Err(trial.failure("the name that all write: holds what none of them wrote".into())),
    }
}

/// One of the writers: what it wrote under the shared name.
async fn write<B: Backend>(trial: Trial<B>, shared: StoreKey, length: usize) -> Result<Bytes, Failure> {
    let [own] = names();
    let entry = random_entry(length);
    trial.set(&own, &entry, None).await?;
    trial.set(&shared, &entry, None).await?;
    trial.holds("one writer of 100", &own, &entry).await?;
    Ok(entry.into_bytes())
}
