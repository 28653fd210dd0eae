//! The connectors a session may call: the built-in ones and the operator's, with their grants and
//! the vault behind them.

use std::path::PathBuf;
use std::sync::Arc;

use levqor_connectors::registry::{Registry, RegistryError};
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::store::Store;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// The operator's grants, in the plugins' folder.
const GRANTS_FILE: &str = "plugins.toml";

/// Where further plugins are looked for.
pub(crate) fn plugins_dir(global: &Global) -> PathBuf {
    global.plugins_dir.clone().unwrap_or_else(|| global.data_dir.join("plugins"))
}

/// Where the operator's grants are.
pub(crate) fn grants_file(global: &Global) -> PathBuf {
    plugins_dir(global).join(GRANTS_FILE)
}

/// Where secrets are.
pub(crate) fn vault_dir(global: &Global) -> PathBuf {
    global.data_dir.join("vault")
}

/// Every connector there is, and a catalog of them. Nothing is written where no data folder is.
pub(crate) async fn load(
    global: &Global,
    store: &Arc<dyn Store>,
    output: Output,
) -> Result<(Registry, Catalog)> {
    // `echo` is here as well: it is what examples and tests fail with on purpose.
    let mut builder = Registry::builder()
        .builtins()
        .test_doubles()
        .folder(plugins_dir(global))
        .grants_file(grants_file(global))
        .state(store.clone());
    if global.data_dir.exists() {
        builder = builder.code_cache(global.data_dir.join("cache"));
    }
    if vault_dir(global).exists() {
        builder = builder.vault(Arc::new(open_vault(global)?));
    }
    let registry = builder.build().await?;
    for refusal in registry.refusals() {
        output.note(&format!("plugin not taken: {}: {}", refusal.what, refusal.why));
    }
    let catalog = Catalog::new();
    registry.register(&catalog)?;
    Ok((registry, catalog))
}

/// The vault, made where it is not there.
pub(crate) fn open_vault(global: &Global) -> Result<FileVault> {
    let dir = vault_dir(global);
    let open = || FileVault::open(&dir, VaultKey::load(&dir)?);
    open().map_err(|e| Failure::new(Exit::Unreachable, e.code(), e.to_string()))
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}
