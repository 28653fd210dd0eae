//! [`MemoryStore`]: the reference of the port, in one mutex.
//!
//! Tests and simulation run on it, and it says what every other backend must do. It shares no code
//! with them, so that a mistake cannot hide in both. It is *not* durable: a commit's `Ok` lasts as
//! long as the process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Batch, CommitError, Committed, Counter, Expect, Key, KeyRange, Record, Revision, Snapshot,
    Store, StoreError, Value,
};

/// A store in memory. Clones share the same data.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Key, Record>,
    counters: HashMap<Counter, i64>,
    revision: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let (changed, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { state: Mutex::default(), changed }) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("MemoryStore")
            .field("records", &state.records.len())
            .field("counters", &state.counters.len())
            .field("revision", &state.revision)
            .finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let state = self.shared.state.lock();
        Ok(keys.iter().map(|key| state.records.get(key).cloned()).collect())
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let end = match range.end.as_bytes() {
            [] => Bound::Unbounded,
            _ => Bound::Excluded(&range.end),
        };
        let state = self.shared.state.lock();
        let found = state.records.range((Bound::Included(&range.start), end));
        Ok(found.take(limit as usize).map(|(k, r)| (k.clone(), r.clone())).collect())
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        let state = self.shared.state.lock();
        Ok(of.iter().map(|counter| state.counter(counter)).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        batch.check()?;
        let committed = {
            let mut state = self.shared.state.lock();
            let after = state.decide(&batch)?;
            state.apply(batch, after)
        };
        if self.shared.changed.receiver_count() > 0 {
            self.shared.changed.send_replace(committed.revision.0);
        }
        Ok(committed)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let state = self.shared.state.lock();
        let records = state.records.iter().map(|(k, r)| (k.clone(), r.value.clone())).collect();
        let mut counters: Vec<_> = state
            .counters
            .iter()
            .filter(|(_, value)| **value != 0)
            .map(|(counter, value)| (counter.clone(), *value))
            .collect();
        drop(state);
        counters.sort_unstable();
        Ok(Box::new(MemorySnapshot { records, counters }))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl State {
    fn counter(&self, counter: &Counter) -> i64 {
        self.counters.get(counter).copied().unwrap_or(0)
    }

    /// Checks everything the batch demands and changes nothing; the counters' values after it.
    fn decide(&self, batch: &Batch) -> Result<Vec<i64>, CommitError> {
        for expect in &batch.expect {
            let (key, holds) = match expect {
                Expect::Absent(key) => (key, !self.records.contains_key(key)),
                Expect::At(key, revision) => {
                    (key, self.records.get(key).is_some_and(|r| r.revision == *revision))
                }
            };
            if !holds {
                return Err(CommitError::Conflict { key: key.clone() });
            }
        }
        let mut after = Vec::with_capacity(batch.add.len());
        for add in &batch.add {
            let value = self.counter(&add.counter);
            let refused = || CommitError::Bound { counter: add.counter.clone(), value };
            let next = value.checked_add(add.delta).ok_or_else(refused)?;
            if (add.delta < 0 && next < add.min) || (add.delta > 0 && next > add.max) {
                return Err(refused());
            }
            after.push(next);
        }
        Ok(after)
    }

    fn apply(&mut self, batch: Batch, after: Vec<i64>) -> Committed {
        self.revision += 1;
        let revision = Revision(self.revision);
        for key in &batch.delete {
            self.records.remove(key);
        }
        for (key, value) in batch.set {
            self.records.insert(key, Record { value, revision });
        }
        for (add, value) in batch.add.into_iter().zip(&after) {
            self.counters.insert(add.counter, *value);
        }
        Committed { revision, counters: after }
    }
}

/// A copy of everything, taken under the lock; values are shared, not copied.
struct MemorySnapshot {
    records: Vec<(Key, Value)>,
    counters: Vec<(Counter, i64)>,
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    async fn records(
        &mut self,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Value)>, StoreError> {
        let from = after.map_or(0, |after| self.records.partition_point(|(key, _)| key <= after));
        Ok(self.records.iter().skip(from).take(limit as usize).cloned().collect())
    }

    async fn counters(&mut self) -> Result<Vec<(Counter, i64)>, StoreError> {
        Ok(self.counters.clone())
    }
}
