//! [`Registry`]: which plugins there are, and their way into the engine's catalog.
//!
//! ```text
//!  built-in lock ─┐                 ┌─▶ Entry (manifest known, compiled when first called)
//!  folder ────────┼─▶ Effective::of ┤
//!  grants ────────┘                 └─▶ Entry (blocked: each call says what to grant)
//! ```
//! What it is not: it runs nothing itself; an entry is a connector like any other.

mod breaker;
mod builder;
mod entry;
mod folder;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use levqor_core::connector::{Catalog, Connector, Manifest};
use levqor_core::ids::ContentHash;
use parking_lot::Mutex;
use serde::Serialize;

pub use builder::RegistryBuilder;
pub(crate) use entry::{Code, Found};
use entry::{Entry, LazyHost};
pub use folder::Refusal;

use crate::egress::{Egress, EgressError, HostPattern};
use crate::grant::{Blocked, Effective, GrantError, Grants, Origin};
use crate::granted::Services;
use crate::inspect::{InspectError, Inspection};
use crate::sandbox::{HostError, Plugin, PluginHost};

/// The plugins of one process; a cheap clone.
///
/// ```
/// use levqor_connectors::registry::Registry;
/// use levqor_core::connector::Catalog;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let registry = Registry::builder().builtins().build().await?;
/// let catalog = Catalog::new();
/// registry.register(&catalog)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    sources: RegistryBuilder,
    host: Arc<LazyHost>,
    services: Services,
    plugins: Mutex<Plugins>,
    reloading: tokio::sync::Mutex<()>,
}

/// What is there now, and who was told.
#[derive(Default)]
struct Plugins {
    entries: BTreeMap<String, Arc<Entry>>,
    refusals: Vec<Refusal>,
    grants: Grants,
    catalogs: Vec<Catalog>,
}

/// Why a registry could not be built or reloaded. Nothing changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// `plugins.toml` cannot be used.
    #[error(transparent)]
    Grants(#[from] GrantError),
    /// The folder cannot be read.
    #[error("the plugin folder {dir}: {source}")]
    Folder {
        /// Which folder.
        dir: String,
        /// Why.
        source: std::io::Error,
    },
    /// Outbound connections cannot be set up.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The WebAssembly engine cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A manifest cannot go into the catalog.
    #[error(transparent)]
    Catalog(#[from] levqor_core::connector::CatalogError),
    /// The committed connectors do not fit their lock.
    #[error("built-in plugins: {0}")]
    Builtin(String),
}

impl RegistryError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Grants(e) => e.code(),
            Self::Folder { .. } => "plugin.folder",
            Self::Egress(e) => e.code(),
            Self::Host(e) => e.code(),
            Self::Catalog(_) => "plugin.catalog",
            Self::Builtin(_) => "plugin.builtin",
        }
    }
}

/// What a reload changed, by plugin name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// New ones.
    pub added: Vec<String>,
    /// Ones with another file or another grant; calls under way finish on the old one.
    pub replaced: Vec<String>,
    /// Ones that are gone.
    pub removed: Vec<String>,
    /// Files and plugins that were not taken; of a plugin that was there before, the old one stays.
    pub refused: Vec<Refusal>,
}

