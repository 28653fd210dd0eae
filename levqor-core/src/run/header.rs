//! The run's header: the one small record each transition replaces, and thereby the fence.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::ContentHash;
use crate::ledger::Tally;
use crate::time::Timestamp;

/// Where a run is in its life. `succeeded failed cancelled dead` are final and never change.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted; no step has started.
    Queued,
    /// A process drives it.
    Running,
    /// Every branch waits for time, an event or a person.
    Waiting,
    /// Stopped by a budget or a person until resumed.
    Paused,
    /// Ended well.
    Succeeded,
    /// Ended with an error that its document or its input caused.
    Failed,
    /// Ended by a person.
    Cancelled,
    /// Ended with an error that a person should look at: retries used up, or an unknown outcome.
    Dead,
}

impl RunStatus {
    /// Whether the run has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Dead)
    }

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

/// A run's free labels, shared by everything that shows it.
pub type Labels = Arc<BTreeMap<String, String>>;

fn no_labels(labels: &Labels) -> bool {
    labels.is_empty()
}

/// Who may drive the run until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The engine instance.
    pub holder: Arc<str>,
    /// When it may be taken over.
    pub until: Timestamp,
}

/// The header of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format version: 1.
    pub v: u8,
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// The version the run is pinned to.
    pub hash: ContentHash,
    /// Where it is in its life.
    pub status: RunStatus,
    /// 1 (first) to 5 (last).
    pub priority: u8,
    /// When it was accepted.
    pub created: Timestamp,
    /// Journal records written so far.
    pub seq: u64,
    /// Raised with every lease; a commit under an older one is refused.
    pub epoch: u64,
    /// Who drives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// When it must be looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Names of events it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Arc<str>>,
    /// Its concurrency key and limit, where the document has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<(Arc<str>, u32)>,
    /// Its labels, for lists; the start's event has them too.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub labels: Labels,
    /// Credits held, captured and released so far.
    #[serde(default)]
    pub tally: Tally,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}
