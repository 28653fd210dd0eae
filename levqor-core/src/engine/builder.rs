//! [`Builder`]: an engine's store, connectors and settings, and its building.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use super::fair::FairQueue;
use super::hot::Hot;
use super::memo::Memo;
use super::{Engine, Error, Inner, Observer, Options, Outbox};
use crate::connector::Catalog;
use crate::ids::{IdSource, SystemIds};
use crate::quota::Plans;
use crate::retention::RetentionPolicy;
use crate::store::Store;
use crate::time::{Clock, SystemClock};

/// Runs driven at the same time where the builder does not say.
const SLOTS_DEFAULT: usize = 1_024;
/// How long a lease lasts: long enough to survive a pause of the process, short enough that a
/// crashed host's runs move on within half a minute.
const LEASE_MS_DEFAULT: u64 = 30_000;
/// Journal hints a slow watcher may lag behind before it reads the store again.
const FEED_DEPTH: usize = 1_024;

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
            names: Memo::default(),
            organizations: Memo::default(),
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
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds::default()));
        Builder { store, catalog, clock, ids, options, observer: None }
    }
}
