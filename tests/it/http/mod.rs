//! The HTTP host through its public door: requests over a socket.

mod client;
mod contract;
mod edge;
mod first;
mod flags;
mod kill;
mod matrix;
mod money;
mod ops;
mod outbound;
mod people;
mod pipelines;
mod plan_eval;
mod planning;
mod readme;
mod runs;
mod signers;
mod two;
mod webhooks;

use std::path::Path;

use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::quota::OrganizationRecord;
use levqor_core::testing::ManualClock;
use levqor_host_http::caller::Scope;
use levqor_host_http::caller::Scopes;
use levqor_host_http::caller::key::ApiKey;
use levqor_host_http::desk::Change;
use levqor_host_http::{Config, Host};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use client::{Answered, Client};

/// A host on a store of its own, with the key that its first start made.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) folder: TempDir,
    /// Carries the operator's key.
    pub(crate) admin: Client,
}

impl World {
    /// On a store in memory.
    pub(crate) async fn new() -> Self {
        Self::with(|config| config.store = "memory:".to_owned()).await
    }

    /// With other settings; the store is sled's where they name none.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = settings(folder.path());
        change(&mut config);
        Self::on(folder, config).await
    }

    /// On a store in memory, by this clock, with other settings.
    pub(crate) async fn by(clock: &ManualClock, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = settings(folder.path());
        config.store = "memory:".to_owned();
        change(&mut config);
        prepare();
        let host = Host::start_with(config, clock.clone()).await;
        Self::of(folder, host.unwrap_or_else(|e| panic!("{e} ({})", e.code())))
    }

    /// On a store in memory, after something was put into its folder.
    pub(crate) async fn granted(put: impl FnOnce(&Path, &mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = settings(folder.path());
        config.store = "memory:".to_owned();
        put(folder.path(), &mut config);
        Self::on(folder, config).await
    }

    async fn on(folder: TempDir, config: Config) -> Self {
        Self::of(folder, start(config).await)
    }

    fn of(folder: TempDir, host: Host) -> Self {
        let key = host.admin_key().map(|key| key.reveal().to_owned()).unwrap_or_default();
        let admin = Client::new(host.address()).key(&key);
        Self { host, folder, admin }
    }

    /// The key of another organization on this plan, for all but the operator's acts.
    pub(crate) async fn organization(&self, name: &str, plan: &str) -> Client {
        let (app, of) = (self.host.app(), Organization::new(name).unwrap());
        let record = OrganizationRecord::new(plan, app.now());
        app.engine.set_organization(&of, &record).await.unwrap();
        app.engine.grant_month(&of).await.unwrap();
        let all = Scope::ALL.into_iter().filter(|s| !s.as_str().starts_with("ops:"));
        let (key, text) = ApiKey::make(of.clone(), "test", all.collect(), "test", app.now());
        self.store(&of, &key).await;
        self.anybody().key(text.reveal())
    }

    /// Stores a key as the host itself does, which reads it again at once.
    pub(crate) async fn store(&self, of: &Organization, key: &ApiKey) {
        let app = self.host.app();
        app.desk.commit(Change::of_system(of).put(&[&key.id], key)).await.unwrap();
        app.keys.changed(&app.desk, &key.id).await;
    }

    /// Without a key.
    pub(crate) fn anybody(&self) -> Client {
        Client::new(self.host.address())
    }

    /// The key of another organization, which has credits of its own.
    pub(crate) async fn stranger(&self) -> Client {
        let app = self.host.app();
        let organization = Organization::new("stranger").unwrap();
        let record = OrganizationRecord::new("enterprise", app.now());
        app.engine.set_organization(&organization, &record).await.unwrap();
        let entry = ledger::grant("start", 1_000, app.now()).unwrap();
        ledger::post(&**app.engine.store(), &organization, &entry).await.unwrap();
        let (key, text) = ApiKey::make(organization.clone(), "k", Scopes::all(), "test", app.now());
        self.store(&organization, &key).await;
        self.anybody().key(text.reveal())
    }

    /// Stops the host and starts it again on the same folder; keys stay what they were.
    pub(crate) async fn restarted(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { host, folder, admin } = self;
        host.stop().await.unwrap();
        let mut config = settings(folder.path());
        change(&mut config);
        let host = start(config).await;
        let admin = admin.at(host.address());
        Self { host, folder, admin }
    }
}

/// Defaults, but for rates: what tests send at once is no flood. Those of rates set their own.
fn settings(folder: &Path) -> Config {
    let mut config = Config::in_folder(folder);
    let limits = &mut config.limits;
    for rate in [
        &mut limits.address_per_second,
        &mut limits.address_burst,
        &mut limits.key_per_second,
        &mut limits.key_burst,
        &mut limits.global_per_second,
        &mut limits.global_burst,
        &mut limits.failures_per_minute,
        &mut limits.failures_burst,
    ] {
        *rate = 100_000;
    }
    config
}

/// Chosen once for the process; a second choice is refused and changes nothing.
fn prepare() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn start(config: Config) -> Host {
    prepare();
    Host::start(config).await.unwrap_or_else(|e| panic!("{e} ({})", e.code()))
}

/// Asks until it is so.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| panic!("it never becomes so"))
}

/// A document that says hello, as JSON.
pub(crate) fn hello() -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "hello",
        "steps": [{ "id": "a", "uses": "core/template", "with": { "text": "hello, ${{ input.who }}" } }],
        "output": "${{ steps.a.output }}",
    })
}

/// The bytes of every file below a folder, for looking for what must not be there.
pub(crate) fn bytes_below(folder: &Path) -> Vec<u8> {
    let (mut all, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                all.extend(std::fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    all
}
