//! [`ScheduleRecord`]: a schedule trigger as it is stored, in [`Table::Schedule`].

use serde::{Deserialize, Serialize};

use super::{Firing, Schedule, ScheduleState, due};
use crate::ids::{Organization, RunId};
use crate::store::{Key, KeyRange, Table, Value};
use crate::time::Timestamp;

/// Version of the stored form. A reader refuses what is newer.
const FORMAT: u32 = 1;

/// One schedule trigger of one pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRecord {
    /// Version of this form: 1.
    pub format: u32,
    /// The pipeline's name.
    pub pipeline: String,
    /// The trigger's id in the document.
    pub trigger: String,
    /// The schedule.
    pub schedule: Schedule,
    /// What was handled.
    pub state: ScheduleState,
    /// When it is due next; `None` when never again.
    pub next: Option<Timestamp>,
    /// Whether a person paused it.
    #[serde(default)]
    pub paused: bool,
    /// Times it fired, in all.
    #[serde(default)]
    pub fired: u64,
    /// Times that were left out, in all.
    #[serde(default)]
    pub skipped: u64,
    /// The run it started last, for `overlap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a schedule record cannot be read: {0}")]
pub struct RecordError(pub String);

impl ScheduleRecord {
    /// A trigger that starts at `now`.
    #[must_use]
    pub fn new(pipeline: &str, trigger: &str, schedule: Schedule, now: Timestamp) -> Self {
        Self {
            format: FORMAT,
            pipeline: pipeline.to_owned(),
            trigger: trigger.to_owned(),
            next: schedule.next_after(now),
            schedule,
            state: ScheduleState::starting(now),
            paused: false,
            fired: 0,
            skipped: 0,
            last_run: None,
        }
    }

    /// What fires at `now`; the record takes it as handled. Nothing while paused.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Timestamp> {
        if self.paused {
            return Vec::new();
        }
        let Firing { fire, next, skipped, state } = due(&self.schedule, &self.state, now);
        self.state = state;
        self.next = next;
        self.fired = self.fired.saturating_add(fire.len() as u64);
        self.skipped = self.skipped.saturating_add(skipped);
        fire
    }

    /// Stops firing; nothing is due any more.
    pub fn pause(&mut self) {
        self.paused = true;
        self.next = None;
    }

    /// Fires again from `now` on; times that passed while paused are not made up for.
    pub fn resume(&mut self, now: Timestamp) {
        self.paused = false;
        self.state.through = self.state.through.max(now);
        self.next = self.schedule.next_after(self.state.through);
    }

    /// Takes a changed schedule, from `now` on. The same schedule again changes nothing.
    pub fn replace(&mut self, schedule: Schedule, now: Timestamp) {
        if schedule == self.schedule {
            return;
        }
        self.schedule = schedule;
        self.state.through = self.state.through.max(now);
        self.next = if self.paused { None } else { self.schedule.next_after(self.state.through) };
    }

    /// The record's key.
    #[must_use]
    pub fn key(organization: &Organization, pipeline: &str, trigger: &str) -> Key {
        Key::of(Table::Schedule).text(organization.as_str()).text(pipeline).text(trigger)
    }

    /// Every record of a pipeline.
    #[must_use]
    pub fn of_pipeline(organization: &Organization, pipeline: &str) -> KeyRange {
        Key::of(Table::Schedule).text(organization.as_str()).text(pipeline).prefix()
    }

    /// Its value.
    ///
    /// # Errors
    /// [`RecordError`] when it cannot be written as JSON.
    pub fn to_value(&self) -> Result<Value, RecordError> {
        serde_json::to_vec(self).map(Value::from).map_err(|e| RecordError(e.to_string()))
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`RecordError`] when it is damaged or of a newer version.
    pub fn from_value(value: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(value).map_err(|e| RecordError(e.to_string()))?;
        if record.format != FORMAT {
            return Err(RecordError(format!("version {}", record.format)));
        }
        Ok(record)
    }
}
