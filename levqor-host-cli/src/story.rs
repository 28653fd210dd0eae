//! A run's steps, told from its journal: the pure fold behind `runs show`.

use std::collections::HashMap;

use levqor_core::RunError;
use levqor_core::pipeline::Pipeline;
use levqor_core::run::{Event, JournalRecord, path_of};
use levqor_core::time::Timestamp;
use serde::Serialize;

/// One step of a run, as far as it got.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StepRow {
    /// Its path: `notify[3].dm`.
    pub(crate) step: String,
    /// `running waiting retrying succeeded skipped failed cancelled reused`.
    pub(crate) status: &'static str,
    /// Calls made.
    pub(crate) attempts: u32,
    /// Credits charged.
    pub(crate) credits: u64,
    /// When it began.
    pub(crate) began: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Timestamp>,
    /// When it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<RunError>,
}

/// The steps in the order in which they began.
pub(crate) fn steps(pipeline: &Pipeline, records: &[(u64, JournalRecord)]) -> Vec<StepRow> {
    let mut story = Story { pipeline, rows: Vec::new(), places: HashMap::new() };
    for (_, record) in records {
        record.events.iter().for_each(|event| story.see(record.at, event));
    }
    story.rows
}

struct Story<'p> {
    pipeline: &'p Pipeline,
    rows: Vec<StepRow>,
    places: HashMap<String, usize>,
}

impl Story<'_> {
    fn see(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::StepEntered { at, .. } => {
                self.row(at, now);
            }
            Event::AttemptOpened { at, attempt, .. } => {
                let row = self.row(at, now);
                (row.status, row.due) = ("running", None);
                row.attempts = *attempt;
            }
            Event::AttemptSucceeded { at, charged, .. } => {
                let row = self.end(at, now, "succeeded");
                row.credits += charged;
                row.error = None;
            }
            Event::AttemptFailed { at, error, retry_at, .. } => {
                let row = self.row(at, now);
                (row.status, row.due) = ("retrying", *retry_at);
                row.error = Some(error.clone());
            }
            Event::AttemptInterrupted { at, .. } => self.row(at, now).status = "retrying",
            Event::StepWaiting { at, due, .. } => {
                let row = self.row(at, now);
                (row.status, row.due) = ("waiting", *due);
            }
            Event::StepSucceeded { at, .. } => {
                self.end(at, now, "succeeded");
            }
            Event::StepReused { at, .. } => {
                self.end(at, now, "reused");
            }
            Event::StepSkipped { at, .. } => {
                self.end(at, now, "skipped");
            }
            Event::StepCancelled { at, .. } => {
                self.end(at, now, "cancelled");
            }
            Event::StepFailed { at, error, .. } => {
                self.end(at, now, "failed").error = Some(error.clone());
            }
            _ => {}
        }
    }

    fn end(&mut self, at: &[u32], now: Timestamp, status: &'static str) -> &mut StepRow {
        let row = self.row(at, now);
        (row.status, row.ended, row.due) = (status, Some(now), None);
        row
    }

    fn row(&mut self, at: &[u32], now: Timestamp) -> &mut StepRow {
        let step = path_of(self.pipeline, at);
        let place = *self.places.entry(step.clone()).or_insert_with(|| {
            self.rows.push(StepRow {
                step,
                status: "running",
                attempts: 0,
                credits: 0,
                began: now,
                ended: None,
                due: None,
                error: None,
            });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }
}
