//! The process that is killed: an engine that serves, and clients that write down what they hear.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use levqor_core::connector::{Call, Catalog, Connector, Manifest, Outcome};
use levqor_core::engine::{Engine, Start};
use levqor_core::ids::Organization;
use levqor_core::ledger;
use serde_json::json;

use super::planted::{self, KillMutant};
use super::{Files, manifest, pipeline};

/// Clients at work at once.
const CLIENTS: u64 = 16;
/// Credits that no loop uses up.
const CREDITS: u64 = 1_000_000_000;

/// Why a worker or a controller could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A vendor that writes down each call before it answers.
#[derive(Debug)]
struct Counter {
    manifest: Manifest,
    effects: File,
}

#[async_trait]
impl Connector for Counter {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    async fn run_task(&self, call: Call<'_>) -> Outcome {
        let Call { run, step, attempt, idempotency_key: key, .. } = call;
        // One write with O_APPEND: whole or not at all, for a process that dies.
        let line = format!("{run} {step} {attempt} {key}\n");
        match (&self.effects).write_all(line.as_bytes()) {
            Ok(()) => Outcome::done(json!({"n": call.input["n"]})),
            Err(_) => std::future::pending().await,
        }
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The connectors of both sides.
///
/// # Errors
/// When the file of effects cannot be opened.
pub fn catalog(files: &Files) -> Result<Catalog, Failure> {
    let counter = Counter { manifest: manifest(), effects: append(&files.effects)? };
    Ok(Catalog::new().with(counter)?)
}

/// Works until killed. Says `ready` once it serves.
///
/// # Errors
/// When the store cannot be opened or fails.
#[expect(clippy::print_stdout, reason = "the controller waits for this line")]
pub async fn work(dir: &Path, mutant: Option<KillMutant>) -> Result<(), Failure> {
    let files = Files::of(dir);
    let catalog = catalog(&files)?;
    let pipeline = pipeline(&catalog)?;
    let engine = Engine::builder_on(planted::open(&files.store, mutant)?, catalog).build().await?;
    let grant = ledger::grant("kill", CREDITS, engine.clock().now())?;
    ledger::post(&**engine.store(), &Organization::local(), &grant).await?;
    let text = std::fs::read_to_string(&files.intents).unwrap_or_default();
    let next = Arc::new(AtomicU64::new(text.lines().count() as u64));
    for _ in 0..CLIENTS {
        let (engine, pipeline, next) = (engine.clone(), pipeline.clone(), next.clone());
        let (mut intents, mut acks) = (append(&files.intents)?, append(&files.acks)?);
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                // One write: parts of two clients' lines must not mix.
                intents.write_all(format!("{number}\n").as_bytes())?;
                let mut start = Start::new(pipeline.clone(), json!({"n": number}));
                start.labels.insert("request".to_owned(), number.to_string());
                start.idempotency_key = Some(number.to_string());
                let handle = engine.start(start).await?;
                acks.write_all(format!("{number} {}\n", handle.id()).as_bytes())?;
                handle.wait().await?;
            }
            #[expect(unreachable_code, reason = "names the error's type")]
            Ok::<(), Failure>(())
        });
    }
    println!("ready");
    engine.serve(std::future::pending()).await?;
    Ok(())
}
