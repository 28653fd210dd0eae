//! The engine: accepts runs, drives them durably, and remembers nothing it could not read back.
//!
//! [`Engine`] is a cheap clone. It needs a tokio runtime for [`Engine::serve`] and never makes one;
//! it installs nothing global. [`Engine::tick`] does one bounded unit of work for tests and for
//! callers that want to drive it themselves.

mod audit;
mod builder;
mod cell;
mod checks;
mod codec;
mod control;
mod drive;
mod error;
mod fair;
mod grants;
mod hot;
mod idempotency;
mod lists;
mod memo;
mod observe;
mod open;
mod outbox;
mod past;
mod pipelines;
mod plans;
mod query;
mod retention;
mod schedules;
mod serve;
mod start;
mod trigger;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

pub use builder::Builder;
pub use codec::DeadLetter;
pub use control::{Decision, Replay};
pub use error::Error;
pub use idempotency::KeyedRequest;
pub use lists::RunFilter;
pub use observe::{Called, FoundLetter, Load, Observed, Observer, RunEnded};
pub use outbox::{Outbox, StatusChange};
pub use pipelines::{Pushed, StoredPipeline, VersionExpected};
pub use query::{JournalPage, Page};
pub use serve::{Served, Tick};
pub use start::{RunHandle, Start};
pub use view::{RunDetail, RunResult, RunSummary};

use crate::connector::Catalog;
use crate::ids::{IdSource, Organization, RunId};
use crate::quota::{OrganizationRecord, Plans};
use crate::retention::RetentionPolicy;
use crate::run::{Header, RunStatus};
use crate::store::{Batch, Store};
use crate::time::Clock;
use cell::{Cell, Live};
use hot::Hot;
use memo::Memo;

/// Where a run's own priority is not at hand.
pub(crate) const DEFAULT_PRIORITY: u8 = 3;
/// Compiled pipelines kept.
const PIPELINES_KEPT: usize = 1_024;

/// Runs `future` in the background, as `tokio::spawn` does.
pub type Spawner = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
    /// What the next change commits besides its own.
    pub(crate) along: Option<Arc<Batch>>,
}

/// Settings of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) slots: usize,
    pub(crate) lease_ms: u64,
    pub(crate) shared: bool,
    pub(crate) queue_depth: u32,
    pub(crate) retention: RetentionPolicy,
    pub(crate) plans: Plans,
    /// No plan limits anything: starts need not look.
    pub(crate) plans_unlimited: bool,
    /// What ids of organizations begin with whose runs are the embedder's own.
    pub(crate) own: Option<Arc<str>>,
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
}

impl Options {
    /// Whether the organization is the embedder's own: no plan limits it, and the outbox is not
    /// asked about it.
    pub(crate) fn is_own(&self, organization: &Organization) -> bool {
        self.own.as_deref().is_some_and(|prefix| organization.as_str().starts_with(prefix))
    }
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) options: Options,
    /// This engine instance, in leases.
    pub(crate) holder: Arc<str>,
    pub(crate) hot: Mutex<Hot>,
    /// Something became ready, or a timer moved forward.
    pub(crate) wake: Notify,
    pub(crate) pipelines: Mutex<HashMap<pipelines::Version, pipelines::Kept>>,
    pub(crate) spawner: Mutex<Option<Spawner>>,
    pub(crate) feed: broadcast::Sender<(RunId, u64)>,
    /// Names of pipelines and organizations' plans, decoded.
    pub(crate) names: Memo<pipelines::StoredPipeline>,
    pub(crate) organizations: Memo<OrganizationRecord>,
    /// The last monthly grant that each organization is known to have, by its reference.
    pub(crate) granted: Mutex<HashMap<Organization, String>>,
    pub(crate) failed: AtomicBool,
    pub(crate) failure: Mutex<Option<Error>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner, along: None }
    }

    /// This engine for one change that commits `batch` too, all or nothing: a host's audit row, the
    /// mark that a delivery was seen. For starts, cancel, pause, decisions, resume, replay, discard,
    /// pushes, removals and schedules; reading ignores it, and so does [`Engine::publish`], which
    /// is many commits.
    #[must_use]
    pub fn along(&self, batch: Batch) -> Self {
        Self { inner: self.inner.clone(), along: Some(Arc::new(batch)) }
    }

    /// A batch of this organization with what goes along.
    pub(crate) fn batch(&self, organization: &Organization) -> Batch {
        let mut batch = Batch::new(organization.as_str());
        if let Some(more) = &self.along {
            batch.along((**more).clone());
        }
        batch
    }

    /// The connectors it may call.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The billing plans in force.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.inner.options.plans
    }

    /// Runs of an organization that this engine drives at this moment.
    #[must_use]
    pub fn driven(&self, organization: &Organization) -> u32 {
        self.inner.hot.lock().active_by.get(organization).copied().unwrap_or(0)
    }

    /// The clock it reads.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }
}

