//! Embedding with closures as connectors: two durable steps, one of them flaky.
//!
//! `cargo run --release -p levqor-core --example closures`. Plugins: `levqor-connectors/examples`.
#![expect(clippy::print_stdout, reason = "an example shows what came out")]

use std::sync::atomic::{AtomicU32, Ordering};

use levqor_core::store::SledStore;
use levqor_core::{ActionManifest, Catalog, Engine, ErrorKind, FnConnector, Idempotency};
use levqor_core::{Organization, Outcome, RunError, Start};
use serde_json::json;

const DOCUMENT: &str = r#"
schema: levqor/v1
name: order
steps:
  - { id: price, uses: shop/price, with: { pieces: "${{ input.pieces }}" } }
  - id: pay
    uses: shop/pay
    with: { cents: "${{ steps.price.output.cents }}" }
    retry: { max_attempts: 3, delay: 50ms }
output: "${{ steps.pay.output.receipt }}"
"#;

fn shop() -> FnConnector {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let safe = ActionManifest::free().idempotency(Idempotency::Safe);
    FnConnector::new("shop")
        .action("price", safe.clone(), |input| async move {
            Outcome::done(json!({ "cents": input["pieces"].as_i64().unwrap_or(0) * 250 }))
        })
        .action("pay", safe, |input| async move {
            if CALLS.fetch_add(1, Ordering::Relaxed) > 0 {
                return Outcome::done(json!({ "receipt": format!("paid {}", input["cents"]) }));
            }
            let error = RunError::new(ErrorKind::Unavailable, "bank.busy", "the bank is busy");
            Outcome::Retry { after_ms: None, error }
        })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let catalog = Catalog::new().with(shop())?;
    let engine = Engine::builder(SledStore::open(folder.path())?, catalog).build().await?;
    let order = engine.compile_text(&Organization::local(), DOCUMENT).await?;
    let run = engine.start(Start::new(order, json!({ "pieces": 3 }))).await?;
    println!("{} is accepted, and durable from here", run.id());
    // A service passes its shutdown signal; this one stops when the run has ended.
    let mut ended = None;
    engine.serve(async { ended = Some(run.wait().await) }).await?;
    println!("{ended:?}");
    Ok(())
}
