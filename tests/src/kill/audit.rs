//! What must be true of a folder whose worker was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use levqor_core::connector::Catalog;
use levqor_core::engine::Engine;
use levqor_core::ids::{Organization, RunId};
use levqor_core::ledger::{self, LiveRun};
use levqor_core::run::RunStatus;
use levqor_core::store::{Key, Store, Table};

use super::worker::{Failure, catalog};
use super::{Files, pipeline};
use crate::check::RunModel;
use crate::stored::{self, Place};

/// How long an engine may take to bring every run to its end.
const DRAIN: Duration = Duration::from_secs(60);

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Runs in the store.
    pub runs: u64,
    /// Answers that clients wrote down.
    pub acks: u64,
    /// Calls that the vendor wrote down.
    pub effects: u64,
}

/// Looks at a folder whose files were mended. The store must not be open elsewhere.
///
/// # Errors
/// What was lost, torn, doubled or made up.
pub async fn audit(files: &Files, store: &dyn Store) -> Result<Counts, Failure> {
    let catalog = catalog(files)?;
    let runs = runs(store, &catalog).await?;
    let mut counts = Counts { runs: runs.len() as u64, ..Counts::default() };
    let mut by_request = BTreeMap::new();
    let intents: BTreeSet<String> = lines(&files.intents).into_iter().collect();
    for (id, run) in &runs {
        let request = run.labels.get("request").cloned().unwrap_or_default();
        if !intents.contains(&request) {
            return Err(format!("{id}: nobody asked for it").into());
        }
        if let Some(other) = by_request.insert(request, *id) {
            return Err(format!("{id} and {other} are of one request").into());
        }
    }
    for ack in lines(&files.acks) {
        let (request, run) = ack.split_once(' ').ok_or("a torn line of acks")?;
        if by_request.get(request).map(ToString::to_string).as_deref() != Some(run) {
            return Err(format!("{run} was acknowledged for request {request} and is lost").into());
        }
        counts.acks += 1;
    }
    counts.effects = effects(files, &runs)?;
    let live: Vec<LiveRun> = runs
        .iter()
        .filter(|(_, run)| !run.header.status.is_final())
        .map(|(id, run)| LiveRun { run: *id, tally: run.header.tally })
        .collect();
    let report = ledger::audit(store, &Organization::local(), &live).await;
    report.map_err(|found| format!("the ledger: {found:?}"))?;
    Ok(counts)
}

fn lines(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Each call had its attempt written first, all attempts of a step had one key, and each step that
/// succeeded was really called.
fn effects(files: &Files, runs: &BTreeMap<RunId, RunModel>) -> Result<u64, Failure> {
    let mut keys: BTreeMap<(RunId, String), String> = BTreeMap::new();
    let mut count = 0;
    for line in lines(&files.effects) {
        let mut parts = line.split(' ');
        let (Some(run), Some(step), Some(attempt), Some(key)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("a torn line of effects".into());
        };
        let (id, attempt): (RunId, u32) = (run.parse()?, attempt.parse()?);
        let model = runs.get(&id).ok_or_else(|| format!("{id} was called and is not stored"))?;
        if model.attempts_of(step) < attempt {
            return Err(format!("{id}: `{step}` was called before its attempt was stored").into());
        }
        let known = keys.entry((id, step.to_owned())).or_insert_with(|| key.to_owned());
        if known != key {
            return Err(format!("{id}: two keys for `{step}`").into());
        }
        count += 1;
    }
    for (id, run) in runs {
        for step in ["a", "b", "c"] {
            let called = keys.contains_key(&(*id, step.to_owned()));
            if run.has_succeeded(step) && !called {
                return Err(format!("{id}: `{step}` succeeded and was never called").into());
            }
        }
    }
    Ok(count)
}

/// Every run, folded from its journal.
async fn runs(store: &dyn Store, catalog: &Catalog) -> Result<BTreeMap<RunId, RunModel>, Failure> {
    let pipeline = pipeline(catalog)?;
    let mut runs = BTreeMap::new();
    for table in [Table::Live, Table::Done] {
        for (key, record) in stored::scan_all(store, Key::of(table).prefix()).await? {
            let (Place::Live(organization, id) | Place::Done(organization, id)) =
                stored::place(&key)
            else {
                return Err(format!("{key:?} is no header").into());
            };
            let header = stored::header(&record.value)?;
            let keys: Vec<Key> = (0..=header.seq).map(|seq| stored::journal_key(id, seq)).collect();
            let mut found = store.get(&keys).await?;
            if found.pop().flatten().is_some() {
                return Err(format!("{id} has more records than its header counts").into());
            }
            let mut journal = Vec::new();
            for (seq, record) in (0..).zip(found) {
                let record = record.ok_or_else(|| format!("{id} lacks record {seq}"))?;
                journal.push(stored::journal(id, seq, &record.value, &|_| None)?);
            }
            let model = RunModel::replay(id, &organization, &header, &journal, pipeline.clone())?;
            if runs.insert(id, model).is_some() {
                return Err(format!("{id} is live and ended").into());
            }
        }
    }
    Ok(runs)
}

/// Brings every run to its end: each must succeed.
///
/// # Errors
/// When one does not.
pub async fn drain(files: &Files, store: Arc<dyn Store>) -> Result<(), Failure> {
    let engine = Engine::builder_on(store.clone(), catalog(files)?).build().await?;
    let (serving, served) = (engine.clone(), store.clone());
    let done = async move {
        loop {
            let live = served.scan(&Key::of(Table::Live).prefix(), 1).await;
            if live.is_ok_and(|found| found.is_empty()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(DRAIN, serving.serve(done)).await;
    ended.map_err(|_| "some runs do not end")??;
    for (id, run) in runs(&*store, engine.catalog()).await? {
        if run.header.status != RunStatus::Succeeded {
            return Err(format!("{id} ended as {}", run.header.status.as_str()).into());
        }
        if run.captured() != 3 {
            return Err(format!("{id} was charged {} credits, not 3", run.captured()).into());
        }
    }
    Ok(())
}
