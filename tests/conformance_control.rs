//! The control of `conformance`: backends that break the contract, each in one way, are found out by the rule for it.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, error::Error, sync::Mutex, time::Duration};

use blindcache::{
    Backend, BackendError, BackendErrorKind, MemoryBackend, Sealed, StoreKey, Write,
    conformance::{self, Expiry, Subject},
};
use bytes::Bytes;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    PingFails,
    GetFails,
    ExistsIsTrue,
    ExistsIsFalse,
    ExistsDeletes,
    DeleteIsTrue,
    DeleteIsFalse,
    DeleteKeeps,
    Truncates,
    CutsAtEnd,
    IgnoresPrefix,
    IgnoresCase,
    IgnoresOverwrite,
    NeverExpires,
    ExpiresWithoutTtl,
    TakesSecondsForMillis,
    TakesWeeksForADate,
    KeepsTheFirstTtl,
    KeepsTtlOnNone,
    EmptyBatchFails,
    ForgetsRepeated,
    FirstOfRepeatedWins,
    SortsAnswers,
    LeavesOutMissing,
    DropsEndOfBatch,
    DropsEndOfDeletes,
    DeletesOfBatchAreTrue,
    OneTtlForBatch,
    MixesWriters,
    LosesWriters,
}

use Fault::*;

/// Every fault, and the rule that must find it.
const FAULTS: &[(Fault, &str)] = &[
    (PingFails, "ping_answers"),
    (GetFails, "missing_is_none"),
    (ExistsIsTrue, "missing_is_none"),
    (ExistsIsFalse, "exists_tells_what_is_there"),
    (ExistsDeletes, "exists_tells_what_is_there"),
    (DeleteIsTrue, "delete_is_true_then_false"),
    (DeleteIsFalse, "delete_is_true_then_false"),
    (DeleteKeeps, "delete_is_true_then_false"),
    (Truncates, "entries_come_back_whole"),
    (CutsAtEnd, "any_bytes_come_back"),
    (IgnoresPrefix, "any_name_is_its_own"),
    (IgnoresCase, "any_name_is_its_own"),
    (IgnoresOverwrite, "overwrite_replaces"),
    (NeverExpires, "ttl_expires"),
    (ExpiresWithoutTtl, "no_ttl_stays"),
    (TakesSecondsForMillis, "ttl_expires"),
    (TakesWeeksForADate, "ttl_expires"),
    (KeepsTheFirstTtl, "later_set_replaces_the_ttl"),
    (KeepsTtlOnNone, "later_set_replaces_the_ttl"),
    (EmptyBatchFails, "empty_batches_do_nothing"),
    (ForgetsRepeated, "batches_equal_singles"),
    (FirstOfRepeatedWins, "batches_equal_singles"),
    (SortsAnswers, "batches_keep_order"),
    (LeavesOutMissing, "batches_keep_order"),
    (DropsEndOfBatch, "batches_keep_order"),
    (DropsEndOfDeletes, "batches_keep_order"),
    (DeletesOfBatchAreTrue, "batches_equal_singles"),
    (OneTtlForBatch, "batch_ttls_are_each_their_own"),
    (MixesWriters, "concurrent_writers_do_not_mix"),
    (LosesWriters, "concurrent_writers_do_not_mix"),
];

struct Broken {
    inner: MemoryBackend,
    fault: Fault,
    pending: Mutex<Option<Sealed>>,
    ttls: Mutex<Vec<(StoreKey, Option<Duration>)>>,
}

impl Broken {
    fn failed(&self) -> BackendError {
        BackendError::new("broken", BackendErrorKind::Rejected)
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        let text = key.as_str();
        let known = match self.fault {
            IgnoresPrefix => text[text.len() - 55..].to_owned(),
            IgnoresCase => text.to_lowercase(),
            _ => text.to_owned(),
        };
        StoreKey::parse(&known).unwrap()
    }

    fn entry(&self, entry: Sealed) -> Sealed {
        let bytes = entry.into_bytes();
        let end = match self.fault {
            Truncates => bytes.len().min(1 << 19),
            CutsAtEnd => bytes.windows(7).position(|part| part == b"\r\nEND\r\n").unwrap_or(bytes.len()),
            _ => bytes.len(),
        };
        Sealed::parse(bytes.slice(..end.max(116))).unwrap()
    }

