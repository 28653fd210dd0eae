//! The engine's behaviour on the memory store and a clock that stands until it is moved.

mod control;
mod flow;
mod hosts;
mod money;
mod observed;
mod timed;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::connector::{ActionManifest, Catalog, FnConnector, Idempotency, Outcome, Price};
use crate::document::{Format, Parsed};
use crate::error::{ErrorKind, RunError};
use crate::pipeline::Pipeline;
use crate::run::Event;
use crate::store::Table;
use crate::store::memory::MemoryStore;
use crate::testing::{ManualClock, SeededIds};
use crate::time::Timestamp;

/// An engine with connectors that do as they are told.
struct World {
    engine: Engine,
    clock: ManualClock,
    calls: Arc<Mutex<Vec<String>>>,
    organization: Organization,
}

fn action(idempotency: Idempotency) -> ActionManifest {
    ActionManifest { idempotency, ..ActionManifest::default() }
}

/// `t/echo` answers its input, `t/inc` adds one to `v`, `t/fail` fails as `kind` says while its
/// counter is below `times`, `t/unsafe` the same without idempotency, `t/hang` never ends.
fn connector(calls: &Arc<Mutex<Vec<String>>>) -> FnConnector {
    let log = |calls: &Arc<Mutex<Vec<String>>>, name: &str, input: &Value| {
        let mut calls = calls.lock();
        calls.push(format!("{name} {input}"));
        calls.iter().filter(|c| **c == format!("{name} {input}")).count() as u64
    };
    let failing = |calls: Arc<Mutex<Vec<String>>>, name: &'static str| {
        move |input: Value| {
            let seen = log(&calls, name, &input);
            async move {
                if seen > input["times"].as_u64().unwrap_or(u64::MAX) {
                    return Outcome::done(json!({ "after": seen }));
                }
                let kind: ErrorKind = serde_json::from_value(input["kind"].clone()).unwrap();
                let error = RunError::new(kind, "test.fail", "as told");
                match input["as"].as_str() {
                    Some("ambiguous") => Outcome::Ambiguous { error },
                    Some("retry") => Outcome::Retry { after_ms: input["after_ms"].as_u64(), error },
                    _ => Outcome::Failed { error },
                }
            }
        }
    };
    let (echo, inc) = (calls.clone(), calls.clone());
    FnConnector::new("t")
        .action("echo", action(Idempotency::Safe), move |input| {
            log(&echo, "echo", &input);
            async move { Outcome::done(input) }
        })
        .action("inc", action(Idempotency::Safe), move |input| {
            log(&inc, "inc", &input);
            async move { Outcome::done(json!({"v": input["v"].as_i64().unwrap_or(0) + 1})) }
        })
        .action("fail", action(Idempotency::Safe), failing(calls.clone(), "fail"))
        .action("unsafe", action(Idempotency::Unsafe), failing(calls.clone(), "unsafe"))
        .action(
            "dear",
            ActionManifest {
                idempotency: Idempotency::Safe,
                price: Price { base: 10, max: Some(40) },
                ..ActionManifest::default()
            },
            |input| async move {
                Outcome::Done { output: Value::Null, credits: input["costs"].as_u64() }
            },
        )
        .action("hang", action(Idempotency::Safe), hanging(calls.clone()))
        .action("unsafe_hang", action(Idempotency::Unsafe), hanging(calls.clone()))
}

/// Never ends, unless the log says `let go`.
fn hanging(
    calls: Arc<Mutex<Vec<String>>>,
) -> impl Fn(Value) -> futures_util::future::BoxFuture<'static, Outcome> {
    move |_| {
        let free = calls.lock().iter().any(|c| c == "let go");
        Box::pin(async move {
            if !free {
                std::future::pending::<()>().await;
            }
            Outcome::done(Value::Null)
        })
    }
}

impl World {
    async fn new() -> Self {
        Self::on(MemoryStore::new()).await
    }

    async fn on(store: MemoryStore) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let clock = ManualClock::new(Timestamp(1_700_000_000_000));
        let catalog = Catalog::new().with(connector(&calls)).unwrap();
        let engine = Engine::builder(store, catalog)
            .clock(clock.clone())
            .ids(SeededIds::new(7))
            .build()
            .await
            .unwrap();
        let world = Self { engine, clock, calls, organization: Organization::local() };
        world.grant("start", 1_000).await;
        world
    }

    async fn grant(&self, reference: &str, credits: u64) {
        let entry = crate::ledger::grant(reference, credits, Timestamp(1)).unwrap();
        let store = &**self.engine.store();
        crate::ledger::post(store, &self.organization, &entry).await.unwrap();
    }

    fn parse(&self, mut document: Value) -> Parsed {
        let map = document.as_object_mut().unwrap();
        map.entry("schema").or_insert(json!("levqor/v1"));
        map.entry("name").or_insert(json!("test"));
        crate::document::parse(&document.to_string(), Format::Json).unwrap()
    }

    async fn compile(&self, document: Value) -> Arc<Pipeline> {
        let parsed = self.parse(document);
        let compiled =
            self.engine.compile(&self.organization, &parsed.document, Some(&parsed.spans)).await;
        compiled.unwrap_or_else(|e| panic!("{e:?}"))
    }

    async fn start(&self, document: Value, input: Value) -> RunId {
        let pipeline = self.compile(document).await;
        self.engine.start(Start::new(pipeline, input)).await.unwrap().id()
    }

    /// Starts, then drives until nothing is ready, letting time pass for timers.
    async fn run(&self, document: Value, input: Value) -> RunDetail {
        let run = self.start(document, input).await;
        self.finish(run).await
    }

    async fn finish(&self, run: RunId) -> RunDetail {
        for _ in 0..1_000 {
            let next = self.engine.run_until_idle().await.unwrap();
            let detail = self.get(run).await;
            let waits = matches!(detail.summary.status, RunStatus::Waiting | RunStatus::Running);
            match next {
                Some(at) if waits => self.clock.set(at),
                _ => return detail,
            }
        }
        panic!("{run} does not end");
    }

    async fn get(&self, run: RunId) -> RunDetail {
        self.engine.get(&self.organization, run).await.unwrap()
    }

    async fn events(&self, run: RunId) -> Vec<Event> {
        let journal = self.engine.journal(&self.organization, run, 0).await.unwrap();
        journal.into_iter().flat_map(|(_, record)| record.events).collect()
    }

    fn called(&self, name: &str) -> usize {
        self.calls.lock().iter().filter(|c| c.starts_with(name)).count()
    }

    /// Nothing is held, and the books agree.
    async fn books(&self) -> (i64, i64) {
        let store = &**self.engine.store();
        let report = self.engine.audit(&self.organization).await.unwrap();
        assert!(report.is_ok(), "{report:?}");
        let balance = crate::ledger::balance(store, &self.organization).await.unwrap();
        (balance.available, balance.held)
    }
}
