//! Runs as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use levqor_core::engine::{RunDetail, RunSummary};
use levqor_core::error::RunError;
use levqor_core::run::RunStatus;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::http::Time;

/// A run that was accepted or changed, and how it ended where it has.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunAnswer {
    /// `run_…`.
    pub(crate) id: String,
    /// `queued` at first.
    pub(crate) status: RunStatus,
    /// What came out, where it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Arc<Value>>,
    /// Why not, or why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<RunError>,
}

/// A run in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunView {
    /// `run_…`.
    pub(crate) id: String,
    /// Its pipeline's name.
    pub(crate) pipeline: Arc<str>,
    /// The version it is pinned to.
    pub(crate) version: String,
    /// Where it is in its life.
    pub(crate) status: RunStatus,
    /// When it was accepted.
    pub(crate) created: Time,
    /// When it ended.
    pub(crate) ended: Option<Time>,
    /// When it wakes next.
    pub(crate) due: Option<Time>,
    /// Its labels.
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    /// Credits captured so far.
    pub(crate) credits: u64,
    /// Credits held now.
    pub(crate) held: u64,
    /// Journal records so far.
    pub(crate) seq: u64,
}

/// A run in few words.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunStatusView {
    /// `run_…`.
    pub(crate) id: String,
    /// Its pipeline's name.
    pub(crate) pipeline: Arc<str>,
    /// Where it is in its life.
    pub(crate) status: RunStatus,
    /// When it was accepted.
    pub(crate) created: Time,
    /// When it ended.
    pub(crate) ended: Option<Time>,
    /// What came out, where it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Arc<Value>>,
    /// Why not, or why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<RunError>,
}

/// A run with what went in and what came out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunDetailView {
    #[serde(flatten)]
    pub(crate) run: RunView,
    /// Its input.
    pub(crate) input: Arc<Value>,
    /// What came out, where it succeeded.
    pub(crate) output: Option<Arc<Value>>,
    /// Why not, or why it is paused.
    pub(crate) error: Option<RunError>,
    /// Who started it.
    pub(crate) principal: Option<String>,
    /// W3C trace context it was started with.
    pub(crate) traceparent: Option<String>,
    /// The run it continues or replays.
    pub(crate) origin: Option<String>,
}

impl From<RunSummary> for RunView {
    fn from(run: RunSummary) -> Self {
        Self {
            id: run.id.to_string(),
            pipeline: run.pipeline,
            version: run.version.to_string(),
            status: run.status,
            created: run.created.into(),
            ended: run.ended.map(Time),
            due: run.due.map(Time),
            labels: run.labels,
            credits: run.credits,
            held: run.held,
            seq: run.seq,
        }
    }
}

impl From<RunDetail> for RunStatusView {
    fn from(run: RunDetail) -> Self {
        Self {
            id: run.summary.id.to_string(),
            pipeline: run.summary.pipeline,
            status: run.summary.status,
            created: run.summary.created.into(),
            ended: run.summary.ended.map(Time),
            output: run.output,
            error: run.error,
        }
    }
}

impl From<RunDetail> for RunDetailView {
    fn from(run: RunDetail) -> Self {
        Self {
            run: run.summary.into(),
            input: run.input,
            output: run.output,
            error: run.error,
            principal: run.principal,
            traceparent: run.traceparent,
            origin: run.origin.map(|id| id.to_string()),
        }
    }
}
