//! [`HostError`]: what keeps a host from serving, or ends it.
//!
//! What is refused to one request is a [`Problem`] and not here.

use levqor_connectors::registry::RegistryError;
use levqor_core::engine::Error as EngineError;
use levqor_core::store::StoreError;

use crate::config::ConfigError;
use crate::http::Problem;

/// Why the host does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault cannot be opened.
    #[error(transparent)]
    Vault(#[from] levqor_connectors::credential::VaultError),
    /// The plugins cannot be read.
    #[error(transparent)]
    Plugins(#[from] RegistryError),
    /// The planner cannot go into the catalog.
    #[error(transparent)]
    Catalog(#[from] levqor_core::connector::CatalogError),
    /// The engine cannot be built, or stopped by itself.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A folder or the listening socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A record of the host's own cannot be read or written.
    #[error("{}", .0.detail())]
    Record(Problem),
}

impl HostError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Config(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Vault(e) => e.code(),
            Self::Plugins(e) => e.code(),
            Self::Catalog(_) => "plugin.catalog",
            Self::Engine(e) => e.code(),
            Self::Io { .. } => "host.io",
            Self::Record(e) => e.code(),
        }
    }
}

impl From<Problem> for HostError {
    fn from(problem: Problem) -> Self {
        Self::Record(problem)
    }
}
