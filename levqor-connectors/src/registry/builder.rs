//! [`RegistryBuilder`]: what a registry is made of.

use std::path::PathBuf;
use std::sync::Arc;

use levqor_core::store::Store;
use levqor_core::time::{Clock, SystemClock};
use parking_lot::Mutex;

use super::entry::LazyHost;
use super::{Inner, Registry, RegistryError};
use crate::credential::{NoVault, Refresher, Vault};
use crate::egress::{Egress, EgressOptions, ExchangeObserver};
use crate::grant::Grants;
use crate::granted::Services;
use crate::plugin_state::PluginState;
use crate::sandbox::HostOptions;

/// What a [`Registry`] is made of; nothing by default.
#[derive(Debug)]
#[must_use]
pub struct RegistryBuilder {
    pub(super) builtins: bool,
    pub(super) test_doubles: bool,
    pub(super) folder: Option<PathBuf>,
    pub(super) grants: Grants,
    pub(super) grants_file: Option<PathBuf>,
    vault: Arc<dyn Vault>,
    state: Option<Arc<dyn Store>>,
    host: HostOptions,
    egress: EgressOptions,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn ExchangeObserver>>,
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        Self {
            builtins: false,
            test_doubles: false,
            folder: None,
            grants: Grants::default(),
            grants_file: None,
            vault: Arc::new(NoVault),
            state: None,
            host: HostOptions::default(),
            egress: EgressOptions::default(),
            clock: Arc::new(SystemClock),
            observer: None,
        }
    }
}

impl RegistryBuilder {
    /// With the connectors compiled into this program (feature `builtin`).
    pub fn builtins(mut self) -> Self {
        self.builtins = true;
        self
    }

    /// With `echo`, the built-in connector for tests that misbehaves on request.
    pub fn test_doubles(mut self) -> Self {
        self.test_doubles = true;
        self
    }

    /// With the components in this folder; one of the same name stands in for a built-in one. A
    /// folder that is not there is an empty one.
    pub fn folder(mut self, dir: impl Into<PathBuf>) -> Self {
        self.folder = Some(dir.into());
        self
    }

    /// With these grants.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// With the grants in this file, read now and at each reload; a file that is not there grants
    /// nothing.
    pub fn grants_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.grants_file = Some(path.into());
        self
    }

    /// With the credentials in this vault.
    pub fn vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.vault = vault;
        self
    }

    /// With plugin state in this store; without it state is denied.
    pub fn state(mut self, store: Arc<dyn Store>) -> Self {
        self.state = Some(store);
        self
    }

    /// Keeps compiled plugins in this folder (made 0700) between processes.
    pub fn code_cache(mut self, dir: impl Into<PathBuf>) -> Self {
        self.host.code_cache = Some(dir.into());
        self
    }

    /// With these settings of the WebAssembly engine.
    pub fn host(mut self, options: HostOptions) -> Self {
        self.host = options;
        self
    }

    /// With these settings of outbound connections.
    pub fn egress(mut self, options: EgressOptions) -> Self {
        self.egress = options;
        self
    }

    /// With somebody who hears what other sides answer; nobody where not said.
    pub fn exchange_observer(mut self, observer: Arc<dyn ExchangeObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// With this clock instead of the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Reads grants and folder. Built-in plugins are compiled when they are first called, those of
    /// the folder now, since only they themselves can tell their manifests.
    ///
    /// # Errors
    /// When the grants or the folder cannot be read. A single bad file in the folder is no error:
    /// see [`Registry::refusals`].
    pub async fn build(self) -> Result<Registry, RegistryError> {
        let egress = Egress::new(self.egress.clone())?;
        let refresher =
            Refresher::new(Arc::clone(&self.vault), egress.clone(), Arc::clone(&self.clock));
        let services = Services {
            egress,
            vault: Arc::clone(&self.vault),
            refresher: Arc::new(refresher),
            clock: Arc::clone(&self.clock),
            state: self.state.clone().map(PluginState::new),
            observer: self.observer.clone(),
        };
        let host = Arc::new(LazyHost::new(self.host.clone()));
        let inner = Inner {
            sources: self,
            host,
            services,
            plugins: Mutex::default(),
            reloading: tokio::sync::Mutex::new(()),
        };
        let registry = Registry { inner: Arc::new(inner) };
        registry.reload().await?;
        Ok(registry)
    }
}
