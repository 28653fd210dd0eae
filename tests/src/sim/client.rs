//! The clients: people and programs that start runs, change them, and remember what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use levqor_core::engine::{Decision, Engine, Error, Replay, Start};
use levqor_core::ids::{ContentHash, Organization, RunId};
use levqor_core::ledger;
use levqor_core::pipeline::Pipeline;
use levqor_core::store::CommitError;
use levqor_core::testing::{ManualClock, Rng};
use levqor_core::time::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Idempotency keys in use: few, so that they are used again.
const KEYS: u64 = 4;

/// One request to start a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose.
    pub organization: Organization,
    /// Which pipeline.
    pub hash: ContentHash,
    /// Its input.
    pub input: Value,
    /// Its key.
    pub key: Option<String>,
}

/// What a client was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A run was accepted (or had been, under the same key) for this request.
    Started(usize, RunId),
    /// A run was started from another one.
    Continued(Organization, RunId),
    /// A run was cancelled.
    Cancelled(RunId),
    /// A run was paused.
    Paused(RunId),
}

/// What clients know and remember.
#[derive(Debug, Default)]
pub struct Book {
    /// Every request that was made, in order.
    pub requests: Mutex<Vec<Request>>,
    /// Answers that were not checked yet.
    pub told: Mutex<Vec<Told>>,
    /// Runs that clients know of.
    pub runs: Mutex<Vec<(Organization, RunId)>>,
    /// Errors that no client should see.
    pub wrong: Mutex<Vec<String>>,
    /// No more requests.
    pub closed: AtomicBool,
    grants: Mutex<u64>,
}

/// Two organizations: one rich, one poor.
#[must_use]
pub fn organization(index: u64) -> Organization {
    let id = if index == 0 { "rich" } else { "poor" };
    Organization::new(id).unwrap_or_else(|_| Organization::local())
}

/// One client of one engine.
#[derive(Debug)]
pub struct Client {
    /// The engine.
    pub engine: Engine,
    /// What is remembered.
    pub book: Arc<Book>,
    /// Pipelines to start.
    pub pipelines: Arc<Vec<Arc<Pipeline>>>,
    /// Its own dice.
    pub rng: Rng,
    /// The time.
    pub clock: ManualClock,
}

impl Client {
    /// Makes `requests` requests.
    pub async fn work(mut self, requests: u64) {
        for _ in 0..requests {
            let nap = self.rng.below(300);
            self.clock.sleep_until(self.clock.now().plus_ms(nap)).await;
            if self.book.closed.load(Ordering::Relaxed) {
                return;
            }
            let done = self.request().await;
            if let Err(error) = done
                && !expected(&error)
            {
                self.book.wrong.lock().push(format!("a client was told: {error} ({error:?})"));
            }
        }
    }

    async fn request(&mut self) -> Result<(), Error> {
        let roll = self.rng.below(100);
        if roll < 50 {
            return self.start(roll >= 38).await;
        }
        let known = self.book.runs.lock().clone();
        // Young runs are the interesting ones.
        let recent = &known[known.len().saturating_sub(6)..];
        let Some((organization, run)) = self.rng.pick(recent).cloned() else {
            return self.start(false).await;
        };
        let engine = &self.engine;
        match roll {
            50..=60 => {
                engine.cancel(&organization, run).await?;
                self.tell(Told::Cancelled(run));
            }
            61..=67 => {
                engine.pause(&organization, run).await?;
                self.tell(Told::Paused(run));
            }
            68..=75 => {
                let handle = engine.resume(&organization, run, None).await?;
                self.tell(Told::Continued(organization, handle.id()));
            }
            76..=81 => self.decide(&organization, run).await?,
            82..=87 => {
                engine.publish(&organization, "go", json!({"n": 1})).await?;
            }
            88..=90 => {
                let handle = engine.replay(&organization, run, Replay::default()).await?;
                self.tell(Told::Continued(organization, handle.id()));
            }
            91..=93 => self.grant(&organization).await?,
            94..=96 => {
                engine.list(&organization, None, None, 10).await?;
            }
            _ => {
                engine.get(&organization, run).await?;
                engine.journal(&organization, run, 0).await?;
            }
        }
        Ok(())
    }

    async fn start(&mut self, keyed: bool) -> Result<(), Error> {
        let Some(pipeline) = self.rng.pick(&self.pipelines).cloned() else { return Ok(()) };
        let organization = organization(self.rng.below(4) / 3);
        let key = keyed.then(|| format!("key-{}", self.rng.below(KEYS)));
        // The same key mostly means the same request.
        let n = if keyed && self.rng.chance(90) { 7 } else { self.rng.below(10) };
        let pipeline = match &key {
            Some(_) => self.pipelines.first().cloned().unwrap_or(pipeline),
            None => pipeline,
        };
        let request = Request {
            organization: organization.clone(),
            hash: pipeline.hash(),
            input: json!({"n": n}),
            key: key.clone(),
        };
        let index = {
            let mut requests = self.book.requests.lock();
            requests.push(request.clone());
            requests.len() - 1
        };
        let mut start = Start::new(pipeline, request.input).organization(organization.clone());
        start.labels = BTreeMap::from([("request".to_owned(), index.to_string())]);
        start.idempotency_key = key;
        if self.rng.chance(10) {
            start.delay_until = Some(self.clock.now().plus_ms(self.rng.below(2_000)));
        }
        if self.rng.chance(10) {
            start.max_credits = Some(self.rng.below(8));
        }
        let handle = self.engine.start(start).await?;
        self.tell(Told::Started(index, handle.id()));
        self.book.runs.lock().push((organization, handle.id()));
        Ok(())
    }

    async fn decide(&mut self, organization: &Organization, run: RunId) -> Result<(), Error> {
        let step = format!("s{}", 1 + self.rng.below(9));
        let approved = self.rng.chance(50);
        let decision = Decision { step, approved, form: json!({}), by: "somebody".to_owned() };
        self.engine.decide(organization, run, &decision).await
    }

    async fn grant(&mut self, organization: &Organization) -> Result<(), Error> {
        let number = {
            let mut grants = self.book.grants.lock();
            *grants += 1;
            *grants
        };
        let entry = ledger::grant(&format!("grant-{number}"), 5, self.clock.now());
        if let Ok(entry) = entry {
            // A refusal is the ledger's business; the books are checked anyway.
            let _ = ledger::post(&**self.engine.store(), organization, &entry).await;
        }
        Ok(())
    }

    fn tell(&self, told: Told) {
        self.book.told.lock().push(told);
    }
}

/// Whether an error is one that clients must live with.
fn expected(error: &Error) -> bool {
    match error {
        Error::Refused(_)
        | Error::Quota { .. }
        | Error::NotFound { .. }
        | Error::Store(_)
        | Error::Stopped => true,
        Error::Commit(error) => matches!(
            error,
            CommitError::Unknown | CommitError::Conflict { .. } | CommitError::Poisoned(_)
        ),
        _ => false,
    }
}
