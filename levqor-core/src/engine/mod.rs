//! The engine: accepts runs, drives them durably, and remembers nothing it could not read back.
//!
//! [`Engine`] is a cheap clone. It needs a tokio runtime for [`Engine::serve`] and never makes one;
//! it installs nothing global. [`Engine::tick`] does one bounded unit of work for tests and for
//! callers that want to drive it themselves.

mod audit;
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
mod observe;
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
use crate::ids::{IdSource, Organization, RunId, SystemIds};
use crate::quota::Plans;
use crate::retention::RetentionPolicy;
use crate::run::{Header, RunStatus};
use crate::store::{Batch, Store, Table};
use crate::time::{Clock, SystemClock};
use cell::{Cell, Live};
use fair::FairQueue;
use hot::Hot;

/// Runs driven at the same time where the builder does not say.
const SLOTS_DEFAULT: usize = 1_024;
/// How long a lease lasts: long enough to survive a pause of the process, short enough that a
/// crashed host's runs move on within half a minute.
const LEASE_MS_DEFAULT: u64 = 30_000;
/// Where a run's own priority is not at hand.
pub(crate) const DEFAULT_PRIORITY: u8 = 3;
/// Headers read at once while opening.
const OPEN_PAGE: u32 = 1_000;
/// Compiled pipelines kept.
const PIPELINES_KEPT: usize = 1_024;
/// Journal hints a slow watcher may lag behind before it reads the store again.
const FEED_DEPTH: usize = 1_024;

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

/// Builds an [`Engine`].
#[derive(Debug)]
pub struct Builder {
    store: Arc<dyn Store>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    options: Options,
    observer: Option<Arc<dyn Observer>>,
}

impl Builder {
    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another source of ids and jitter than the operating system's.
    #[must_use]
    pub fn ids(mut self, ids: impl IdSource) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Runs driven at the same time; the others wait in the fair queue. 1,024 where not said.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.options.slots = slots.max(1);
        self
    }

    /// How long a lease lasts, in milliseconds. 30 s where not said. Matters on shared stores.
    #[must_use]
    pub fn lease_ms(mut self, lease_ms: u64) -> Self {
        self.options.lease_ms = lease_ms.max(100);
        self
    }

    /// Says that other engines work on the same store at the same time, whatever the store says.
    #[must_use]
    pub fn shared(mut self, shared: bool) -> Self {
        self.options.shared = shared;
        self
    }

    /// Runs one engine may have waiting in the queue before `start` refuses more.
    #[must_use]
    pub fn queue_depth(mut self, queue_depth: u32) -> Self {
        self.options.queue_depth = queue_depth;
        self
    }

    /// Billing plans that limit what organizations may start; none where not said.
    #[must_use]
    pub fn plans(mut self, plans: Plans) -> Self {
        self.options.plans = plans;
        self.options.plans_unlimited = false;
        self
    }

    /// Organizations whose ids begin so are the embedder's own: their runs are limited by no plan and
    /// counted for none, and the outbox is not asked about them. Nobody else may get such an id.
    #[must_use]
    pub fn own_organizations(mut self, prefix: &str) -> Self {
        self.options.own = Some(prefix.into()).filter(|_| !prefix.is_empty());
        self
    }

    /// What is written along with a run's change of status.
    #[must_use]
    pub fn outbox(mut self, outbox: Arc<dyn Outbox>) -> Self {
        self.options.outbox = Some(outbox);
        self
    }

    /// How long ended runs are kept while the engine serves; 30 to 180 days where not said.
    #[must_use]
    pub fn retention(mut self, policy: RetentionPolicy) -> Self {
        self.options.retention = policy;
        self
    }

    /// Somebody who hears what happens: metrics, traces. Nobody where not said.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Reads what is unfinished from the store and builds the engine. Runs that a process left
    /// behind continue with the next [`Engine::serve`] or [`Engine::tick`].
    ///
    /// # Errors
    /// When the store cannot be read, or holds a record that does not fit.
    pub async fn build(self) -> Result<Engine, Error> {
        let holder = format!("{:016x}", self.ids.random()).into();
        let hot = Hot { ready: FairQueue::by(self.clock.clone()), ..Hot::default() };
        let inner = Arc::new(Inner {
            store: self.store,
            catalog: self.catalog,
            clock: self.clock,
            ids: self.ids,
            options: self.options,
            holder,
            hot: Mutex::new(hot),
            wake: Notify::new(),
            pipelines: Mutex::default(),
            spawner: Mutex::default(),
            feed: broadcast::channel(FEED_DEPTH).0,
            granted: Mutex::default(),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            observer: self.observer,
        });
        inner.open().await?;
        inner.open_schedules().await?;
        Ok(Engine::of(inner))
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

    /// Starts building an engine on a store, with the connectors it may call.
    #[must_use]
    pub fn builder(store: impl Store, catalog: Catalog) -> Builder {
        Self::builder_on(Arc::new(store), catalog)
    }

    /// The same on a store that is shared already.
    #[must_use]
    pub fn builder_on(store: Arc<dyn Store>, catalog: Catalog) -> Builder {
        let options = Options {
            slots: SLOTS_DEFAULT,
            lease_ms: LEASE_MS_DEFAULT,
            shared: store.is_shared(),
            queue_depth: crate::limits::QUEUE_DEPTH_DEFAULT,
            retention: RetentionPolicy::default(),
            plans: Plans::unlimited(),
            plans_unlimited: true,
            own: None,
            outbox: None,
        };
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        Builder { store, catalog, clock, ids, options, observer: None }
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
    /// Puts every unfinished run where its header says it belongs.
    async fn open(&self) -> Result<(), Error> {
        if crate::store::backup::is_partial(&*self.store).await? {
            return Err(Error::Store(crate::store::StoreError::Format(
                "an import into it was not finished; import again into an empty store".to_owned(),
            )));
        }
        let mut range = crate::store::Key::of(Table::Live).prefix();
        let mut queued = Vec::new();
        loop {
            let page = self.store.scan(&range, OPEN_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(&last.clone());
            let mut hot = self.hot.lock();
            for (key, record) in &page {
                let (organization, run) = codec::read_run_key(key)?;
                let header = codec::read_header(&record.value)?;
                if let Some((key, limit)) = &header.concurrency {
                    if header.status == RunStatus::Queued {
                        queued.push((run, organization, header.priority, key.clone(), *limit));
                        continue;
                    }
                    hot.keys.entry(key.clone()).or_default().inside.insert(run);
                }
                self.recover(&mut hot, &organization, run, &header);
            }
        }
        // Oldest first, so that a line keeps its order.
        queued.sort_by_key(|(run, ..)| *run);
        let mut hot = self.hot.lock();
        for (run, organization, priority, key, limit) in queued {
            if hot.enter_key(run, &key, limit) {
                hot.ready.push(&organization, run, priority);
            } else {
                hot.keys.entry(key).or_default().line.push_back((organization, run, priority));
            }
        }
        Ok(())
    }

    fn recover(&self, hot: &mut Hot, organization: &Organization, run: RunId, header: &Header) {
        match &header.lease {
            // Another host drives it: look again when its lease is over.
            Some(lease) if self.leased_by_other(header) => {
                let key = hot::TimerKey::Run(run, organization.clone());
                hot.timers.insert((lease.until, key));
                hot.parked.insert(run, (Some(lease.until), header.priority));
            }
            _ => hot.shelve(organization, run, header),
        }
    }

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
