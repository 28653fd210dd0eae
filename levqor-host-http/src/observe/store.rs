//! [`Watched`]: a store whose commits are timed, and whose ledger entries are counted.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use levqor_core::ledger::{Account, Posting};
use levqor_core::store::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, Snapshot, Store, StoreError,
    Table, Value,
};
use tokio::sync::watch;

use super::Metrics;

/// Another store, watched.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    fn posted(&self, value: &Value) {
        match Posting::from_value(value) {
            Ok(Posting::Entry(entry)) => {
                self.metrics.credits_moved(entry.from, entry.credits);
                self.metrics.credits_moved(entry.to, entry.credits);
            }
            Ok(Posting::Settlement(settlement)) => {
                self.metrics.credits_moved(Account::Consumed, settlement.tally.captured);
            }
            // A mark of an entry that was posted, which is a time.
            _ => {}
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.inner.scan(range, limit).await
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        self.inner.counters(of).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let operations = batch.set.len() + batch.delete.len() + batch.add.len();
        let is_ledger = |key: &Key| key.as_bytes().first() == Some(&(Table::Ledger as u8));
        let set = batch.set.iter().filter(|(key, _)| is_ledger(key));
        let postings: Vec<Value> = set.map(|(_, value)| value.clone()).collect();
        let begun = Instant::now();
        let done = self.inner.commit(batch).await;
        self.metrics.committed(operations, begun.elapsed());
        if done.is_ok() {
            postings.iter().for_each(|value| self.posted(value));
        }
        done
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.snapshot().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
}
