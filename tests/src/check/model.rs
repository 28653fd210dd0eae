//! All runs and balances, as the commits say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use levqor_core::ids::{ContentHash, Organization, RunId};
use levqor_core::ledger::{self, LiveRun, Net, Posting};
use levqor_core::pipeline::Pipeline;
use levqor_core::run::{Header, RunStatus};
use levqor_core::store::{Batch, Counter, Key, Store, Table, Value};

use super::RunModel;
use crate::stored::{self, Place};

/// All runs and balances, as the commits say.
#[derive(Debug, Default)]
pub struct Model {
    /// Every run that was committed.
    pub runs: BTreeMap<RunId, RunModel>,
    /// Whether several engines may work on the store.
    pub shared: bool,
    /// Pipelines that runs may be pinned to.
    pub pipelines: HashMap<ContentHash, Arc<Pipeline>>,
    /// Of each organization: what came from outside, what is held, what was captured.
    sums: BTreeMap<String, Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    given: i64,
    held: i64,
    captured: i64,
}

impl Model {
    /// Takes in a commit. Returns the run it is about, where it is about one.
    ///
    /// # Errors
    /// Whatever must not happen.
    pub fn commit(&mut self, by: u32, batch: &Batch) -> Result<Option<RunId>, String> {
        let (mut head, mut record, mut letter) = (None, None, None);
        for (key, value) in &batch.set {
            match stored::place(key) {
                Place::Live(organization, run) => head = Some((organization, run, value, false)),
                Place::Done(organization, run) => {
                    if head.is_some() {
                        return Err(format!("{run} is written as live and as ended"));
                    }
                    head = Some((organization, run, value, true));
                }
                Place::Journal(run, seq) => record = Some((run, seq, value)),
                Place::DeadLetter(_, run) => letter = Some(run),
                Place::Other(table) if table == Table::Ledger as u8 => self.post(batch, value)?,
                Place::Other(_) => {}
            }
        }
        let Some((organization, run, value, ended)) = head else {
            return match record {
                Some((run, ..)) => Err(format!("{run}: a journal record without a header")),
                None => Ok(None),
            };
        };
        let header = stored::header(value)?;
        if header.status.is_final() != ended {
            return Err(format!("{run}: a {} header in the wrong table", header.status.as_str()));
        }
        if (header.status == RunStatus::Dead) != (letter == Some(run)) {
            return Err(format!("{run}: {} and its dead letter differ", header.status.as_str()));
        }
        self.leaves_live(batch, run, ended)?;
        let record = match record {
            Some((of, seq, value)) if of == run => Some((seq, value)),
            Some((of, ..)) => return Err(format!("a record of {of} in a commit of {run}")),
            None => None,
        };
        self.run(by, &organization, run, &header, record, batch)?;
        Ok(Some(run))
    }

    fn leaves_live(&self, batch: &Batch, run: RunId, ended: bool) -> Result<(), String> {
        let gone = |k: &Key| matches!(stored::place(k), Place::Live(_, of) if of == run);
        if ended && self.runs.contains_key(&run) && !batch.delete.iter().any(gone) {
            return Err(format!("{run} ended and stays among the live ones"));
        }
        Ok(())
    }

    fn run(
        &mut self,
        by: u32,
        organization: &str,
        run: RunId,
        header: &Header,
        record: Option<(u64, &Value)>,
        batch: &Batch,
    ) -> Result<(), String> {
        let piece =
            |key: &Key| batch.set.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
        let read = match record {
            Some((seq, value)) => Some((seq, stored::journal(run, seq, value, &piece)?)),
            None => None,
        };
        let before = match self.runs.get_mut(&run) {
            Some(model) => {
                if let Some((seq, _)) = &read
                    && *seq != model.header.seq
                {
                    return Err(format!("{run}: record {seq} written at {}", model.header.seq));
                }
                let before = (model.held(), model.captured());
                model.commit(by, header, read.as_ref().map(|(_, record)| record))?;
                before
            }
            None => {
                let Some((0, record)) = &read else {
                    return Err(format!("{run}: its first commit has no first record"));
                };
                let pipeline = self.pipelines.get(&header.hash).cloned();
                let pipeline = pipeline.ok_or_else(|| format!("{run}: an unknown version"))?;
                let model =
                    RunModel::new(run, organization, by, header, record, pipeline, self.shared)?;
                self.runs.insert(run, model);
                (0, 0)
            }
        };
        let Some(model) = self.runs.get(&run) else { return Ok(()) };
        if model.organization != organization {
            return Err(format!("{run} of {} under {organization}", model.organization));
        }
        let sums = self.sums.entry(organization.to_owned()).or_default();
        sums.held += model.held().cast_signed() - before.0.cast_signed();
        sums.captured += model.captured().cast_signed() - before.1.cast_signed();
        Ok(())
    }

    fn post(&mut self, batch: &Batch, value: &Value) -> Result<(), String> {
        let Some(lane) = &batch.lane else { return Err("a posting without a lane".to_owned()) };
        // The keys of marks hold a time, not a posting.
        let Ok(Posting::Entry(entry)) = Posting::from_value(value) else { return Ok(()) };
        let net = Net::of(&[entry]).map_err(|e| e.to_string())?;
        self.sums.entry(lane.to_string()).or_default().given += net.available;
        Ok(())
    }

    /// The stored counters are what the runs and postings come to, and none is below 0.
    ///
    /// # Errors
    /// Which one is not.
    pub async fn balances(&self, store: &dyn Store) -> Result<(), String> {
        for (organization, sums) in &self.sums {
            let of = [ledger::AVAILABLE, ledger::HELD];
            let of = of.map(|slot| Counter::new(organization.as_str(), slot));
            let found = store.counters(&of).await.map_err(|e| e.to_string())?;
            let wanted = [sums.given - sums.held - sums.captured, sums.held];
            if found != wanted {
                return Err(format!(
                    "{organization} has [available, held] {found:?}, its runs say {wanted:?}"
                ));
            }
            if found.iter().any(|n| *n < 0) {
                return Err(format!("{organization} has a balance below 0: {found:?}"));
            }
        }
        Ok(())
    }

    /// The whole store is what the commits came to, and the ledger's own audit finds nothing.
    ///
    /// # Errors
    /// What differs.
    pub async fn audit(&self, store: &dyn Store) -> Result<(), String> {
        let mut seen = 0;
        for table in [Table::Live, Table::Done] {
            for (key, record) in stored::scan_all(store, Key::of(table).prefix()).await? {
                let (Place::Live(_, run) | Place::Done(_, run)) = stored::place(&key) else {
                    return Err(format!("{key:?} is no header"));
                };
                let header = stored::header(&record.value)?;
                let known = self.runs.get(&run).map(|model| &model.header);
                if known != Some(&header) {
                    return Err(format!("{run} is stored as {header:?}, committed as {known:?}"));
                }
                seen += 1;
            }
        }
        if seen != self.runs.len() {
            return Err(format!("{seen} runs are stored, {} were committed", self.runs.len()));
        }
        for organization in self.sums.keys() {
            let live: Vec<LiveRun> = self
                .runs
                .iter()
                .filter(|(_, m)| m.organization == *organization && !m.header.status.is_final())
                .map(|(run, m)| LiveRun { run: *run, tally: m.header.tally })
                .collect();
            let id = Organization::new(organization).map_err(|e| e.to_string())?;
            ledger::audit(store, &id, &live).await.map_err(|found| format!("{found:?}"))?;
        }
        Ok(())
    }
}
