//! Calls of a plugin without IO: `echo/say` with about 1 KiB of JSON, a fresh instance each.

use std::sync::Arc;
use std::time::Instant;

use levqor_connectors::registry::Registry;
use levqor_core::{Call, Catalog, Connector, Organization, Outcome};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Figure;
use super::load::Failure;

/// Who call at once in the second part.
const CALLERS: usize = 64;

/// Calls one at a time, then by 64 tasks, and prints what they took.
///
/// # Errors
/// When a call fails.
pub async fn run(runs: usize) -> Result<(), Failure> {
    let registry = Registry::builder().test_doubles().build().await?;
    let catalog = Catalog::new();
    registry.register(&catalog)?;
    let echo = catalog.get("echo").ok_or("no echo")?;
    let input = Arc::new(input());
    for _ in 0..1_000 {
        one(&*echo, &input).await?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begun = Instant::now();
        one(&*echo, &input).await?;
        times.push(begun.elapsed());
    }
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (echo, input) = (echo.clone(), input.clone());
        callers.spawn(async move {
            for _ in 0..runs / CALLERS {
                one(&*echo, &input).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    let calls = (runs / CALLERS * CALLERS) as f64;
    Figure::new("call", "none")
        .with("runs", runs)
        .percentiles("us", &mut times)
        .with("calls_s", (calls / begun.elapsed().as_secs_f64()).round())
        .print();
    Ok(())
}

async fn one(echo: &dyn Connector, input: &Value) -> Result<(), Failure> {
    match echo.run_task(Call::new(&Organization::local(), "say", input)).await {
        Outcome::Done { .. } => Ok(()),
        other => Err(format!("the call failed: {other:?}").into()),
    }
}

fn input() -> Value {
    let items: Vec<_> = (0..12)
        .map(|n| json!({"id": n, "name": format!("item number {n}"), "price": 9.5}))
        .collect();
    json!({"order": "ord_123", "items": items, "note": "x".repeat(400)})
}
