//! What the modules share: an engine that is being served, documents, books, skips said aloud.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use levqor_core::connector::Catalog;
use levqor_core::document::{Format, parse};
use levqor_core::engine::{Builder, Engine, Error, RunDetail, Start};
use levqor_core::ids::{Organization, RunId};
use levqor_core::ledger;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::RunStatus;
use levqor_core::store::Store;
use levqor_core::time::SystemClock;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What no test here may need; a run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Says on stderr that something was not tested, past the capture of the test harness.
pub(crate) fn skip(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {what}");
}

/// Prints a figure past the capture of the test harness.
pub(crate) fn figure(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "measured: {what}");
}

/// An engine that is being served until it is stopped.
pub(crate) struct Served {
    pub(crate) engine: Engine,
    pub(crate) organization: Organization,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<levqor_core::engine::Served, Error>>,
}

impl Served {
    /// An engine on a store, with the machine's clock.
    pub(crate) async fn on(store: Arc<dyn Store>, catalog: Catalog) -> Self {
        Self::built(Engine::builder_on(store, catalog).clock(SystemClock)).await
    }

    /// An engine with other settings.
    pub(crate) async fn built(builder: Builder) -> Self {
        let engine = builder.build().await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let other = engine.clone();
        let serving = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            other.serve(shutdown).await
        });
        // Until it is served a start only enters the queue.
        tokio::task::yield_now().await;
        Self { engine, organization: Organization::local(), stop: Some(stop), serving }
    }

    /// Ends serving and says how it ended.
    pub(crate) async fn stop(mut self) -> Result<levqor_core::engine::Served, Error> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.serving.await.unwrap()
    }

    pub(crate) async fn grant(&self, reference: &str, credits: u64) {
        let now = self.engine.clock().now();
        let entry = ledger::grant(reference, credits, now).unwrap();
        ledger::post(&**self.engine.store(), &self.organization, &entry).await.unwrap();
    }

    pub(crate) async fn compile(&self, document: Value) -> Result<Arc<Pipeline>, Error> {
        self.compile_for(&self.organization, document).await
    }

    pub(crate) async fn compile_for(
        &self,
        organization: &Organization,
        document: Value,
    ) -> Result<Arc<Pipeline>, Error> {
        let parsed = parse(&whole(document).to_string(), Format::Json).map_err(Error::Invalid)?;
        self.engine.compile(organization, &parsed.document, Some(&parsed.spans)).await
    }

    /// Runs a document to its end, or until it waits for a person.
    pub(crate) async fn run(&self, document: Value, input: Value) -> RunDetail {
        self.run_for(&self.organization, document, input).await
    }

    pub(crate) async fn run_for(
        &self,
        organization: &Organization,
        document: Value,
        input: Value,
    ) -> RunDetail {
        let pipeline = self.compile_for(organization, document).await;
        let pipeline = pipeline.unwrap_or_else(|e| panic!("{e:#?}"));
        let start = Start::new(pipeline, input).organization(organization.clone());
        let run = self.engine.start(start).await.unwrap().id();
        self.settled(organization, run).await
    }

    /// The run once nothing more happens to it by itself.
    pub(crate) async fn settled(&self, organization: &Organization, run: RunId) -> RunDetail {
        let mut feed = self.engine.feed();
        let wait = async {
            loop {
                let summary = self.engine.summary(organization, run).await.unwrap();
                if summary.status.is_final() || summary.status == RunStatus::Paused {
                    return self.engine.get(organization, run).await.unwrap();
                }
                // A hint may be lost: look again now and then.
                let _ = tokio::time::timeout(Duration::from_millis(50), feed.recv()).await;
            }
        };
        within(PATIENCE, &format!("{run} does not end"), wait).await
    }

    /// What can be spent, after checking that the books are in order and nothing is held.
    pub(crate) async fn books(&self) -> i64 {
        let report = self.engine.audit(&self.organization).await.unwrap();
        assert!(report.is_ok(), "{report:#?}");
        let balance = ledger::balance(&**self.engine.store(), &self.organization).await.unwrap();
        assert_eq!(balance.held, 0);
        balance.available
    }
}

/// A document with its first two lines, where they are not there.
pub(crate) fn whole(mut document: Value) -> Value {
    let map = document.as_object_mut().unwrap();
    map.entry("schema").or_insert(json!("levqor/v1"));
    map.entry("name").or_insert(json!("test"));
    document
}

/// Waits at most this long.
pub(crate) async fn within<T>(time: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(time, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} within {time:?}"),
    }
}
