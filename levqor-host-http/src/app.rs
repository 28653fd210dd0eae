//! [`App`]: every long-lived part of the host, in one place.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use levqor_connectors::registry::Registry;
use levqor_connectors::vault::FileVault;
use levqor_core::engine::Engine;
use levqor_core::ledger::Packs;
use levqor_core::time::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backup::Backups;
use crate::caller::keys::Keys;
use crate::config::Config;
use crate::deliver::outbox::Post;
use crate::desk::Desk;
use crate::flags::{Flag, Flags};
use crate::guard::Guard;
use crate::mail::Mails;
use crate::observe::otlp::Spans;
use crate::observe::{Errors, Metrics};
use crate::ops::Ops;
use crate::people::pace::Links;
use crate::planning::Model;
use crate::watch::Watch;

/// The host's parts; a cheap clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The settings it was started with.
    pub config: Config,
    /// The engine.
    pub engine: Engine,
    /// The plugins.
    pub registry: Registry,
    /// The credentials.
    pub vault: Arc<FileVault>,
    /// The host's own records.
    pub desk: Desk,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where spans go.
    pub(crate) spans: Spans,
    /// Where errors go.
    pub errors: Errors,
    /// What an operator turned off.
    pub flags: Flags,
    /// The store's backups.
    pub backups: Backups,
    /// Whether it is ready, and since when it is up.
    pub ops: Ops,
    /// Webhooks going out.
    pub(crate) post: Arc<Post>,
    /// Credit packs on offer.
    pub packs: Packs,
    /// The model that plans, where one is configured.
    pub(crate) model: Option<Model>,
    /// Whoever follows runs as they go.
    pub(crate) watch: Watch,
    /// Rates and places.
    pub(crate) guard: Guard,
    /// Cancelled when the host begins to stop: what waits on purpose ends then.
    pub stopping: CancellationToken,
    /// The API keys, ready to be compared.
    pub keys: Keys,
    /// Mails going out.
    pub mails: Mails,
    /// How often sign-in links are asked for.
    pub(crate) links: Links,
    /// What goes on beside the requests.
    pub(crate) beside: Beside,
}

/// Work that no request waits for: a mail on its way, a note that is written late. A stopping host
/// waits for it, so that the store is closed by nobody else's hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    all: TaskTracker,
    stop: CancellationToken,
}

impl Beside {
    /// Begins it.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.all.spawn(work));
    }

    /// Completes when the host stops: what waits ends then, what writes writes.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Tells all of it to end, and waits for that.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.all.close();
        self.all.wait().await;
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The present moment, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Whether people may join who were not asked: by the settings, and by the flag.
    pub(crate) fn is_signup_open(&self) -> bool {
        self.config.is_signup_open() && self.flags.is_on(Flag::Signups)
    }

    /// The model that plans, where one is configured and not turned off.
    pub(crate) fn model(&self) -> Option<&Model> {
        self.model.as_ref().filter(|_| self.flags.is_on(Flag::Planner))
    }

    /// Waits this long, or until the host stops.
    pub(crate) async fn rest(&self, ms: u64) {
        let due = self.engine.clock().sleep_until(self.now().plus_ms(ms));
        tokio::select! {
            () = due => {}
            () = self.beside.stopping() => {}
        }
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
