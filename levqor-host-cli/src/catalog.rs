//! The connectors a session may call: built-in ones and the operator's.

use levqor_connectors::sandbox::{HostOptions, Plugin, PluginConnector, PluginHost};
use levqor_core::connector::Catalog;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// Every connector there is, ready to be called.
pub(crate) async fn load(global: &Global, _output: Output) -> Result<Catalog> {
    let fail = |code: &'static str, m: String| Failure::new(Exit::Refused, code, m);
    let mut options = HostOptions::default();
    options.code_cache = Some(global.data_dir.join("cache"));
    let host = PluginHost::new(options).map_err(|e| fail(e.code(), e.to_string()))?;
    let catalog = Catalog::new();
    for bytes in [
        &include_bytes!("../../levqor-connectors/builtin/text.wasm")[..],
        &include_bytes!("../../levqor-connectors/builtin/echo.wasm")[..],
    ] {
        let plugin = Plugin::load(&host, bytes).await.map_err(|e| fail(e.code(), e.to_string()))?;
        let connector =
            PluginConnector::sealed(plugin).map_err(|e| fail(e.code(), e.to_string()))?;
        catalog
            .add(std::sync::Arc::new(connector))
            .map_err(|e| fail("plugin.manifest", e.to_string()))?;
    }
    Ok(catalog)
}
