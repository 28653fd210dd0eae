//! The journal's events: what happened, with every value that was evaluated. Append-only names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunStatus;
use crate::error::RunError;
use crate::ids::{ContentHash, RunId};
use crate::time::Timestamp;

/// Where in the run's tree: block key, step index, block key, step index, …
///
/// The first key is 0 for the steps and 1 for `on_failure`. Below a step the key is the item, the
/// iteration, the branch, the case, the phase of `try` (0 body, 1.. catches, last finally) or 0.
pub type At = Vec<u32>;

/// How a run came to be from another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The run it continues or replays.
    pub run: RunId,
    /// The first run of the chain; idempotency keys of a resumed run are this one's.
    pub root: RunId,
    /// `resume` keeps the root's idempotency keys, `replay` makes new ones.
    pub keeps_keys: bool,
    /// Outputs taken over, by step path.
    #[serde(default)]
    pub reuse: BTreeMap<String, Arc<Value>>,
}

/// What a run was started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// The version it is pinned to.
    pub hash: ContentHash,
    /// Its input.
    pub input: Arc<Value>,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who started it, for people: an API key's id, `cli`, `schedule:nightly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Most credits it may capture; the tighter of the document's and the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_credits: Option<u64>,
    /// Most steps it may execute, where its organization's plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// When it times out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The run it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<Origin>>,
}

/// What a waiting step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// The due time.
    Sleep,
    /// A published event of this name.
    Event(Arc<str>),
    /// A person's decision; the value is what they are shown.
    Approval(Arc<Value>),
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// The run was accepted. Always the first event.
    #[serde(rename = "run.started")]
    RunStarted(Box<Started>),
    /// Its `if` was false.
    #[serde(rename = "step.skipped")]
    StepSkipped {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
    },
    /// A composite step began; `items` of a `for_each`, `case` of a `switch`, `input` of a
    /// sub-pipeline.
    #[serde(rename = "step.entered")]
    StepEntered {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// The items of a `for_each`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<Arc<Value>>>,
        /// The case of a `switch`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        case: Option<u32>,
        /// What it was given.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        input: Option<Arc<Value>>,
        /// When it times out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// One item of a `for_each` is done; its output is that of its last step.
    #[serde(rename = "item.finished")]
    ItemFinished {
        /// Where in the tree.
        at: At,
        /// Which item, from 0.
        item: u32,
    },
    /// One item failed and `on_item_error` is `continue`.
    #[serde(rename = "item.failed")]
    ItemFailed {
        /// Where in the tree.
        at: At,
        /// Which item, from 0.
        item: u32,
        /// Why.
        error: RunError,
    },
    /// A `while` goes round again.
    #[serde(rename = "loop.continued")]
    LoopContinued {
        /// Where in the tree.
        at: At,
        /// The round, from 1.
        iteration: u32,
    },
    /// A `try` moved on to a catch or to `finally`, with the error that is pending.
    #[serde(rename = "try.entered")]
    TryEntered {
        /// Where in the tree.
        at: At,
        /// The phase: catches from 1, then `finally`.
        phase: u32,
        /// Why.
        error: Option<RunError>,
    },
    /// A connector is about to be called; `hold` credits are held for it.
    #[serde(rename = "attempt.opened")]
    AttemptOpened {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
        /// What it was given.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        input: Option<Arc<Value>>,
        /// Credits held.
        #[serde(default, skip_serializing_if = "is_zero")]
        hold: u64,
    },
    /// It worked; `charged` of the hold is captured, the rest released.
    #[serde(rename = "attempt.succeeded")]
    AttemptSucceeded {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
        /// What came out.
        output: Arc<Value>,
        /// Credits captured.
        #[serde(default, skip_serializing_if = "is_zero")]
        charged: u64,
    },
    /// It failed; the hold is released. With `retry_at` it will be tried again.
    #[serde(rename = "attempt.failed")]
    AttemptFailed {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
        /// Why.
        error: RunError,
        /// When it is tried again, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// Whether it used up one of `max_attempts` (a rate limit does not).
        #[serde(default = "yes")]
        counted: bool,
    },
    /// The process that made the call is gone; the hold is released, the step tried again.
    #[serde(rename = "attempt.interrupted")]
    AttemptInterrupted {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// The step waits.
    #[serde(rename = "step.waiting")]
    StepWaiting {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// What for.
        waits_for: WaitFor,
        /// Until when, if there is an end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    /// A step without a connector is done; a composite's output follows from its parts.
    #[serde(rename = "step.succeeded")]
    StepSucceeded {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// What came out.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
    },
    /// Its output was taken over from another run; nothing is charged.
    #[serde(rename = "step.reused")]
    StepReused {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// What came out.
        output: Arc<Value>,
    },
    /// The step failed for good.
    #[serde(rename = "step.failed")]
    StepFailed {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
        /// Why.
        error: RunError,
    },
    /// The step was abandoned with its branch; a hold is released.
    #[serde(rename = "step.cancelled")]
    StepCancelled {
        /// Where in the tree.
        at: At,
        /// The step's id.
        step: Arc<str>,
    },
    /// No step starts until the run is resumed.
    #[serde(rename = "run.paused")]
    RunPaused {
        /// Why.
        error: RunError,
    },
    /// A paused run goes on, with this limit of credits where one is given.
    #[serde(rename = "run.unpaused")]
    RunUnpaused {
        /// The new limit of credits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_credits: Option<u64>,
    },
    /// The steps failed; `on_failure` begins.
    #[serde(rename = "run.failing")]
    RunFailing {
        /// Why.
        error: RunError,
    },
    /// The run ended. Always the last event.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// How it ended.
        status: RunStatus,
        /// What came out.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        output: Option<Arc<Value>>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<RunError>,
    },
}

/// A value that is there and null is not an absent one.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Arc<Value>>, D::Error> {
    Value::deserialize(d).map(|value| Some(Arc::new(value)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn yes() -> bool {
    true
}

/// One commit's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// Format version: 1.
    pub v: u8,
    /// When they were decided.
    pub at: Timestamp,
    /// The lease under which they were written.
    pub epoch: u64,
    /// What happened, in order.
    pub events: Vec<Event>,
}