/// One plugin as `levqor plugins list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component.
    pub sha256: ContentHash,
    /// Whether it is compiled into this program.
    pub builtin: bool,
    /// Its file, where it has one.
    pub path: Option<PathBuf>,
    /// Whether it is compiled and ready.
    pub loaded: bool,
    /// Why it is not called: what its grant lacks, and what to write.
    pub blocked: Option<String>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.inner.plugins.lock().entries.keys().cloned().collect();
        f.debug_struct("Registry").field("plugins", &names).finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry with nothing in it yet.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Puts every plugin into `catalog`, in place of connectors of the same name, and keeps it up to
    /// date at each reload. Blocked ones are in it too: documents that use them validate, and each
    /// call says what to grant.
    ///
    /// # Errors
    /// When the catalog refuses a manifest.
    pub fn register(&self, catalog: &Catalog) -> Result<(), RegistryError> {
        let mut plugins = self.inner.plugins.lock();
        for entry in plugins.entries.values() {
            catalog.replace(Arc::clone(entry) as Arc<dyn Connector>)?;
        }
        plugins.catalogs.push(catalog.clone());
        Ok(())
    }

    /// Every plugin, by name.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        let plugins = self.inner.plugins.lock();
        plugins
            .entries
            .values()
            .map(|e| PluginStatus {
                name: e.manifest.name.clone(),
                version: e.manifest.version.clone(),
                sha256: e.digest,
                builtin: e.origin == Origin::Builtin,
                path: e.path.clone(),
                loaded: e.is_loaded(),
                blocked: e.effective.as_ref().err().map(Blocked::to_string),
            })
            .collect()
    }

    /// Every manifest, by name, blocked plugins included.
    #[must_use]
    pub fn manifests(&self) -> Vec<Manifest> {
        self.inner.plugins.lock().entries.values().map(|e| e.manifest.clone()).collect()
    }

    /// Hosts that a plugin may reach, by its manifest **and** its grant. `None` where there is no
    /// such plugin, or it is blocked.
    #[must_use]
    pub fn hosts(&self, name: &str) -> Option<Vec<HostPattern>> {
        let plugins = self.inner.plugins.lock();
        let effective = plugins.entries.get(name)?.effective.as_ref().ok()?;
        Some(effective.policy.hosts.clone())
    }

    /// Files that were not taken when folder and grants were last read.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.inner.plugins.lock().refusals.clone()
    }

    /// The way out, for requests that hosts themselves make (webhooks going out, mail): the one
    /// place that dials, with the same checks.
    #[must_use]
    pub fn egress(&self) -> Egress {
        self.inner.services.egress.clone()
    }

    /// The WebAssembly engine, made on first use.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn host(&self) -> Result<PluginHost, HostError> {
        self.inner.host.get()
    }

    /// Everything there is to know about a plugin: what it asks for, what its binary really
    /// imports, what it is granted. Compiles it.
    ///
    /// # Errors
    /// When there is no such plugin, or it cannot be loaded.
    pub async fn inspect(&self, name: &str) -> Result<Inspection, InspectError> {
        let entry = self.inner.plugins.lock().entries.get(name).cloned();
        let entry = entry.ok_or_else(|| InspectError::Unknown(name.to_owned()))?;
        let plugin = Plugin::load(&self.inner.host.get()?, entry.code.bytes()).await?;
        let grants = self.inner.plugins.lock().grants.clone();
        let bytes = entry.code.bytes().len();
        Ok(Inspection::of(&plugin, bytes, entry.origin, grants.get(name)))
    }

    /// Inspects a component that is in no folder yet, as if it lay in the folder.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn inspect_file(&self, component: &[u8]) -> Result<Inspection, InspectError> {
        let plugin = Plugin::load(&self.inner.host.get()?, component).await?;
        let grants = self.inner.plugins.lock().grants.clone();
        let grant = grants.get(&plugin.manifest().name);
        Ok(Inspection::of(&plugin, component.len(), Origin::Folder, grant))
    }

    /// Compiles every plugin that is not blocked, so that no call has to wait for it.
    ///
    /// # Errors
    /// The first plugin that cannot be loaded, as a run would see it.
    pub async fn warm(&self) -> Result<(), levqor_core::RunError> {
        let entries: Vec<Arc<Entry>> =
            self.inner.plugins.lock().entries.values().cloned().collect();
        for entry in entries.iter().filter(|e| e.effective.is_ok()) {
            entry.connector().await?;
        }
        Ok(())
    }

    /// Reads grants and folder again and swaps what changed. Running calls finish on the old ones. A
    /// file that became bad, or that changed without a new grant, does not take the place of a
    /// plugin that works.
    ///
    /// # Errors
    /// When grants or folder cannot be read at all; nothing changed then.
    pub async fn reload(&self) -> Result<Reloaded, RegistryError> {
        let _one = self.inner.reloading.lock().await;
        let sources = &self.inner.sources;
        let grants = match &sources.grants_file {
            Some(path) => Grants::load(path)?,
            None => sources.grants.clone(),
        };
        let (found, refused) = self.find().await?;
        let mut plugins = self.inner.plugins.lock();
        let mut report = Reloaded { refused, ..Reloaded::default() };
        let mut next = BTreeMap::new();
        for (name, found) in found {
            let grant = grants.get(&name);
            let effective = Effective::of(&found.manifest, found.digest, found.origin, grant);
            let old = plugins.entries.get(&name);
            let entry = decide(old, found, effective, &mut report, |found, effective| {
                let host = Arc::clone(&self.inner.host);
                Entry::new(found, effective, host, self.inner.services.clone())
            });
            next.insert(name, entry);
        }
        keep_those_with_bad_files(&plugins.entries, &mut next, &report.refused);
        let gone = plugins.entries.keys().filter(|name| !next.contains_key(*name));
        report.removed = gone.cloned().collect();
        for catalog in &plugins.catalogs {
            publish(catalog, &next, &report)?;
        }
        plugins.entries = next;
        plugins.refusals.clone_from(&report.refused);
        plugins.grants = grants;
        Ok(report)
    }

    /// Everything the sources hold, the folder over the built-in ones.
    async fn find(&self) -> Result<(BTreeMap<String, Found>, Vec<Refusal>), RegistryError> {
        let sources = &self.inner.sources;
        let mut all = BTreeMap::new();
        for found in crate::builtin::found(sources.builtins, sources.test_doubles)? {
            all.insert(found.manifest.name.clone(), found);
        }
        let Some(dir) = &sources.folder else { return Ok((all, Vec::new())) };
        let scanned = folder::scan(dir, &self.inner.host).await;
        let (found, mut refused) = scanned
            .map_err(|source| RegistryError::Folder { dir: dir.display().to_string(), source })?;
        let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
        for found in found {
            let (name, path) = (found.manifest.name.clone(), found.path.clone());
            if let Some(first) = seen.get(&name) {
                let what = path.map(|p| p.display().to_string()).unwrap_or_default();
                let why = format!("`{name}` is in {} already", first.display());
                refused.push(Refusal { what, why });
                continue;
            }
            seen.insert(name.clone(), path.unwrap_or_default());
            all.insert(name, found);
        }
        Ok((all, refused))
    }
}

