//! The same component with nothing but wasmtime around it: the pool and the settings that make it
//! fast are the host's, the limits are not there.

use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod generated {
    wasmtime::component::bindgen!({
        path: "wit/v0.1",
        world: "connector",
        imports: { default: trappable },
        exports: { default: async },
    });
}

use generated::levqor::connector::{clock, http, log, secrets, state, types};

/// As the host's pool keeps it, with and without a kernel that knows which pages were written.
const KEPT_BYTES: usize = 64 << 10;
const KEPT_SCANNED_BYTES: usize = 512 << 10;

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn none<T>() -> wasmtime::Result<T> {
    Err(wasmtime::format_err!("not in this bench"))
}

impl types::Host for State {}
impl http::Host for State {
    fn send(
        &mut self,
        _: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::HttpError>> {
        none()
    }
    fn send_all(
        &mut self,
        _: Vec<http::Request>,
    ) -> wasmtime::Result<Vec<Result<http::Response, http::HttpError>>> {
        none()
    }
}
impl log::Host for State {
    fn write(
        &mut self,
        _: log::Level,
        _: String,
        _: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        none()
    }
}
impl state::Host for State {
    fn get(
        &mut self,
        _: String,
    ) -> wasmtime::Result<Result<Option<state::Entry>, state::StateError>> {
        none()
    }
    fn put(
        &mut self,
        _: String,
        _: Vec<u8>,
        _: Option<u64>,
    ) -> wasmtime::Result<Result<u64, state::StateError>> {
        none()
    }
    fn delete(&mut self, _: String) -> wasmtime::Result<Result<(), state::StateError>> {
        none()
    }
}
impl secrets::Host for State {
    fn reveal(&mut self, _: String) -> wasmtime::Result<Result<String, String>> {
        none()
    }
}
impl clock::Host for State {
    fn now_unix_ms(&mut self) -> wasmtime::Result<u64> {
        none()
    }
}

/// One component, ready to be called.
pub(crate) struct Bare {
    engine: Engine,
    pre: generated::ConnectorPre<State>,
}

impl Bare {
    pub(crate) fn new() -> wasmtime::Result<Self> {
        let scans = PoolingAllocationConfig::is_pagemap_scan_available();
        let keep_bytes = if scans { KEPT_SCANNED_BYTES } else { KEPT_BYTES };
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(1000)
            .total_core_instances(4000)
            .total_memories(2000)
            .total_tables(6000)
            .total_stacks(1000)
            .max_memory_size(64 << 20)
            .linear_memory_keep_resident(keep_bytes)
            .table_keep_resident(4096)
            .pagemap_scan(if scans { Enabled::Yes } else { Enabled::No })
            .max_component_instance_size(8 << 20)
            .max_core_instance_size(8 << 20)
            .table_elements(60_000)
            .max_tables_per_component(64)
            .max_memories_per_component(8)
            .max_core_instances_per_component(64);
        let mut config = Config::new();
        config.concurrency_support(false).wasm_memory64(false);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        generated::Connector::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        let component = Component::from_binary(&engine, include_bytes!("../../builtin/echo.wasm"))?;
        let pre = generated::ConnectorPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    pub(crate) async fn call(&self, input: &str) -> bool {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        let context = types::TaskContext {
            run_id: String::new(),
            step_id: String::new(),
            attempt: 1,
            idempotency_key: String::new(),
            time_left_ms: 1_000,
            config: "{}".to_owned(),
            traceparent: None,
        };
        let Ok(world) = self.pre.instantiate_async(&mut store).await else { return false };
        matches!(world.call_run_task(&mut store, "say", input, &context).await, Ok(Ok(_)))
    }
}
