//! [`CallState`]: everything one store holds. Made for one call, dropped with it.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::broker::{Broker, Scope};
use super::guard::Guard;
use super::stderr::Tail;

/// Whose requests the imports of this call answer; absent while a plugin describes itself, and
/// then every import traps.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) connector: Arc<str>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) scope: Arc<Scope>,
}

/// The data of one store.
pub(crate) struct CallState {
    pub(crate) guard: Guard,
    pub(crate) deadline: Instant,
    pub(crate) granted: Option<Granted>,
    pub(crate) stderr: Tail,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl CallState {
    pub(crate) fn new(memory_bytes: usize, deadline: Instant, granted: Option<Granted>) -> Self {
        let stderr = Tail::default();
        // Empty: no arguments, environment, preopened folders, sockets or names. Guests' libraries
        // import WASI, so it has to be there; there is nothing behind it.
        let wasi = WasiCtx::builder()
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(crate::limits::RANDOM_BYTES_MAX)
            .stderr(stderr.clone())
            .build();
        let guard = Guard::new(memory_bytes);
        Self { guard, deadline, granted, stderr, wasi, table: ResourceTable::new() }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wasmtime_wasi::cli::WasiCliView;
    use wasmtime_wasi::filesystem::WasiFilesystemView;
    use wasmtime_wasi::p2::bindings::cli::environment::Host as _;
    use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;

    use super::*;

    #[test]
    fn there_is_nothing_behind_wasi() {
        let mut state = CallState::new(1 << 20, Instant::now(), None);
        assert!(std::env::vars().next().is_some(), "or the test would show nothing");
        assert!(state.cli().get_environment().unwrap().is_empty());
        assert!(state.cli().get_arguments().unwrap().is_empty());
        assert_eq!(state.cli().initial_cwd().unwrap(), None);
        assert!(state.filesystem().get_directories().unwrap().is_empty());
    }
}
