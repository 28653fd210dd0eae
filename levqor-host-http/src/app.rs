//! [`App`]: every long-lived part of the host, in one place.

use std::ops::Deref;
use std::sync::Arc;

use levqor_connectors::registry::Registry;
use levqor_connectors::vault::FileVault;
use levqor_core::engine::Engine;
use levqor_core::time::Timestamp;

use crate::backup::Backups;
use crate::config::Config;
use crate::desk::Desk;
use crate::flags::Flags;
use crate::observe::otlp::Spans;
use crate::observe::{Errors, Metrics};
use crate::ops::Ops;

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
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