    fn ttl(&self, key: &StoreKey, ttl: Option<Duration>) -> Option<Duration> {
        let mut known = self.ttls.lock().unwrap();
        let first = known.iter().find(|(known, _)| known == key).map(|(_, ttl)| *ttl);
        known.push((key.clone(), ttl));
        match self.fault {
            NeverExpires => None,
            ExpiresWithoutTtl => ttl.or(Some(Duration::from_millis(100))),
            TakesSecondsForMillis => ttl.map(|ttl| ttl / 1_000),
            TakesWeeksForADate => {
                ttl.filter(|ttl| ttl.as_secs() > 30 * 86_400).map(|_| Duration::ZERO).or(ttl)
            }
            KeepsTheFirstTtl => first.unwrap_or(ttl),
            KeepsTtlOnNone => ttl.or(first.flatten()),
            _ => ttl,
        }
    }

    fn cut<'a>(&self, keys: &'a [StoreKey]) -> &'a [StoreKey] {
        if self.fault == DropsEndOfDeletes { &keys[..keys.len().min(100)] } else { keys }
    }
}

impl Backend for Broken {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        if self.fault == GetFails {
            return Err(self.failed());
        }
        self.inner.get(&self.key(key)).await
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, ttl: Option<Duration>) -> Result<(), BackendError> {
        let key = self.key(key);
        let mut entry = self.entry(entry);
        let ttl = self.ttl(&key, ttl);
        if self.fault == IgnoresOverwrite && self.inner.exists(&key).await? {
            return Ok(());
        }
        if self.fault == MixesWriters {
            *self.pending.lock().unwrap() = Some(entry);
            tokio::task::yield_now().await;
            entry = self.pending.lock().unwrap().clone().unwrap();
        }
        if self.fault == LosesWriters && self.inner.len() > 80 {
            self.inner.clear();
            tokio::task::yield_now().await;
        }
        self.inner.set(&key, entry, ttl).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        if self.fault == DeleteKeeps {
            return self.inner.exists(&self.key(key)).await;
        }
        let deleted = self.inner.delete(&self.key(key)).await?;
        Ok(match self.fault {
            DeleteIsTrue => true,
            DeleteIsFalse => false,
            _ => deleted,
        })
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        let key = self.key(key);
        match self.fault {
            ExistsIsTrue => Ok(true),
            ExistsIsFalse => Ok(false),
            ExistsDeletes => self.inner.delete(&key).await,
            _ => self.inner.exists(&key).await,
        }
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let mut found = Vec::new();
        let mut asked = keys.to_vec();
        if self.fault == SortsAnswers {
            asked.sort();
        }
        for (at, key) in asked.iter().enumerate() {
            let repeated = self.fault == ForgetsRepeated && asked[..at].contains(key);
            found.push(if repeated { None } else { self.get(key).await? });
        }
        if self.fault == LeavesOutMissing {
            found.retain(Option::is_some);
        }
        Ok(found)
    }

    async fn set_many(&self, mut writes: Vec<Write>) -> Result<(), BackendError> {
        match self.fault {
            EmptyBatchFails if writes.is_empty() => return Err(self.failed()),
            FirstOfRepeatedWins => writes.reverse(),
            DropsEndOfBatch => writes.truncate(50),
            _ => {}
        }
        let first = writes.first().and_then(|(.., ttl)| *ttl);
        for (key, entry, ttl) in writes {
            let ttl = if self.fault == OneTtlForBatch { first } else { ttl };
            self.set(&key, entry, ttl).await?;
        }
        Ok(())
    }

    async fn delete_many(&self, keys: &[StoreKey]) -> Result<Vec<bool>, BackendError> {
        let mut deleted = vec![self.fault == DeletesOfBatchAreTrue; keys.len()];
        for (at, key) in self.cut(keys).iter().enumerate() {
            deleted[at] |= self.delete(key).await?;
        }
        Ok(deleted)
    }

    async fn ping(&self) -> Result<(), BackendError> {
        if self.fault == PingFails { Err(self.failed()) } else { Ok(()) }
    }
}

