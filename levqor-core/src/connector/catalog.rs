//! [`Catalog`]: the connectors one engine may call, and what documents are validated against.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use super::{ActionManifest, Connector, Idempotency, Manifest, ManifestError, Price};
use crate::limits;

/// The connectors one engine may call. A cheap clone; entries may be swapped while runs go on.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    prices: BTreeMap<String, Price>,
    generation: u64,
}

/// What the engine needs to know of an action when it opens an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionInfo {
    /// Price in force: the operator's, else the manifest's.
    pub price: Price,
    /// Whether an unknown outcome may be repeated.
    pub idempotency: Idempotency,
    /// Time one call may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Why a connector was not taken into the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Its manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Another connector has the name already.
    #[error("a connector named `{0}` is already there")]
    Duplicate(String),
}

impl Catalog {
    /// An empty catalog.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more connector, for building.
    ///
    /// # Errors
    /// When its manifest is wrong or its name is taken.
    pub fn with(self, connector: impl Connector) -> Result<Self, CatalogError> {
        self.add(Arc::new(connector))?;
        Ok(self)
    }

    /// Adds a connector.
    ///
    /// # Errors
    /// When its manifest is wrong or its name is taken.
    pub fn add(&self, connector: Arc<dyn Connector>) -> Result<(), CatalogError> {
        connector.manifest().check()?;
        let name = connector.manifest().name.clone();
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if inner.connectors.contains_key(&name) {
            return Err(CatalogError::Duplicate(name));
        }
        inner.connectors.insert(name, connector);
        inner.generation += 1;
        Ok(())
    }

    /// Adds or replaces a connector; calls under way finish on the old one.
    ///
    /// # Errors
    /// When its manifest is wrong.
    pub fn replace(&self, connector: Arc<dyn Connector>) -> Result<(), CatalogError> {
        connector.manifest().check()?;
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.connectors.insert(connector.manifest().name.clone(), connector);
        inner.generation += 1;
        Ok(())
    }

    /// Takes a connector out; calls under way finish. False when there was none.
    pub fn remove(&self, name: &str) -> bool {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let removed = inner.connectors.remove(name).is_some();
        if removed {
            inner.generation += 1;
        }
        removed
    }

    /// Sets the operator's price for `connector/action`.
    pub fn set_price(&self, uses: &str, price: Price) {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.prices.insert(uses.to_owned(), price);
        inner.generation += 1;
    }

    /// Counts up with every change; compiled pipelines of an older one are compiled again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// The connector of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Connector>> {
        self.read().connectors.get(name).cloned()
    }

    /// Every manifest, by name.
    #[must_use]
    pub fn manifests(&self) -> Vec<Manifest> {
        self.read().connectors.values().map(|c| c.manifest().clone()).collect()
    }

    /// An action's manifest.
    #[must_use]
    pub fn action(&self, connector: &str, action: &str) -> Option<ActionManifest> {
        self.read().connectors.get(connector)?.manifest().actions.get(action).cloned()
    }

    /// Price, idempotency and time of an action, as in force now.
    #[must_use]
    pub fn info(&self, connector: &str, action: &str) -> Option<ActionInfo> {
        let inner = self.read();
        let found = inner.connectors.get(connector)?.manifest().actions.get(action)?;
        let price = inner.prices.get(&format!("{connector}/{action}"));
        Some(ActionInfo {
            price: price.copied().unwrap_or(found.price),
            idempotency: found.idempotency,
            timeout_ms: found.timeout_ms.unwrap_or(limits::CALL_MS_DEFAULT),
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