impl Inner {
    /// Whether somebody else may be driving the run now. On a store of our own nobody can.
    pub(crate) fn leased_by_other(&self, header: &Header) -> bool {
        self.options.shared
            && header
                .lease
                .as_ref()
                .is_some_and(|l| l.holder != self.holder && l.until > self.clock.now())
    }

    pub(crate) fn stopping(&self) -> bool {
        self.hot.lock().stopping || self.failed.load(Ordering::Relaxed)
    }

    /// Tells watchers that a run's journal has records up to `seq`.
    pub(crate) fn committed(&self, run: RunId, seq: u64) {
        if self.feed.receiver_count() > 0 {
            let _ = self.feed.send((run, seq));
        }
    }

    /// A run ended: whoever waits is told, whoever stood behind it moves up.
    pub(crate) fn run_ended(&self, cell: &Cell, live: &Live) {
        let mut hot = self.hot.lock();
        if let Some((key, _)) = &live.header.concurrency {
            hot.leave_key(cell.run, key);
        }
        let watchers = hot.watchers.remove(&cell.run).unwrap_or_default();
        drop(hot);
        for watcher in watchers {
            let _ = watcher.send(RunResult {
                id: cell.run,
                status: live.state.status(),
                output: live.state.output.clone(),
                error: live.state.error.clone(),
            });
        }
    }

    /// A driver found nothing to do until time passes or somebody acts.
    pub(crate) fn park(&self, cell: &Cell, live: &Live) {
        let mut hot = self.hot.lock();
        hot.forget_watchers(cell.run);
        hot.unpark(&cell.organization, cell.run, &live.header.events);
        if live.header.status == RunStatus::Running || live.header.status == RunStatus::Queued {
            // Between attempts, or cut short by a shutdown: the timer brings it back.
            let due = live.header.due.unwrap_or_else(|| self.clock.now());
            hot.timers.insert((due, hot::TimerKey::Run(cell.run, cell.organization.clone())));
            hot.parked.insert(cell.run, (Some(due), live.header.priority));
        } else {
            hot.park(&cell.organization, cell.run, &live.header);
        }
        drop(hot);
        self.wake.notify_one();
    }

    pub(crate) fn driver_over(&self, cell: &Arc<Cell>) {
        let mut hot = self.hot.lock();
        hot.clear_active(cell);
        if cell.again.swap(false, Ordering::Relaxed) {
            hot.unpark(&cell.organization, cell.run, &[]);
            hot.ready.push(&cell.organization, cell.run, DEFAULT_PRIORITY);
        }
        let wakes = hot.ready.len() > 0 || hot.stopping;
        drop(hot);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// A driver met an error that is not its run's: the store, or a damaged record.
    pub(crate) fn driver_failed(&self, cell: &Cell, error: Error) {
        tracing::error!(run = %cell.run, code = error.code(), %error, "a run cannot be driven");
        if let Error::Commit(crate::store::CommitError::Poisoned(_)) | Error::Store(_) = &error {
            let mut failure = self.failure.lock();
            failure.get_or_insert(error);
            self.failed.store(true, Ordering::Relaxed);
            drop(failure);
            // Whoever waits must not wait for ever.
            self.hot.lock().watchers.clear();
            self.wake.notify_one();
        } else {
            self.hot.lock().watchers.remove(&cell.run);
        }
    }
}

/// Lets other futures of the same thread go first, once.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
