//! Stores with one planted bug each: a suite that cannot fail proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Failures, all, durable, some};
use crate::store::{
    Batch, CommitError, Committed, Counter, Expect, Key, KeyRange, MemoryStore, Record, Revision,
    Snapshot, Store, StoreError, Value,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    DropsExpectations,
    DropsOneExpectation,
    IgnoresGuards,
    AppliesHalf,
    IgnoresBounds,
    ChecksBothBounds,
    AddsDespiteRefusal,
    TakesInvalidBatches,
    DropsAdds,
    ChecksBeforeItLocks,
    ReadsKeysOneByOne,
    ReadsTheSnapshotLive,
    SnapshotWithoutCounters,
    RangeWithItsEnd,
    IgnoresLimits,
    ReusesRevisions,
    NeverHints,
    CutsLongValues,
}

#[derive(Clone, Debug)]
struct Broken {
    bug: Bug,
    inner: MemoryStore,
    dead: Arc<watch::Sender<u64>>,
    calls: Arc<AtomicU64>,
}

impl Broken {
    fn new(bug: Bug) -> Self {
        Self {
            bug,
            inner: MemoryStore::new(),
            dead: Arc::new(watch::channel(0).0),
            calls: Arc::default(),
        }
    }

    /// The batch with every expectation made to hold.
    async fn waved_through(&self, mut batch: Batch) -> Batch {
        for expect in &mut batch.expect {
            let (Expect::Absent(key) | Expect::At(key, _)) = expect.clone();
            let found = self.inner.get(std::slice::from_ref(&key)).await.unwrap().remove(0);
            *expect = match found {
                Some(record) => Expect::At(key, record.revision),
                None => Expect::Absent(key),
            };
        }
        batch
    }

    async fn break_batch(&self, mut batch: Batch) -> Batch {
        match self.bug {
            Bug::DropsExpectations => return self.waved_through(batch).await,
            Bug::DropsOneExpectation if batch.expect.len() > 1 => {
                batch.expect.pop();
            }
            Bug::IgnoresGuards => {
                let Batch { expect, set, delete, .. } = &mut batch;
                expect.retain(|expect| {
                    let (Expect::Absent(key) | Expect::At(key, _)) = expect;
                    set.iter().any(|(k, _)| k == key) || delete.contains(key)
                });
            }
            Bug::IgnoresBounds => {
                batch.add.iter_mut().for_each(|a| (a.min, a.max) = (i64::MIN, i64::MAX));
            }
            Bug::TakesInvalidBatches if batch.check().is_err() => batch.add.clear(),
            Bug::DropsAdds => batch.add.clear(),
            Bug::CutsLongValues => {
                for (_, value) in &mut batch.set {
                    *value = value.slice(..value.len().min(65_536));
                }
            }
            _ => {}
        }
        batch
    }
}

#[async_trait]
impl Store for Broken {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        if self.bug != Bug::ReadsKeysOneByOne {
            return self.inner.get(keys).await;
        }
        let mut found = Vec::new();
        for key in keys {
            found.extend(self.inner.get(std::slice::from_ref(key)).await?);
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut range = range.clone();
        let mut limit = limit;
        match self.bug {
            Bug::RangeWithItsEnd if !range.is_empty() => {
                range = KeyRange { end: range.clone().after(&range.end).start, start: range.start }
            }
            Bug::IgnoresLimits => limit = u32::MAX,
            _ => {}
        }
        self.inner.scan(&range, limit).await
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        self.inner.counters(of).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let original = batch.clone();
        let batch = self.break_batch(batch).await;
        if self.bug == Bug::ChecksBothBounds {
            for add in &batch.add {
                let now = self.inner.counters(std::slice::from_ref(&add.counter)).await.unwrap()[0];
                if !(add.min..=add.max).contains(&now.saturating_add(add.delta)) {
                    return Err(CommitError::Bound { counter: add.counter.clone(), value: now });
                }
            }
        }
        if self.bug == Bug::ChecksBeforeItLocks {
            let checked = {
                let mut probe = batch.clone();
                probe.set.clear();
                probe.delete.clear();
                probe.add.clear();
                self.inner.commit(probe).await
            };
            checked?;
            tokio::task::yield_now().await;
            let batch = self.waved_through(batch).await;
            return self.inner.commit(batch).await;
        }
        let mut answer = self.inner.commit(batch).await;
        match (&mut answer, self.bug) {
            (Err(CommitError::Conflict { .. } | CommitError::Bound { .. }), Bug::AppliesHalf) => {
                let mut half = Batch::default();
                half.set.extend(original.set.first().cloned());
                self.inner.commit(half).await.unwrap();
            }
            (Err(CommitError::Bound { .. }), Bug::AddsDespiteRefusal) => {
                let mut half = Batch::default();
                let n = self.calls.fetch_add(1, Ordering::Relaxed);
                half.insert(Key::of(crate::store::Table::Meta).number(n), Value::from("x"));
                half.add.extend(original.add.first().cloned());
                let _ = self.inner.commit(half).await;
            }
            (Ok(done), Bug::DropsAdds) => done.counters = vec![0; original.add.len()],
            (Ok(done), Bug::ReusesRevisions) => done.revision = Revision(done.revision.0 % 2),
            _ => {}
        }
        answer
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(BrokenSnapshot { store: self.clone(), cut: self.inner.snapshot().await? }))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        match self.bug {
            Bug::NeverHints => self.dead.subscribe(),
            _ => self.inner.changed(),
        }
    }
}

