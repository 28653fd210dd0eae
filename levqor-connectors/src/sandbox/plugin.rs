//! [`Plugin`]: one component, compiled and ready; every call gets a fresh instance.
//!
//! It decides nothing about what the guest may reach: that is the [`Broker`] each call brings.
//!
//! [`Broker`]: super::broker::Broker

use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_core::connector::Manifest;
use levqor_core::ids::ContentHash;
use tokio::sync::SemaphorePermit;
use wasmtime::component::Component;
use wasmtime::{Store, UpdateDeadline};

use super::bindings::{World, WorldPre, types};
use super::fault::{Deadline, Fault};
use super::host::PluginHost;
use super::state::{CallState, Granted};
use crate::limits;

/// Why a file is not a plugin that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Over [`limits::COMPONENT_BYTES_MAX`].
    #[error("the component has {0} bytes, more than {max}", max = limits::COMPONENT_BYTES_MAX)]
    TooLarge(usize),
    /// Not a component, or one this engine cannot compile.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// It imports what no plugin is given, or does not export the contract.
    #[error("the component does not fit the contract levqor:connector@0.1.0: {0}")]
    Contract(String),
    /// It failed while describing itself.
    #[error("the plugin could not describe itself: {0}")]
    Describe(Fault),
    /// What it says of itself is not a manifest.
    #[error("the plugin's manifest cannot be read: {0}")]
    Manifest(String),
}

impl LoadError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "plugin.too_large",
            Self::NotAComponent(_) => "plugin.not_a_component",
            Self::Contract(_) => "plugin.contract",
            Self::Describe(_) => "plugin.describe",
            Self::Manifest(_) => "plugin.manifest",
        }
    }
}

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Linear memory in bytes, at most [`limits::MEMORY_BYTES_MAX`].
    pub memory_bytes: usize,
    /// Time in milliseconds.
    pub time_ms: u64,
}

/// One component, compiled and ready. A cheap clone; the code is unmapped with the last one.
#[derive(Clone, Debug)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    host: PluginHost,
    digest: ContentHash,
    manifest: Manifest,
    imports: Vec<String>,
    pre: WorldPre<CallState>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Compiles `component` (or takes it from the host's code cache), lets it describe itself
    /// inside the sandbox with no import to call, and checks the manifest.
    ///
    /// # Errors
    /// A [`LoadError`] that says what is wrong with the file.
    pub async fn load(host: &PluginHost, component: &[u8]) -> Result<Self, LoadError> {
        let (digest, compiled) = compile(host, component).await?;
        let imports: Vec<String> = compiled
            .component_type()
            .imports(&host.inner.engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        // There would be nothing behind them; a plugin that wants them is told so at once.
        if let Some(sockets) = imports.iter().find(|i| i.starts_with("wasi:sockets/")) {
            return Err(LoadError::Contract(format!(
                "it imports `{sockets}`: plugins have no sockets, they ask `levqor:connector/http` \
                 (for Python: componentize-py --stub-wasi)"
            )));
        }
        let pre = host
            .inner
            .linker
            .instantiate_pre(&compiled)
            .and_then(WorldPre::new)
            .map_err(|e| LoadError::Contract(crate::text::clean(&format!("{e:#}"), 500)))?;
        let text = describe(host, &pre).await.map_err(LoadError::Describe)?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|e| LoadError::Manifest(crate::text::clean(&e.to_string(), 500)))?;
        manifest.check().map_err(|e| LoadError::Manifest(e.to_string()))?;
        let inner = Inner { host: host.clone(), digest, manifest, imports, pre };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> ContentHash {
        self.inner.digest
    }

    /// What the plugin says of itself. A wish list, not a grant.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// The interfaces the binary really imports; it can never use another.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Runs one action in a fresh instance that is dropped afterwards.
    ///
    /// # Errors
    /// A [`Fault`] when the guest gave no answer; what it answers, errors included, is `Ok`.
    pub(crate) async fn call(
        &self,
        limits: CallLimits,
        granted: Granted,
        action: &str,
        input: &str,
        context: &types::TaskContext,
    ) -> Result<Result<types::TaskOutput, types::TaskError>, Fault> {
        let _place = self.place(granted.scope.deadline).await?;
        let scope = Arc::clone(&granted.scope);
        let mut sandbox = Sandbox::new(&self.inner.host, limits, scope.deadline, Some(granted));
        sandbox
            .run(&self.inner.pre, async |world, store| {
                world.call_run_task(store, action, input, context).await
            })
            .await
    }

    async fn place(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        let calls = &self.inner.host.inner.calls;
        if let Ok(place) = calls.try_acquire() {
            return Ok(place);
        }
        match tokio::time::timeout_at(deadline.into(), calls.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::Busy),
        }
    }
}

