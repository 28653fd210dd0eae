//! Plugins that mean harm, and requests that should not be made: each ends as its own error in its
//! own time, and an honest run beside it notices nothing.

mod guests;
mod network;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use levqor_connectors::credential::{Credential, Secret};
use levqor_connectors::egress::EgressOptions;
use levqor_connectors::grant::Grants;
use levqor_connectors::registry::Registry;
use levqor_connectors::vault::{FileVault, VaultKey};
use levqor_core::connector::Catalog;
use levqor_core::engine::RunDetail;
use levqor_core::ids::Organization;
use levqor_core::run::RunStatus;
use levqor_core::store::{MemoryStore, Store};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::capture;
use crate::support::Served;

/// What a loaded machine may add to a deadline before a test fails. The promise is 50 ms; what was
/// measured is printed.
const SLACK: Duration = Duration::from_secs(3);

/// An engine with the built-in plugins and `echo`, which misbehaves on request.
struct World {
    served: Served,
    vault: Arc<FileVault>,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(grants: &str) -> Self {
        Self::with(grants, EgressOptions::default()).await
    }

    async fn with(grants: &str, egress: EgressOptions) -> Self {
        capture::install();
        let dir = tempfile::tempdir().unwrap();
        let key = VaultKey::in_dir(dir.path()).unwrap();
        let vault = Arc::new(FileVault::open(dir.path(), key).unwrap());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let registry = Registry::builder()
            .builtins()
            .test_doubles()
            .grants(Grants::parse(grants).unwrap())
            .vault(vault.clone())
            .state(store.clone())
            .egress(egress)
            .build()
            .await
            .unwrap();
        // Compiled first: deadlines here are for calls.
        registry.warm().await.unwrap();
        let catalog = Catalog::new();
        registry.register(&catalog).unwrap();
        let served = Served::on(store, catalog).await;
        served.grant("start", 1_000_000).await;
        Self { served, vault, dir }
    }

    fn credential(&self, organization: &Organization, name: &str, secret: &str, hosts: &[&str]) {
        let hosts = hosts.iter().map(|h| h.parse().unwrap()).collect();
        let credential = Credential::api_key(name, Secret::new(secret), hosts);
        self.vault.set(organization, &credential).unwrap();
    }

    /// One step `echo/<action>`, with so much time and no second try; and how long it took.
    async fn echo(&self, action: &str, with: Value, timeout_ms: u64) -> (RunDetail, Duration) {
        self.echo_for(&self.served.organization, action, with, timeout_ms).await
    }

    async fn echo_for(
        &self,
        organization: &Organization,
        action: &str,
        with: Value,
        timeout_ms: u64,
    ) -> (RunDetail, Duration) {
        let document = json!({
            "steps": [{
                "id": "bad", "uses": format!("echo/{action}"), "with": with,
                "timeout": format!("{timeout_ms}ms"), "retry": {"max_attempts": 1},
            }],
            "output": "${{ steps.bad.output }}",
        });
        let begun = Instant::now();
        let detail = self.served.run_for(organization, document, Value::Null).await;
        (detail, begun.elapsed())
    }
}

/// An organization with money of its own.
async fn organization(world: &World, name: &str) -> Organization {
    let organization = Organization::new(name).unwrap();
    let now = world.served.engine.clock().now();
    let entry = levqor_core::ledger::grant("start", 10_000, now).unwrap();
    let store = &**world.served.engine.store();
    levqor_core::ledger::post(store, &organization, &entry).await.unwrap();
    organization
}

/// Honest runs, one after the other, until they are stopped.
struct Honest {
    stop: Arc<AtomicBool>,
    runs: JoinHandle<(u64, Duration)>,
}

impl Honest {
    /// Begins; the runs are of an organization of their own.
    async fn begin(world: &World) -> Self {
        let organization = organization(world, "honest").await;
        let document = json!({
            "name": "honest",
            "steps": [{"id": "up", "uses": "text/upper", "with": {"text": "${{ input }}"}}],
            "output": "${{ steps.up.output.text }}",
        });
        let pipeline = world.served.compile_for(&organization, document).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (world.served.engine.clone(), stop.clone());
        let runs = tokio::spawn(async move {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let start = levqor_core::engine::Start::new(pipeline.clone(), json!("ada"));
                let start = start.organization(organization.clone());
                let result = engine.start(start).await.unwrap().wait().await.unwrap();
                assert_eq!(result.status, RunStatus::Succeeded, "{:?}", result.error);
                assert_eq!(result.output.as_deref(), Some(&json!("ADA")));
                slowest = slowest.max(begun.elapsed());
                count += 1;
            }
            (count, slowest)
        });
        Self { stop, runs }
    }

    /// How many runs succeeded, and how long the slowest took. None failed.
    async fn end(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.runs.await.unwrap()
    }
}
