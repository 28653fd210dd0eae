//! [`PluginHost`]: the WebAssembly engine all plugins of a process share.
//!
//! One engine, one pool of instance slots, one linker, one thread that ticks the epoch. It knows no
//! plugin: those hold on to it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, RegallocAlgorithm,
};

use super::bindings::World;
use super::code_cache::CodeCache;
use super::state::CallState;
use crate::limits;

/// How a [`PluginHost`] is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HostOptions {
    /// Where compiled code is kept between processes; nowhere by default.
    pub code_cache: Option<PathBuf>,
    /// Calls at the same time, 1 to [`limits::CALLS_MAX`]; further ones wait for their turn.
    pub calls_max: usize,
    /// Whether instance slots are reserved up front (2.5 times faster per call, needs address
    /// space). Falls back by itself where the address space cannot be had.
    pub pooling: bool,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self { code_cache: None, calls_max: limits::CALLS_MAX, pooling: true }
    }
}

/// Why the host could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine could not be set up: {0}")]
pub struct HostError(String);

impl HostError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "plugin.host"
    }
}

/// The WebAssembly engine all plugins of a process share; a cheap clone.
///
/// ```
/// use levqor_connectors::sandbox::{HostOptions, PluginHost};
/// let host = PluginHost::new(HostOptions::default())?;
/// # let _ = host;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PluginHost {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) linker: Linker<CallState>,
    pub(super) calls: Semaphore,
    pub(super) code_cache: Option<CodeCache>,
    pooling: bool,
}

impl PluginHost {
    /// Sets the engine up and starts its ticking thread, which ends with the last clone.
    ///
    /// # Errors
    /// When neither a pool nor on-demand memory can be set up, or no thread can be started.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let made = if options.pooling { Engine::new(&config(true)).ok() } else { None };
        let pooling = made.is_some();
        if options.pooling && !pooling {
            tracing::warn!("no address space for a pool of plugin slots; calls will be slower");
        }
        let fail = |e: wasmtime::Error| HostError(format!("{e:#}"));
        let engine = made.map_or_else(|| Engine::new(&config(false)).map_err(fail), Ok)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(fail)?;
        World::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state).map_err(fail)?;
        start_ticking(&engine)?;
        let code_cache = options.code_cache.and_then(|dir| match CodeCache::open(dir, &engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(%error, "compiled plugins will not be kept");
                None
            }
        });
        let calls = Semaphore::new(options.calls_max.clamp(1, limits::CALLS_MAX));
        Ok(Self { inner: Arc::new(Inner { engine, linker, calls, code_cache, pooling }) })
    }

    /// Whether instance slots are pooled; false after falling back.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.inner.pooling
    }
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost").field("pooling", &self.inner.pooling).finish_non_exhaustive()
    }
}

/// Memory of an instance slot that is cleaned after a call instead of given back, where every byte
/// of it is written for that.
const KEPT_BYTES: usize = 64 << 10;
/// The same where only written pages are: a guest of the SDK writes about a quarter of it in a call.
const KEPT_SCANNED_BYTES: usize = 512 << 10;

fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits::WASM_STACK_BYTES)
        .async_stack_size(limits::ASYNC_STACK_BYTES)
        // The contract is synchronous for guests; data structures for concurrent ones cost time.
        .concurrency_support(false)
        // What a guest says on stderr explains a trap; addresses of its code do not.
        .wasm_backtrace_max_frames(None)
        .wasm_memory64(false)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    if pooling {
        // Where the kernel can say which pages a call wrote, those are set back and stay mapped: no
        // page faults and no stalls of other threads at the next call. Elsewhere what is kept is
        // written whole after each call.
        let scans = PoolingAllocationConfig::is_pagemap_scan_available();
        let keep_bytes = if scans { KEPT_SCANNED_BYTES } else { KEPT_BYTES };
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(1000)
            .total_core_instances(4000)
            .total_memories(2000)
            .total_tables(6000)
            .total_stacks(1000)
            .max_memory_size(limits::MEMORY_BYTES_MAX)
            .linear_memory_keep_resident(keep_bytes)
            .table_keep_resident(4096)
            .pagemap_scan(if scans { Enabled::Yes } else { Enabled::No })
            .max_component_instance_size(8 << 20)
            .max_core_instance_size(8 << 20)
            .table_elements(limits::TABLE_ELEMENTS_MAX)
            .max_tables_per_component(64)
            .max_memories_per_component(8)
            .max_core_instances_per_component(64);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// An OS thread, not a timer of the runtime: a blocked executor must not stop the clock.
fn start_ticking(engine: &Engine) -> Result<(), HostError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("levqor-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(Duration::from_millis(limits::TICK_MS));
            }
        })
        .map(drop)
        .map_err(|e| HostError(e.to_string()))
}
