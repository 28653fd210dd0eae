//! [`SimStore`]: a memory store seen through a bad network, with a record of every commit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::FutureExt;
use levqor_core::store::{
    Batch, CommitError, Committed, Counter, Expect, Key, KeyRange, MemoryStore, Record, Snapshot,
    Store, StoreError,
};
use levqor_core::testing::{ManualClock, Rng};
use levqor_core::time::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::mutant::{Mutant, Planted};

/// How bad the network is, in percent of operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// An operation lets others go first, a few times.
    pub yields: u64,
    /// An operation takes up to 50 ms.
    pub slow: u64,
    /// A commit's answer is lost; half of these were applied.
    pub unknown: u64,
    /// A read fails, in tenths of a percent. The engine stops on these.
    pub unavailable_tenths: u64,
}

/// A commit that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Which engine's handle made it.
    pub by: u32,
    /// The batch as it was applied.
    pub batch: Batch,
}

/// What all handles share.
#[derive(Debug)]
pub struct Shared {
    /// The data.
    pub inner: MemoryStore,
    /// Present faults.
    pub faults: Mutex<Faults>,
    /// Commits since the last check.
    pub log: Mutex<Vec<Applied>>,
    /// The bug planted on purpose, where one is.
    pub planted: Option<Planted>,
    rng: Mutex<Rng>,
    clock: ManualClock,
}

/// One engine's handle.
#[derive(Clone, Debug)]
pub struct SimStore {
    /// What all handles share.
    pub shared: Arc<Shared>,
    by: u32,
    is_shared: bool,
}

impl SimStore {
    /// A store without data.
    #[must_use]
    pub fn new(seed: u64, clock: ManualClock, mutant: Option<Mutant>) -> Self {
        let shared = Shared {
            inner: MemoryStore::new(),
            faults: Mutex::default(),
            log: Mutex::default(),
            planted: mutant.map(|mutant| Planted::new(mutant, seed)),
            rng: Mutex::new(Rng::new(seed)),
            clock,
        };
        Self { shared: Arc::new(shared), by: u32::MAX, is_shared: false }
    }

    /// The handle of engine `by`.
    #[must_use]
    pub fn handle(&self, by: u32, is_shared: bool) -> Self {
        Self { shared: self.shared.clone(), by, is_shared }
    }

    async fn delay(&self) {
        let (yields, slow) = {
            let faults = *self.shared.faults.lock();
            let mut rng = self.shared.rng.lock();
            let yields = if rng.chance(faults.yields) { 1 + rng.below(3) } else { 0 };
            (yields, if rng.chance(faults.slow) { 1 + rng.below(50) } else { 0 })
        };
        for _ in 0..yields {
            Yield(false).await;
        }
        if slow > 0 {
            let clock = &self.shared.clock;
            clock.sleep_until(clock.now().plus_ms(slow)).await;
        }
    }

    fn rolls(&self, percent: impl Fn(&Faults) -> u64, of: u64) -> bool {
        let percent = percent(&self.shared.faults.lock());
        self.shared.rng.lock().below(of) < percent
    }

    fn reads(&self) -> Result<(), StoreError> {
        if self.rolls(|f| f.unavailable_tenths, 1_000) {
            return Err(StoreError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }

    async fn apply(&self, batch: Batch) -> Result<Committed, CommitError> {
        let batches = match &self.shared.planted {
            Some(planted) => planted.rewrite(batch),
            None => vec![batch],
        };
        let mut first = None;
        for (n, batch) in batches.into_iter().enumerate() {
            if n > 0 {
                self.delay().await;
            }
            let batch = self.unfenced(batch).await;
            let logged = batch.clone();
            let committed = self.shared.inner.commit(batch).await?;
            self.shared.log.lock().push(Applied { by: self.by, batch: logged });
            first.get_or_insert(committed);
        }
        first.ok_or(CommitError::Unknown)
    }

    /// The batch as it is; with [`Mutant::NoFence`] it expects whatever stands there now.
    async fn unfenced(&self, mut batch: Batch) -> Batch {
        if self.shared.planted.as_ref().is_some_and(|p| p.is(Mutant::NoFence)) {
            for expect in &mut batch.expect {
                if let Expect::At(key, revision) = expect
                    && let Ok(found) = self.shared.inner.get(std::slice::from_ref(key)).await
                    && let Some(Some(record)) = found.first()
                {
                    *revision = record.revision;
                }
            }
        }
        batch
    }
}

impl Shared {
    /// Commits at once and without faults, for the simulation's own use.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn inner_commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let logged = batch.clone();
        let done = self.inner.commit(batch).now_or_never().unwrap_or(Err(CommitError::Unknown))?;
        self.log.lock().push(Applied { by: u32::MAX, batch: logged });
        Ok(done)
    }
}

#[async_trait]
impl Store for SimStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.delay().await;
        self.reads()?;
        self.shared.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.delay().await;
        self.reads()?;
        self.shared.inner.scan(range, limit).await
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        self.shared.inner.counters(of).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.delay().await;
        let unknown = self.rolls(|f| f.unknown, 100);
        if unknown && self.shared.rng.lock().chance(50) {
            return Err(CommitError::Unknown);
        }
        let committed = self.apply(batch).await;
        self.delay().await;
        if unknown && committed.is_ok() { Err(CommitError::Unknown) } else { committed }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.shared.inner.snapshot().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.inner.changed()
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }
}

/// Lets others go first, once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
