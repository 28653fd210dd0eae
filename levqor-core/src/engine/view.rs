//! What callers see of runs.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::error::RunError;
use crate::ids::{ContentHash, RunId};
use crate::run::{Header, Labels, RunStatus};
use crate::time::Timestamp;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    /// The run.
    pub id: RunId,
    /// Its final status.
    pub status: RunStatus,
    /// Its output, where it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Arc<Value>>,
    /// Its error, where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Its pipeline's name.
    pub pipeline: Arc<str>,
    /// The version it is pinned to.
    pub version: ContentHash,
    /// Where it is in its life.
    pub status: RunStatus,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// When it wakes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Its labels.
    #[serde(skip_serializing_if = "no_labels")]
    pub labels: Labels,
    /// Credits captured so far.
    pub credits: u64,
    /// Credits held now.
    pub held: u64,
    /// Journal records so far.
    pub seq: u64,
}

fn no_labels(labels: &Labels) -> bool {
    labels.is_empty()
}

impl RunSummary {
    pub(crate) fn of(id: RunId, header: &Header) -> Self {
        Self {
            id,
            pipeline: header.pipeline.clone(),
            version: header.hash,
            status: header.status,
            created: header.created,
            ended: header.ended,
            due: header.due,
            labels: header.labels.clone(),
            credits: header.tally.captured,
            held: header.tally.open(),
            seq: header.seq,
        }
    }
}

/// A run with what went in and what came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDetail {
    /// As in a list.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Its input.
    pub input: Arc<Value>,
    /// Who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// W3C trace context it was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The run it continues or replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunId>,
    /// Its output, where it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Arc<Value>>,
    /// Its error, where it failed, or why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}
