//! The load: three in-process steps `v + 1`, by one caller or many; and runs that sleep.

use std::sync::Arc;
use std::time::{Duration, Instant};

use levqor_core::connector::{ActionManifest, Catalog, FnConnector, Idempotency, Outcome};
use levqor_core::document::PipelineDocument;
use levqor_core::engine::{Engine, Start};
use levqor_core::ids::Organization;
use levqor_core::ledger;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::RunStatus;
use levqor_core::store::Store;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An engine that serves, and how to stop it.
#[derive(Debug)]
pub struct Serving {
    /// The engine.
    pub engine: Engine,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// Why a bench could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

fn catalog() -> Result<Catalog, Failure> {
    let priced = ActionManifest::default().idempotency(Idempotency::Safe);
    let free = ActionManifest::free().idempotency(Idempotency::Safe);
    let inc = |input: Value| async move {
        Outcome::done(json!({"v": input["v"].as_i64().unwrap_or(0) + 1}))
    };
    let math = FnConnector::new("math").action("inc", priced, inc).action("inc_free", free, inc);
    Ok(Catalog::new().with(math)?)
}

/// Builds an engine on the store, gives the organization credits, and serves.
///
/// # Errors
/// When the store fails.
pub async fn serve(store: Arc<dyn Store>) -> Result<Serving, Failure> {
    let engine = Engine::builder_on(store, catalog()?).build().await?;
    let grant = ledger::grant("bench", 1_000_000_000, engine.clock().now())?;
    ledger::post(&**engine.store(), &Organization::local(), &grant).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = engine.clone();
    let server = tokio::spawn(async move {
        let ended = serving.serve(async move { drop(stopped.await) }).await;
        debug_assert!(ended.is_ok(), "{ended:?}");
    });
    tokio::task::yield_now().await;
    Ok(Serving { engine, stop, server })
}

impl Serving {
    /// Stops serving.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.server.await;
    }
}

/// The pipeline of a document.
///
/// # Errors
/// What is wrong with it.
pub async fn compile(engine: &Engine, document: Value) -> Result<Arc<Pipeline>, Failure> {
    let document = PipelineDocument::from_value(&document).map_err(|i| format!("{i:?}"))?;
    Ok(engine.compile(&Organization::local(), &document, None).await?)
}

/// Three steps of `math/inc`, a credit each, or of `math/inc_free`.
#[must_use]
pub fn three_steps(action: &str) -> Value {
    let uses = format!("math/{action}");
    json!({"schema": "levqor/v1", "name": "three", "steps": [
        {"id": "a", "uses": uses, "with": {"v": "${{ input.v }}"}},
        {"id": "b", "uses": uses, "with": {"v": "${{ steps.a.output.v }}"}},
        {"id": "c", "uses": uses, "with": {"v": "${{ steps.b.output.v }}"}},
    ]})
}

/// One step that sleeps for a day.
#[must_use]
pub fn sleeper() -> Value {
    json!({"schema": "levqor/v1", "name": "sleeper", "steps": [
        {"id": "nap", "uses": "core/sleep", "with": {"for": "1d"}},
    ]})
}

async fn one(engine: &Engine, pipeline: &Arc<Pipeline>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let handle = engine.start(Start::new(pipeline.clone(), json!({"v": 0}))).await?;
    let result = handle.wait().await?;
    let took = begun.elapsed();
    let good =
        result.status == RunStatus::Succeeded && result.output.as_deref() == Some(&json!({"v": 3}));
    if good { Ok(took) } else { Err(format!("a run came to {result:?}").into()) }
}

/// Starts `runs` runs, at most `in_flight` at a time, each to its end: the whole time, and each
/// run's.
///
/// # Errors
/// When a run does not come to 3.
pub async fn closed_loop(
    engine: &Engine,
    pipeline: &Arc<Pipeline>,
    runs: usize,
    in_flight: usize,
) -> Result<(Duration, Vec<Duration>), Failure> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..in_flight.min(runs))
        .map(|caller| {
            let (engine, pipeline) = (engine.clone(), pipeline.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in (caller..runs).step_by(in_flight) {
                    times.push(one(&engine, &pipeline).await?);
                }
                Ok::<_, Failure>(times)
            })
        })
        .collect();
    let mut times = Vec::with_capacity(runs);
    for caller in callers {
        times.extend(caller.await??);
    }
    Ok((begun.elapsed(), times))
}

/// Starts `runs` runs that sleep.
///
/// # Errors
/// When the store fails.
pub async fn sleepers(engine: &Engine, runs: usize) -> Result<(), Failure> {
    let pipeline = compile(engine, sleeper()).await?;
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let (engine, pipeline) = (engine.clone(), pipeline.clone());
            tokio::spawn(async move {
                for _ in (caller..runs).step_by(64) {
                    engine.start(Start::new(pipeline.clone(), json!({}))).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(())
}
