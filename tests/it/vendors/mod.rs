//! Real vendors' descriptions as judges: a pipeline of six steps through engine, sandbox and vault
//! against mocks that check every request, and the faults that vendors have.
//!
//! The mocks are in the folder that `LEVQOR_SPECS` names, else `../shared/specs` beside the
//! workspace, and need node. Without them this is skipped, aloud; with `LEVQOR_REQUIRE_SPECS=1`
//! that is a failure.

pub(crate) mod canary;
mod faults;
mod mock;
mod pipeline;
mod shop;

use std::sync::Arc;

use levqor_connectors::credential::{Credential, Secret};
use levqor_connectors::grant::Grants;
use levqor_connectors::registry::Registry;
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::ids::Organization;
use levqor_core::store::{SledStore, Store};

use crate::capture;
use crate::support::Served;

/// An engine on sled with the built-in plugins and a vault, everything below one folder.
struct World {
    served: Served,
    catalog: Catalog,
    store: SledStore,
    vault: Arc<FileVault>,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(grants: &str) -> Self {
        capture::install();
        let dir = tempfile::tempdir().unwrap();
        let vault = dir.path().join("vault");
        let vault = FileVault::open(&vault, VaultKey::in_dir(&vault).unwrap()).unwrap();
        let vault = Arc::new(vault);
        let store = SledStore::open(dir.path().join("store")).unwrap();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let registry = Registry::builder()
            .builtins()
            .grants(Grants::parse(grants).unwrap())
            .vault(vault.clone())
            .state(shared.clone())
            .build()
            .await
            .unwrap();
        registry.warm().await.unwrap();
        let catalog = Catalog::new();
        registry.register(&catalog).unwrap();
        let served = Served::on(shared, catalog.clone()).await;
        served.grant("start", 100_000).await;
        Self { served, catalog, store, vault, dir }
    }

    /// Puts a secret into the vault that may go to loopback only.
    fn secret(&self, name: &str, value: &str) {
        let hosts = vec!["127.0.0.1".parse().unwrap()];
        let credential = Credential::api_key(name, Secret::new(value), hosts);
        self.vault.set(&Organization::local(), &credential).unwrap();
    }
}

/// A grant that lets a plugin reach loopback, by plain http, with one credential.
fn loopback(plugin: &str, credential: &str, base_url: Option<&str>) -> String {
    let config =
        base_url.map_or_else(String::new, |url| format!("config = {{ base_url = {url:?} }}\n"));
    format!(
        "[grant.{plugin}]\nhosts = [\"127.0.0.1:*\"]\nhttp = true\nprivate = [\"127.0.0.1/32\"]\n\
         credentials = {{ {credential} = [\"127.0.0.1\"] }}\n{config}\n"
    )
}
