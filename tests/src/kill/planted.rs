//! Bugs planted on purpose: the kill loop must find each.

use std::sync::Arc;

use async_trait::async_trait;
use levqor_core::store::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, SledOptions, SledStore,
    Snapshot, Store, StoreError,
};
use tokio::sync::watch;

use crate::sim::{Mutant, Planted};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KillMutant {
    /// Commits are acknowledged before they are flushed.
    NoSync,
    /// Credits move in a commit of their own.
    SplitCharge,
}

impl KillMutant {
    /// Its name as an argument.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSync => "no-sync",
            Self::SplitCharge => "split-charge",
        }
    }
}

/// Opens the store of a worker.
///
/// # Errors
/// When it cannot be opened.
pub fn open(
    path: &std::path::Path,
    mutant: Option<KillMutant>,
) -> Result<Arc<dyn Store>, StoreError> {
    let mut options = SledOptions::default();
    options.cache_bytes = 16 * 1024 * 1024;
    // A crash may then also meet the map taking in what the log kept.
    options.turn_bytes = Some(32 * 1024);
    options.unflushed = mutant == Some(KillMutant::NoSync);
    let store = SledStore::open_with(path, options)?;
    if mutant == Some(KillMutant::SplitCharge) {
        let seed = u64::from(std::process::id());
        let planted = Planted::new(Mutant::SplitCharge, seed);
        return Ok(Arc::new(PlantedStore { inner: store, planted }));
    }
    Ok(Arc::new(store))
}

/// A store that commits what the planted bug makes of each batch.
#[derive(Debug)]
struct PlantedStore {
    inner: SledStore,
    planted: Planted,
}

#[async_trait]
impl Store for PlantedStore {
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
        let mut first = None;
        for batch in self.planted.rewrite(batch) {
            let committed = self.inner.commit(batch).await?;
            first.get_or_insert(committed);
        }
        first.ok_or(CommitError::Unknown)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.snapshot().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed()
    }
}
