//! The engine's own behaviour on the memory store; documents and hosts are tested elsewhere.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::connector::{ActionManifest, Catalog, FnConnector, Idempotency, Outcome};
use crate::expr::Template;
use crate::ids::ContentHash;
use crate::pipeline::{Block, Step, StepKind};
use crate::store::memory::MemoryStore;

fn catalog() -> Catalog {
    let safe = || ActionManifest { idempotency: Idempotency::Safe, ..ActionManifest::default() };
    let math = FnConnector::new("math").action("inc", safe(), |input: Value| async move {
        Outcome::done(json!({"v": input["v"].as_i64().unwrap_or(0) + 1}))
    });
    Catalog::new().with(math).unwrap()
}

fn call(catalog: &Catalog, id: &str, with: Value) -> Step {
    Step {
        id: id.into(),
        condition: None,
        kind: StepKind::Call {
            connector: "math".into(),
            action: "inc".into(),
            with: Template::parse(&with).unwrap(),
            credential: None,
            info: catalog.info("math", "inc").unwrap(),
        },
        retry: crate::pipeline::RetryPolicy::default(),
        timeout_ms: None,
    }
}

fn three_steps(catalog: &Catalog) -> Arc<Pipeline> {
    let steps = vec![
        call(catalog, "a", json!({"v": "${{ input.v }}"})),
        call(catalog, "b", json!({"v": "${{ steps.a.output.v }}"})),
        call(catalog, "c", json!({"v": "${{ steps.b.output.v }}"})),
    ];
    Arc::new(Pipeline {
        name: "three".into(),
        hash: ContentHash::of(b"three"),
        source: "{}".into(),
        input: None,
        vars: Arc::new(Value::Null),
        root: Block { steps, needs: None },
        on_failure: None,
        output: None,
        priority: 3,
        timeout_ms: None,
        limits: crate::pipeline::Limits::default(),
        concurrency: None,
        triggers: Vec::new(),
        subs: Default::default(),
        depth: 1,
    })
}

async fn rich(store: &dyn Store) {
    let entry = crate::ledger::grant("test", 1_000_000, crate::time::Timestamp(1)).unwrap();
    crate::ledger::post(store, &Organization::local(), &entry).await.unwrap();
}

#[tokio::test]
async fn a_run_ends_and_is_charged_once() {
    let catalog = catalog();
    let pipeline = three_steps(&catalog);
    let engine = Engine::builder(MemoryStore::new(), catalog).build().await.unwrap();
    rich(&**engine.store()).await;
    let handle = engine.start(Start::new(pipeline, json!({"v": 0}))).await.unwrap();
    let id = handle.id();
    engine.run_until_idle().await.unwrap();
    let result = handle.wait().await.unwrap();
    assert_eq!(*result.output.unwrap(), json!({"v": 3}));
    let local = Organization::local();
    assert_eq!(engine.get(&local, id).await.unwrap().summary.credits, 3);
    let balance = crate::ledger::balance(&**engine.store(), &local).await.unwrap();
    assert_eq!((balance.available, balance.held), (999_997, 0));
    crate::ledger::audit(&**engine.store(), &local, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_in_flight() {
    let catalog = catalog();
    let pipeline = three_steps(&catalog);
    #[cfg(feature = "sled")]
    let dir = tempfile::tempdir_in(".").unwrap();
    let store: Arc<dyn Store> = match std::env::var("S").as_deref() {
        #[cfg(feature = "sled")]
        Ok("sled") => Arc::new(crate::store::sled::SledStore::open(dir.path()).unwrap()),
        _ => Arc::new(MemoryStore::new()),
    };
    let engine = Engine::builder_on(store, catalog).build().await.unwrap();
    rich(&**engine.store()).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = engine.clone();
    let server = tokio::spawn(async move {
        serving
            .serve(async {
                let _ = stopped.await;
            })
            .await
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let callers: Vec<_> = (0..64)
        .map(|c| {
            let (engine, pipeline) = (engine.clone(), pipeline.clone());
            tokio::spawn(async move {
                for _ in (c..n).step_by(64) {
                    let start = Start::new(pipeline.clone(), json!({"v": 0}));
                    let result = engine.start(start).await.unwrap().wait().await.unwrap();
                    assert_eq!(*result.output.unwrap(), json!({"v": 3}));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    eprintln!("{:.0} runs/s", n as f64 / begun.elapsed().as_secs_f64());
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
