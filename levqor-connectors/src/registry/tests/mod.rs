//! A registry with real components: `echo` inside the sandbox, a server on loopback outside.

mod capabilities;
mod misbehaviour;
mod reload;

use std::sync::Arc;

use levqor_core::connector::{Call, Catalog, Outcome};
use levqor_core::error::RunError;
use levqor_core::ids::Organization;
use levqor_core::store::memory::MemoryStore;
use levqor_core::testing::ManualClock;
use levqor_core::time::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::credential::Credential;
use crate::egress::EgressOptions;
use crate::egress::tests::Script;
use crate::vault::{FileVault, VaultKey};

/// A registry, its catalog, and what it stands on.
struct World {
    catalog: Catalog,
    registry: Registry,
    vault: Arc<FileVault>,
    clock: Arc<ManualClock>,
    organization: Organization,
    dir: tempfile::TempDir,
}

/// Grants `echo` everything on loopback; `REST` is what else a test wants.
const LOCAL: &str = r#"
    [grant.echo]
    hosts = ["127.0.0.1:*", "*.test:*", "a.test:*"]
    http = true
    private = ["127.0.0.0/8"]
    credentials = { token = ["127.0.0.1", "*.test"] }
    partial = true
"#;

impl World {
    async fn new(grants: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("plugins");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(dir.path().join("plugins.toml"), grants).unwrap();
        let key = VaultKey::in_dir(dir.path()).unwrap();
        let vault = Arc::new(FileVault::open(&dir.path().join("vault"), key).unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
        let registry = Registry::builder()
            .builtins()
            .test_doubles()
            .folder(&folder)
            .grants_file(dir.path().join("plugins.toml"))
            .code_cache(shared_cache())
            .vault(Arc::clone(&vault) as Arc<dyn crate::credential::Vault>)
            .state(Arc::new(MemoryStore::new()))
            .clock(Arc::clone(&clock) as Arc<dyn levqor_core::time::Clock>)
            .egress(EgressOptions {
                resolver: Script::new(&[&["127.0.0.1"]]),
                ..EgressOptions::default()
            })
            .build()
            .await
            .unwrap();
        let catalog = Catalog::new();
        registry.register(&catalog).unwrap();
        let organization = Organization::local();
        Self { catalog, registry, vault, clock, organization, dir }
    }

    fn keep(&self, credential: &Credential) {
        self.vault.set(&self.organization, credential).unwrap();
    }

    async fn run(&self, connector: &str, action: &str, input: Value) -> Outcome {
        self.run_with(connector, action, input, |_| {}).await
    }

    async fn run_with(
        &self,
        connector: &str,
        action: &str,
        input: Value,
        change: impl FnOnce(&mut Call<'_>),
    ) -> Outcome {
        let connector = self.catalog.get(connector).unwrap();
        let mut call = Call::new(&self.organization, action, &input);
        change(&mut call);
        connector.run_task(call).await
    }

    fn write_grants(&self, text: &str) {
        std::fs::write(self.dir.path().join("plugins.toml"), text).unwrap();
    }

    fn plugin_file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("plugins").join(name)
    }
}

/// One folder of compiled plugins for all tests of a process: they are the same plugins.
fn shared_cache() -> std::path::PathBuf {
    static DIR: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    DIR.get_or_init(|| tempfile::tempdir().unwrap()).path().join("code")
}

fn output(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done { output, .. } => output,
        other => panic!("not done: {other:?}"),
    }
}

fn error(outcome: Outcome) -> (&'static str, RunError) {
    match outcome {
        Outcome::Failed { error } => ("failed", error),
        Outcome::Retry { error, .. } => ("retry", error),
        Outcome::Ambiguous { error } => ("ambiguous", error),
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn manifests_are_there_before_anything_is_compiled() {
    let world = World::new("").await;
    let names: Vec<String> = world.registry.plugins().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["echo", "http", "openai", "slack", "text"]);
    assert!(world.registry.plugins().iter().all(|p| !p.loaded && p.blocked.is_none()));
    assert!(world.catalog.action("slack", "post_message").is_some());
    world.run("echo", "say", json!({"a": 1})).await;
    let loaded: Vec<String> =
        world.registry.plugins().into_iter().filter(|p| p.loaded).map(|p| p.name).collect();
    assert_eq!(loaded, ["echo"]);
    let plain = Registry::builder().builtins().build().await.unwrap();
    assert!(plain.plugins().iter().all(|p| p.name != "echo"));
}

#[tokio::test]
async fn the_guest_is_told_its_context_and_configuration() {
    let world = World::new("[grant.echo]\npartial = true\nconfig = { n = 3 }").await;
    let said = output(
        world
            .run_with("echo", "context", json!({}), |call| {
                call.step = "notify[3].dm";
                call.attempt = 2;
                call.idempotency_key = "key-1";
                call.traceparent = Some("00-aa-bb-01");
                call.time_left_ms = 5_000;
            })
            .await,
    );
    assert_eq!(said["step"], "notify[3].dm");
    assert_eq!(said["attempt"], 2);
    assert_eq!(said["idempotency_key"], "key-1");
    assert_eq!(said["traceparent"], "00-aa-bb-01");
    assert_eq!(said["config"], json!({"n": 3}));
    assert_eq!(said["now_unix_ms"], 1_700_000_000_000_u64);
}

#[tokio::test]
async fn real_cost_and_reported_errors_reach_the_engine() {
    let world = World::new("").await;
    let charged = world.run("echo", "charge", json!({"credits": 42})).await;
    assert!(matches!(charged, Outcome::Done { credits: Some(42), .. }), "{charged:?}");
    let input = json!({"case": "rate_limited", "message": "slow", "retry_after_ms": 7});
    let limited = world.run("echo", "fail", input).await;
    assert!(matches!(limited, Outcome::Retry { after_ms: Some(7), .. }), "{limited:?}");
    let input = json!({"case": "permanent", "message": "no", "code": "gone_away"});
    let (what, failed) = error(world.run("echo", "fail", input).await);
    assert_eq!((what, failed.code.as_str()), ("failed", "echo.gone_away"));
}

#[tokio::test]
async fn inspection_shows_wishes_imports_and_grant() {
    let world = World::new("[grant.http]\nhosts = [\"api.example.com\"]").await;
    let text = world.registry.inspect("text").await.unwrap();
    assert!(text.hosts.is_empty() && !text.capabilities.contains(&"http".to_owned()));
    let http = world.registry.inspect("http").await.unwrap();
    assert!(http.capabilities.contains(&"http".to_owned()), "{:?}", http.capabilities);
    let crate::inspect::GrantView::Granted { hosts, .. } = &http.grant else { panic!() };
    assert_eq!(hosts, &["api.example.com"]);
    let file = include_bytes!("../../../builtin/slack.wasm");
    let slack = world.registry.inspect_file(file).await.unwrap();
    let crate::inspect::GrantView::Blocked { suggestion, .. } = &slack.grant else { panic!() };
    assert!(suggestion.contains(&slack.sha256.to_string()), "{suggestion}");
    assert_eq!(world.registry.inspect("nope").await.unwrap_err().code(), "plugin.unknown");
    let json = serde_json::to_value(&http).unwrap();
    assert_eq!(json["grant"]["status"], "granted");
}