/// The entry that a name has from now on.
fn decide(
    old: Option<&Arc<Entry>>,
    found: Found,
    effective: Result<Effective, Blocked>,
    report: &mut Reloaded,
    make: impl FnOnce(Found, Result<Effective, Blocked>) -> Entry,
) -> Arc<Entry> {
    let name = found.manifest.name.clone();
    let Some(old) = old else {
        report.added.push(name);
        return Arc::new(make(found, effective));
    };
    if old.digest == found.digest && old.origin == found.origin && old.effective == effective {
        return Arc::clone(old);
    }
    // Same file, other grant: the operator's word is taken at once, also a no.
    let is_other_file = old.digest != found.digest || old.origin != found.origin;
    match &effective {
        Err(blocked) if is_other_file && old.effective.is_ok() => {
            report.refused.push(Refusal { what: name, why: blocked.to_string() });
            Arc::clone(old)
        }
        _ => {
            report.replaced.push(name);
            Arc::new(make(found, effective))
        }
    }
}

/// A file that is there but cannot be read does not end the plugin that came from it.
fn keep_those_with_bad_files(
    old: &BTreeMap<String, Arc<Entry>>,
    next: &mut BTreeMap<String, Arc<Entry>>,
    refused: &[Refusal],
) {
    for (name, entry) in old {
        let path = entry.path.as_ref().map(|p| p.display().to_string());
        if path.is_some_and(|p| refused.iter().any(|r| r.what == p)) {
            next.insert(name.clone(), Arc::clone(entry));
        }
    }
}

fn publish(
    catalog: &Catalog,
    next: &BTreeMap<String, Arc<Entry>>,
    report: &Reloaded,
) -> Result<(), RegistryError> {
    for name in report.added.iter().chain(&report.replaced) {
        if let Some(entry) = next.get(name) {
            catalog.replace(Arc::clone(entry) as Arc<dyn Connector>)?;
        }
    }
    for name in &report.removed {
        catalog.remove(name);
    }
    Ok(())
}
