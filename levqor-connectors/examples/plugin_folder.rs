//! Embedding with plugins from a folder: what is blocked says what to grant, and a reload takes it.
//!
//! `cargo run --release -p levqor-connectors --example plugin_folder`. The folder here is a new one
//! with one component in it; a service keeps its own, beside its `plugins.toml`.
#![expect(clippy::print_stdout, reason = "an example shows what comes out")]

use levqor_connectors::grant::Grants;
use levqor_connectors::inspect::GrantView;
use levqor_connectors::registry::Registry;
use levqor_core::store::SledStore;
use levqor_core::{Catalog, Engine, Organization, Start};
use serde_json::json;

/// What `levqor plugin build` makes; this one is committed.
const COMPONENT: &[u8] = include_bytes!("../builtin/echo.wasm");

const DOCUMENT: &str = r#"
schema: levqor/v1
name: hear
steps:
  - { id: hear, uses: echo/say, with: { text: "${{ input.text }}" } }
output: "${{ steps.hear.output.text }}"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let (plugins, grants) = (home.path().join("plugins"), home.path().join("plugins/plugins.toml"));
    std::fs::create_dir(&plugins)?;
    std::fs::write(plugins.join("echo.wasm"), COMPONENT)?;

    let registry = Registry::builder()
        .folder(&plugins)
        .grants_file(&grants)
        .code_cache(home.path().join("cache"))
        .build()
        .await?;
    let catalog = Catalog::new();
    registry.register(&catalog)?;

    // Nothing is granted to a file by itself. What to write stands in the inspection.
    let found = registry.inspect("echo").await?;
    println!("{} {} asks for hosts {:?}", found.name, found.version, found.hosts);
    let GrantView::Blocked { diff, suggestion } = found.grant else {
        return Err("a file without a grant is blocked".into());
    };
    println!("blocked: {diff:?}; an operator who agrees writes to plugins.toml:\n{suggestion}");
    Grants::parse(&suggestion)?;
    std::fs::write(&grants, suggestion)?;
    println!("replaced by the reload: {:?}", registry.reload().await?.replaced);

    let engine = Engine::builder(SledStore::open(home.path().join("store"))?, catalog);
    let engine = engine.build().await?;
    let hear = engine.compile_text(&Organization::local(), DOCUMENT).await?;
    let run = engine.start(Start::new(hear, json!({ "text": "in a sandbox" }))).await?;
    engine.run_until_idle().await?;
    let result = run.wait().await?;
    println!("{:?} {:?}", result.status, result.output);
    if result.output.as_deref() != Some(&json!("in a sandbox")) {
        return Err("the run did not end well".into());
    }
    Ok(())
}