struct BrokenSnapshot {
    store: Broken,
    cut: Box<dyn Snapshot>,
}

#[async_trait]
impl Snapshot for BrokenSnapshot {
    async fn records(
        &mut self,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Value)>, StoreError> {
        if self.store.bug == Bug::ReadsTheSnapshotLive {
            self.cut = self.store.inner.snapshot().await?;
        }
        self.cut.records(after, limit).await
    }

    async fn counters(&mut self) -> Result<Vec<(Counter, i64)>, StoreError> {
        match self.store.bug {
            Bug::SnapshotWithoutCounters => Ok(Vec::new()),
            Bug::ReadsTheSnapshotLive => self.store.inner.snapshot().await?.counters().await,
            _ => self.cut.counters().await,
        }
    }
}

/// What the check says of a store with this bug.
async fn verdict(bug: Bug, check: &str) -> Result<(), Failures> {
    some(&async || Broken::new(bug), |name| name == check).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_planted_bug_is_caught_by_its_check() {
    for (bug, check) in [
        (Bug::DropsExpectations, "expectations"),
        (Bug::DropsOneExpectation, "atomicity"),
        (Bug::IgnoresGuards, "guards"),
        (Bug::AppliesHalf, "atomicity"),
        (Bug::IgnoresBounds, "bounds"),
        (Bug::ChecksBothBounds, "bounds"),
        (Bug::AddsDespiteRefusal, "refused_adds"),
        (Bug::TakesInvalidBatches, "invalid_batches"),
        (Bug::DropsAdds, "bounds"),
        (Bug::ChecksBeforeItLocks, "no_lost_update"),
        (Bug::ReadsKeysOneByOne, "one_moment"),
        (Bug::ReadsTheSnapshotLive, "snapshot"),
        (Bug::SnapshotWithoutCounters, "snapshot"),
        (Bug::RangeWithItsEnd, "ranges"),
        (Bug::IgnoresLimits, "ranges"),
        (Bug::ReusesRevisions, "revisions"),
        (Bug::NeverHints, "changed_hint"),
        (Bug::CutsLongValues, "values"),
    ] {
        verdict(Bug::None, check).await.unwrap();
        let failures = verdict(bug, check).await.expect_err(&format!("{bug:?} gets past {check}"));
        assert_eq!(failures.0[0].check, check);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_reference_conforms() {
    all(async || MemoryStore::new()).await.unwrap();
    let kept = MemoryStore::new();
    durable(async || kept.clone()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgets_is_not_durable() {
    let failures = durable(async || MemoryStore::new()).await.unwrap_err();
    assert_eq!(failures.0[0].check, "reopen");
    // A store that loses one record at the end, as a lost last group would.
    let (kept, openings) = (MemoryStore::new(), AtomicU64::new(0));
    let forgetful = async || {
        if openings.fetch_add(1, Ordering::Relaxed) == 2 {
            let mut batch = Batch::default();
            batch.delete.push(super::support::numbered(1_119));
            kept.commit(batch).await.unwrap();
        }
        kept.clone()
    };
    let failures = durable(forgetful).await.unwrap_err();
    assert!(failures.0[0].message.contains("first lost"), "{failures}");
}
