//! Money under contention: a thousand runs and a hundred credits, one idempotency key and two
//! hundred callers, one run a day and two hundred starts. On memory and on sled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use levqor_core::connector::{ActionManifest, Catalog, FnConnector, Idempotency, Outcome};
use levqor_core::engine::{Engine, Error, RunHandle, Start};
use levqor_core::pipeline::Pipeline;
use levqor_core::quota::{OrganizationRecord, Plans};
use levqor_core::run::RunStatus;
use levqor_core::store::{MemoryStore, SledStore, Store};
use levqor_core::testing::ManualClock;
use levqor_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::Served;

/// `t/work` costs one credit and counts its calls.
fn catalog(calls: &Arc<AtomicU64>) -> Catalog {
    let calls = calls.clone();
    let action = ActionManifest { idempotency: Idempotency::Safe, ..ActionManifest::default() };
    let work = FnConnector::new("t").action("work", action, move |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        async { Outcome::done(Value::Null) }
    });
    Catalog::new().with(work).unwrap()
}

fn one_step() -> Value {
    json!({"steps": [{"id": "w", "uses": "t/work", "with": {}}]})
}

/// Both stores; the folder lives as long as it is needed.
fn stores() -> Vec<(&'static str, Arc<dyn Store>, Option<tempfile::TempDir>)> {
    let dir = tempfile::tempdir().unwrap();
    let sled = SledStore::open(dir.path()).unwrap();
    vec![("memory", Arc::new(MemoryStore::new()), None), ("sled", Arc::new(sled), Some(dir))]
}

/// `n` starts that leave together, each as `make` says.
async fn race(
    engine: &Engine,
    n: usize,
    make: impl Fn(usize) -> Start,
) -> Vec<Result<RunHandle, Error>> {
    let together = Arc::new(Barrier::new(n));
    let starts: Vec<_> = (0..n)
        .map(|i| {
            let (engine, start, together) = (engine.clone(), make(i), together.clone());
            tokio::spawn(async move {
                together.wait().await;
                engine.start(start).await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(n);
    for start in starts {
        results.push(start.await.unwrap());
    }
    results
}

fn start(pipeline: &Arc<Pipeline>) -> Start {
    Start::new(pipeline.clone(), Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_credits_pay_for_exactly_a_hundred_runs() {
    for (name, store, _dir) in stores() {
        let calls = Arc::default();
        let served = Served::on(store, catalog(&calls)).await;
        served.grant("start", 100).await;
        let pipeline = served.compile(one_step()).await.unwrap();
        let results = race(&served.engine, 1_000, |_| start(&pipeline)).await;
        // Where a run waited in the queue, it finds out at its first step and is paused.
        let (mut refused, mut paused, mut succeeded, mut captured) = (0, 0, 0, 0);
        for result in results {
            let run = match result {
                Ok(handle) => handle.id(),
                Err(error) => {
                    assert_eq!(error.code(), "credits.insufficient", "{name}");
                    refused += 1;
                    continue;
                }
            };
            let detail = served.settled(&served.organization, run).await;
            captured += detail.summary.credits;
            match detail.summary.status {
                RunStatus::Succeeded => succeeded += 1,
                RunStatus::Paused => {
                    assert_eq!(detail.error.unwrap().code, "credits.insufficient", "{name}");
                    paused += 1;
                }
                other => panic!("{name}: {run} is {other:?}"),
            }
        }
        assert_eq!((succeeded, captured, refused + paused), (100, 100, 900), "{name}");
        assert_eq!(calls.load(Ordering::Relaxed), 100, "{name}");
        assert_eq!(served.books().await, 0, "{name}");
        served.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_idempotency_key_starts_one_run() {
    for (name, store, _dir) in stores() {
        let calls = Arc::default();
        let served = Served::on(store, catalog(&calls)).await;
        served.grant("start", 100).await;
        let pipeline = served.compile(one_step()).await.unwrap();
        let make = |_| start(&pipeline).idempotency_key("order-4711");
        let results = race(&served.engine, 200, make).await;
        let handles: Vec<RunHandle> = results.into_iter().map(Result::unwrap).collect();
        let run = handles[0].id();
        assert!(handles.iter().all(|h| h.id() == run), "{name}");
        assert_eq!(handles.iter().filter(|h| !h.replayed()).count(), 1, "{name}");
        served.settled(&served.organization, run).await;
        let page = served.engine.list(&served.organization, None, None, 200).await.unwrap();
        assert_eq!(page.data.len(), 1, "{name}");
        assert_eq!(calls.load(Ordering::Relaxed), 1, "{name}");
        assert_eq!(served.books().await, 99, "{name}");
        // The same key for something else is refused, also long afterwards.
        let other = Start::new(pipeline, json!({"other": true})).idempotency_key("order-4711");
        let error = served.engine.start(other).await.unwrap_err();
        assert_eq!(error.code(), "idempotency.reused", "{name}");
        served.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_free_plan_has_one_run_a_day() {
    for (name, store, _dir) in stores() {
        let calls = Arc::default();
        let clock = ManualClock::new(Timestamp(1_700_000_000_000));
        let builder =
            Engine::builder_on(store, catalog(&calls)).clock(clock.clone()).plans(Plans::default());
        let served = Served::built(builder).await;
        served.grant("start", 100).await;
        let record = OrganizationRecord::new("free", served.engine.clock().now());
        served.engine.set_organization(&served.organization, &record).await.unwrap();
        let pipeline = served.compile(one_step()).await.unwrap();
        for day in 1..=3 {
            let results = race(&served.engine, 200, |_| start(&pipeline)).await;
            let (mut admitted, mut refused) = (Vec::new(), 0);
            for result in results {
                match result {
                    Ok(handle) => admitted.push(handle.id()),
                    Err(error) => {
                        assert_eq!(error.code(), "quota.runs_per_day", "{name}");
                        refused += 1;
                    }
                }
            }
            assert_eq!((admitted.len(), refused), (1, 199), "{name}, day {day}");
            let detail = served.settled(&served.organization, admitted[0]).await;
            assert_eq!(detail.summary.status, RunStatus::Succeeded, "{name}");
            assert_eq!(calls.load(Ordering::Relaxed), day, "{name}");
            clock.advance_ms(86_400_000);
        }
        // A hundred, the fifty of the plan's month, and three runs.
        assert_eq!(served.books().await, 147, "{name}");
        served.stop().await.unwrap();
    }
}