/// Compiling takes 0.1 to 0.2 seconds of processor time: not on the runtime's threads.
async fn compile(
    host: &PluginHost,
    component: &[u8],
) -> Result<(ContentHash, Component), LoadError> {
    if component.len() > limits::COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge(component.len()));
    }
    let (host, bytes) = (host.clone(), component.to_vec());
    let work = move || {
        let digest = ContentHash::of(&bytes);
        let (engine, cache) = (&host.inner.engine, host.inner.code_cache.as_ref());
        if let Some(kept) = cache.and_then(|c| c.load(digest, engine)) {
            return Ok((digest, kept));
        }
        let compiled = Component::from_binary(engine, &bytes)
            .map_err(|e| LoadError::NotAComponent(crate::text::clean(&format!("{e:#}"), 500)))?;
        if let Some(cache) = cache {
            cache.store(digest, &compiled);
        }
        Ok((digest, compiled))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(LoadError::NotAComponent(format!("the compiler failed: {e}"))))
}

async fn describe(host: &PluginHost, pre: &WorldPre<CallState>) -> Result<String, Fault> {
    let limits =
        CallLimits { memory_bytes: limits::MEMORY_BYTES_MAX, time_ms: limits::DESCRIBE_MS };
    let deadline = Instant::now() + Duration::from_millis(limits.time_ms);
    let mut sandbox = Sandbox::new(host, limits, deadline, None);
    sandbox.store.set_hostcall_fuel(limits::DESCRIBE_BYTES_MAX);
    sandbox.run(pre, async |world, store| world.call_describe(store).await).await
}

/// One store with all its limits armed.
struct Sandbox {
    store: Store<CallState>,
    limits: CallLimits,
}

impl Sandbox {
    fn new(
        host: &PluginHost,
        limits: CallLimits,
        deadline: Instant,
        granted: Option<Granted>,
    ) -> Self {
        let memory = limits.memory_bytes.min(limits::MEMORY_BYTES_MAX);
        let state = CallState::new(memory, deadline, granted);
        let mut store = Store::new(&host.inner.engine, state);
        store.limiter(|state| &mut state.guard);
        store.set_hostcall_fuel(limits::CROSSING_BYTES_MAX);
        store.set_max_component_handles(limits::HANDLES_MAX);
        store.set_epoch_deadline(1);
        // Each tick the guest gives way to other calls; past its deadline it ends.
        store.epoch_deadline_callback(|context| {
            if Instant::now() < context.data().deadline {
                Ok(UpdateDeadline::Yield(1))
            } else {
                Err(Deadline.into())
            }
        });
        Self { store, limits }
    }

    /// Instantiates and calls, both within the deadline.
    async fn run<T>(
        &mut self,
        pre: &WorldPre<CallState>,
        call: impl AsyncFnOnce(&World, &mut Store<CallState>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        let deadline = self.store.data().deadline;
        let store = &mut self.store;
        let work = async {
            let world = pre.instantiate_async(&mut *store).await?;
            call(&world, store).await
        };
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let state = self.store.data();
                Err(Fault::of(&error, state, self.limits.memory_bytes, self.limits.time_ms))
            }
            Err(_) => Err(Fault::Timeout { deadline_ms: self.limits.time_ms }),
        }
    }
}
