//! [`Entry`]: one plugin in the catalog. Its manifest is known at once; it is compiled when it is
//! first called.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use levqor_core::connector::{Call, Connector, Manifest, Outcome};
use levqor_core::error::{ErrorKind, RunError};
use levqor_core::ids::{ContentHash, Organization};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::breaker::{Admission, Breaker};
use crate::grant::{Blocked, Effective, Origin};
use crate::granted::{GrantedBroker, Services};
use crate::sandbox::{HostError, HostOptions, LoadError, Plugin, PluginConnector, PluginHost};

/// Organizations whose failures one plugin remembers; over it, all are forgotten.
const BREAKERS_MAX: usize = 10_000;

/// The engine, made when the first plugin is compiled: reserving its address space and starting its
/// thread is not part of a cold start.
pub(super) struct LazyHost {
    options: HostOptions,
    made: OnceLock<PluginHost>,
    making: Mutex<()>,
}

impl LazyHost {
    pub(super) fn new(options: HostOptions) -> Self {
        Self { options, made: OnceLock::new(), making: Mutex::new(()) }
    }

    pub(super) fn get(&self) -> Result<PluginHost, HostError> {
        if let Some(host) = self.made.get() {
            return Ok(host.clone());
        }
        let _one = self.making.lock();
        if let Some(host) = self.made.get() {
            return Ok(host.clone());
        }
        let host = PluginHost::new(self.options.clone())?;
        Ok(self.made.get_or_init(|| host).clone())
    }
}

impl fmt::Debug for LazyHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyHost").field("made", &self.made.get().is_some()).finish()
    }
}

/// The component's bytes.
#[derive(Clone)]
pub(crate) enum Code {
    Embedded(&'static [u8]),
    Read(Arc<[u8]>),
}

impl Code {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Embedded(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

/// One plugin of a registry.
pub(super) struct Entry {
    pub(super) manifest: Manifest,
    pub(super) digest: ContentHash,
    pub(super) origin: Origin,
    pub(super) path: Option<PathBuf>,
    pub(super) code: Code,
    pub(super) effective: Result<Effective, Blocked>,
    host: Arc<LazyHost>,
    services: Services,
    loaded: OnceCell<PluginConnector>,
    breakers: Mutex<HashMap<Organization, Breaker>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.manifest.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What an entry is made of.
pub(crate) struct Found {
    pub(crate) manifest: Manifest,
    pub(crate) digest: ContentHash,
    pub(crate) origin: Origin,
    pub(crate) path: Option<PathBuf>,
    pub(crate) code: Code,
}

impl Entry {
    pub(super) fn new(
        found: Found,
        effective: Result<Effective, Blocked>,
        host: Arc<LazyHost>,
        services: Services,
    ) -> Self {
        Self {
            manifest: found.manifest,
            digest: found.digest,
            origin: found.origin,
            path: found.path,
            code: found.code,
            effective,
            host,
            services,
            loaded: OnceCell::new(),
            breakers: Mutex::default(),
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.loaded.initialized()
    }

    /// The compiled plugin; compiled by the first caller while the others wait.
    pub(super) async fn connector(&self) -> Result<&PluginConnector, RunError> {
        let effective = self.effective.as_ref().map_err(|blocked| {
            RunError::new(ErrorKind::PolicyDenied, blocked.code(), blocked.to_string())
        })?;
        self.loaded.get_or_try_init(|| self.load(effective)).await
    }

    async fn load(&self, effective: &Effective) -> Result<PluginConnector, RunError> {
        let failed = |code: &str, why: String| RunError::new(ErrorKind::PluginTrap, code, why);
        let host = self.host.get().map_err(|e| failed(e.code(), e.to_string()))?;
        let refused = |e: LoadError| failed(e.code(), e.to_string());
        let plugin = Plugin::load(&host, self.code.bytes()).await.map_err(refused)?;
        // What was granted is what was shown: the manifest beside a component is only a copy.
        if *plugin.manifest() != self.manifest || plugin.digest() != self.digest {
            let why = "the component is not the one its manifest was taken from";
            return Err(failed("plugin.changed", why.to_owned()));
        }
        let name = &self.manifest.name;
        let broker = GrantedBroker::new(name, effective.clone(), self.services.clone());
        let config = effective.config.clone();
        PluginConnector::new(plugin, Arc::new(broker), effective.limits, config).map_err(refused)
    }

    fn admit(&self, organization: &Organization) -> Admission {
        let now = self.services.clock.now();
        let mut breakers = self.breakers.lock();
        breakers.get_mut(organization).map_or(Admission::Go, |breaker| breaker.admit(now))
    }

    fn record(&self, organization: &Organization, failed: bool) {
        let now = self.services.clock.now();
        let mut breakers = self.breakers.lock();
        if !failed && !breakers.contains_key(organization) {
            return;
        }
        if breakers.len() >= BREAKERS_MAX {
            breakers.clear();
        }
        let breaker = breakers.entry(organization.clone()).or_default();
        breaker.record(now, failed);
        if breaker.is_closed() {
            breakers.remove(organization);
        }
    }
}

#[async_trait]
impl Connector for Entry {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        if let Admission::Wait(ms) = self.admit(call.organization) {
            let name = &self.manifest.name;
            let message = format!("plugin `{name}` failed too often and is not called for now");
            let error = RunError::new(ErrorKind::Unavailable, "plugin.circuit_open", message);
            return Outcome::Retry { after_ms: Some(ms), error };
        }
        let connector = match self.connector().await {
            Ok(connector) => connector,
            Err(error) => return Outcome::Failed { error },
        };
        let organization = call.organization;
        let outcome = connector.run_task(call).await;
        self.record(organization, is_plugins_fault(&outcome));
        outcome
    }
}

/// Trap-class failures: the guest's doing, not the vendor's and not the input's.
fn is_plugins_fault(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed { error } | Outcome::Ambiguous { error } | Outcome::Retry { error, .. } => {
            error.kind == ErrorKind::PluginTrap
        }
        _ => false,
    }
}