fn broken(fault: Fault, expiry: Expiry) -> Subject<Broken> {
    Subject::new(expiry, move || async move {
        let inner = MemoryBackend::new();
        Broken { inner, fault, pending: Mutex::default(), ttls: Mutex::default() }
    })
}

/// The name and the outcome of each rule, alone.
macro_rules! outcomes {
    ($subject:expr; $($rule:ident)*) => {
        vec![$((stringify!($rule), conformance::$rule($subject).await)),*]
    };
}

async fn broken_rules(subject: &Subject<Broken>) -> BTreeSet<&'static str> {
    let outcomes = outcomes!(subject;
        ping_answers missing_is_none entries_come_back_whole any_bytes_come_back any_name_is_its_own
        overwrite_replaces delete_is_true_then_false exists_tells_what_is_there no_ttl_stays ttl_expires
        later_set_replaces_the_ttl empty_batches_do_nothing batches_equal_singles batches_keep_order
        batch_ttls_are_each_their_own concurrent_writers_do_not_mix);
    assert_eq!(outcomes.len(), every_rule().len(), "a rule of conformance.rs is not in this list");
    let broken = outcomes.into_iter().filter_map(|(name, outcome)| {
        let failure = outcome.err()?;
        assert_eq!(failure.rule(), name);
        Some(name)
    });
    broken.collect()
}

/// What the source says there is, so that no rule is forgotten here or in `run_all`.
fn every_rule() -> Vec<&'static str> {
    let source = include_str!("../src/conformance.rs");
    let names = source.split("pub async fn ").skip(1).map(|rest| rest.split('<').next().unwrap());
    names.filter(|name| *name != "run_all").collect()
}

#[tokio::test(start_paused = true)]
async fn the_control_without_a_fault_passes() {
    assert!(broken_rules(&broken(Nothing, Expiry::Exact)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_found_by_its_rule() {
    for &(fault, rule) in FAULTS {
        let found = broken_rules(&broken(fault, Expiry::Exact)).await;
        assert!(found.contains(rule), "{fault:?} broke {found:?}, not {rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn run_all_finds_each_fault() {
    for &(fault, _) in FAULTS {
        let outcome = conformance::run_all(&broken(fault, Expiry::Exact)).await;
        assert!(outcome.is_err(), "{fault:?} went unseen");
    }
}

#[test]
fn each_rule_has_a_fault_and_a_place_in_run_all() {
    let source = include_str!("../src/conformance.rs");
    for rule in every_rule() {
        assert!(FAULTS.iter().any(|(_, name)| *name == rule), "no fault for {rule}");
        assert!(source.contains(&format!("    {rule}(subject).await")), "{rule} is not in run_all");
        assert!(source.contains(&format!("trial(\"{rule}\")")), "{rule} is called otherwise in its failures");
    }
}

#[tokio::test(start_paused = true)]
async fn ignored_ttl_passes_where_it_is_stated() {
    assert!(broken_rules(&broken(NeverExpires, Expiry::Ignored)).await.is_empty());
    assert!(broken_rules(&broken(NeverExpires, Expiry::AtLeast(Duration::MAX))).await.is_empty());
    let waited_for = Expiry::AtLeast(Duration::from_secs(1));
    assert!(broken_rules(&broken(NeverExpires, waited_for)).await.contains("ttl_expires"));
}

#[tokio::test(start_paused = true)]
async fn early_expiry_fails_whatever_is_stated() {
    for expiry in [Expiry::Ignored, Expiry::AtLeast(Duration::MAX), Expiry::Exact] {
        assert!(broken_rules(&broken(TakesSecondsForMillis, expiry)).await.contains("ttl_expires"));
    }
}

#[tokio::test(start_paused = true)]
async fn failure_has_the_backends_error_as_its_source() {
    let failure = conformance::missing_is_none(&broken(GetFails, Expiry::Exact)).await.unwrap_err();
    let source = failure.source().and_then(|source| source.downcast_ref::<BackendError>());
    assert_eq!(source.map(BackendError::kind), Some(BackendErrorKind::Rejected));
}
