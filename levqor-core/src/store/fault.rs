//! [`FaultStore`]: a store that fails as stores do, on a plan that a seed decides.
//!
//! Every operation first returns `Pending` once, and a commit once more between its effect and its
//! answer, so that an executor that polls by hand can interleave there, or drop the future: that is
//! a crash. A dropped commit is not taken back, as with a real store: it may still apply later,
//! until [`FaultStore::drop_unacked`] cuts the power. What was acknowledged always stays.
//!
//! It never invents a conflict: a refusal says what the store holds, and a store that lies about
//! that is broken, not failing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, Snapshot, Store, StoreError,
};

/// How often what goes wrong, each in operations of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Decides everything below.
    pub seed: u64,
    /// Commits that apply and answer [`CommitError::Unknown`].
    pub unknown_applied: u32,
    /// Commits that do not apply and answer [`CommitError::Unknown`].
    pub unknown_lost: u32,
    /// Reads that answer [`StoreError::Unavailable`].
    pub unavailable: u32,
    /// Operations that take up to three more turns, so that others overtake them.
    pub slow: u32,
}

impl FaultPlan {
    /// No faults: only the yields.
    #[must_use]
    pub fn calm(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A bad day: about one operation in ten fails.
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        Self { seed, unknown_applied: 50, unknown_lost: 50, unavailable: 50, slow: 200 }
    }
}

/// What went wrong so far; a test that saw none of it proved nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Commits that applied and did not say so.
    pub unknown_applied: u64,
    /// Commits that did not apply and did not say so.
    pub unknown_lost: u64,
    /// Reads that failed.
    pub unavailable: u64,
    /// Commits whose future was dropped before they applied.
    pub abandoned: u64,
    /// Those of them that applied later.
    pub applied_late: u64,
}

/// A store around another that fails on a plan. Clones share the plan and the store.
#[derive(Clone)]
pub struct FaultStore<S> {
    inner: Arc<S>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    random: u64,
    poisoned: bool,
    /// Batches whose senders are gone, and which may still apply.
    abandoned: Vec<Batch>,
    counts: FaultCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    Applied,
    Lost,
}

impl State {
    /// splitmix64: the same numbers from a seed on every machine.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound.max(1)
    }

    fn turns(&mut self) -> u64 {
        let slow = self.below(1_000) < u64::from(self.plan.slow);
        let more = self.below(3) + 1;
        if slow { 1 + more } else { 1 }
    }

    fn fate(&mut self) -> Fate {
        let drawn = self.below(1_000);
        let applied = u64::from(self.plan.unknown_applied);
        if drawn < applied {
            Fate::Applied
        } else if drawn < applied + u64::from(self.plan.unknown_lost) {
            Fate::Lost
        } else {
            Fate::Fine
        }
    }
}

impl<S: Store> FaultStore<S> {
    /// Puts faults around `inner`.
    #[must_use]
    pub fn new(inner: S, plan: FaultPlan) -> Self {
        let state = State {
            plan,
            random: plan.seed,
            poisoned: false,
            abandoned: Vec::new(),
            counts: FaultCounts::default(),
        };
        Self { inner: Arc::new(inner), state: Arc::new(Mutex::new(state)) }
    }

    /// The store inside, without faults.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Other faults from now on. The seed goes on where it was.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.state.lock().plan = plan;
    }

    /// Refuses all commits until [`FaultStore::heal`], as after a failed write.
    pub fn poison(&self) {
        self.state.lock().poisoned = true;
    }

    /// Takes commits again, as after opening anew.
    pub fn heal(&self) {
        self.state.lock().poisoned = false;
    }

    /// Cuts the power: commits whose futures were dropped and that have not applied never will.
    pub fn drop_unacked(&self) {
        self.state.lock().abandoned.clear();
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.state.lock().counts
    }

    /// Lets time pass before an operation, in which abandoned commits may still arrive.
    async fn begin(&self) {
        let turns = self.state.lock().turns();
        for _ in 0..turns {
            Yield(false).await;
        }
        let late = {
            let mut state = self.state.lock();
            let count = state.abandoned.len() as u64;
            let arrives = count > 0 && state.below(2) == 0;
            let which = state.below(count) as usize;
            arrives.then(|| state.abandoned.swap_remove(which))
        };
        if let Some(batch) = late {
            // Nobody waits for the answer any more.
            if self.inner.commit(batch).await.is_ok() {
                self.state.lock().counts.applied_late += 1;
            }
        }
    }

    async fn begin_read(&self) -> Result<(), StoreError> {
        self.begin().await;
        let mut state = self.state.lock();
        if state.below(1_000) < u64::from(state.plan.unavailable) {
            state.counts.unavailable += 1;
            return Err(StoreError::Unavailable("a planned fault".to_owned()));
        }
        Ok(())
    }
}

/// A commit under way: what it has not applied when dropped may still apply later.
struct Sent<'a> {
    batch: Option<Batch>,
    state: &'a Mutex<State>,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let mut state = self.state.lock();
            state.counts.abandoned += 1;
            state.abandoned.push(batch);
        }
    }
}

#[async_trait]
impl<S: Store> Store for FaultStore<S> {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.begin_read().await?;
        self.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.begin_read().await?;
        self.inner.scan(range, limit).await
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        self.begin_read().await?;
        self.inner.counters(of).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let mut sent = Sent { batch: Some(batch), state: &self.state };
        self.begin().await;
        let batch = sent.batch.take().unwrap_or_default();
        let fate = {
            let mut state = self.state.lock();
            if state.poisoned {
                return Err(CommitError::Poisoned("a planned fault".to_owned()));
            }
            state.fate()
        };
        if fate == Fate::Lost {
            self.state.lock().counts.unknown_lost += 1;
            Yield(false).await;
            return Err(CommitError::Unknown);
        }
        let answer = self.inner.commit(batch).await;
        Yield(false).await;
        if fate == Fate::Applied && answer.is_ok() {
            self.state.lock().counts.unknown_applied += 1;
            return Err(CommitError::Unknown);
        }
        answer
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.begin_read().await?;
        self.inner.snapshot().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("FaultStore")
            .field("inner", &self.inner)
            .field("plan", &state.plan)
            .field("counts", &state.counts)
            .finish_non_exhaustive()
    }
}

/// `Pending` once, and at once ready to go on.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
