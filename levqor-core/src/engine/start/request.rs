//! [`Start`]: what a run is asked for with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::engine::idempotency::KeyedRequest;
use crate::ids::Organization;
use crate::pipeline::Pipeline;
use crate::run::Origin;
use crate::schedule::{Overlap, ScheduleRecord};
use crate::store::{Batch, Key, Revision};
use crate::time::Timestamp;

/// A request to start a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Start {
    /// Whose run it is.
    pub organization: Organization,
    /// What to run.
    pub pipeline: Arc<Pipeline>,
    /// Its input; must fit the pipeline's `input_schema`.
    pub input: Arc<Value>,
    /// The same key with the same pipeline and input starts one run only.
    pub idempotency_key: Option<String>,
    /// A host's request with its key, in place of `idempotency_key`: all of the request counts, not
    /// the pipeline and the input alone.
    pub request: Option<KeyedRequest>,
    /// Who starts it, for people.
    pub principal: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// 1 (first) to 5 (last); the document's where absent.
    pub priority: Option<u8>,
    /// Most credits it may capture; the document's limit holds as well.
    pub max_credits: Option<u64>,
    /// Not before this moment.
    pub delay_until: Option<Timestamp>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Not one of the plan's runs a day: a host's own work. What it costs is charged as ever.
    pub uncounted: bool,
    /// The key alone decides: another input under it is a repetition, not a mistake.
    pub(crate) dedupes: bool,
    pub(crate) origin: Option<Box<Origin>>,
    /// The schedule that fires, to be advanced in the same commit.
    pub(crate) schedule: Option<(Key, Revision, ScheduleRecord)>,
    pub(crate) overlap: Option<Overlap>,
    /// Written in the same commit: a schedule's advance, a dead letter's mark.
    pub(crate) along: Batch,
}

impl Start {
    /// A run of `pipeline` with `input`, for organization `local`.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, input: impl Into<Arc<Value>>) -> Self {
        Self {
            organization: Organization::local(),
            pipeline,
            input: input.into(),
            idempotency_key: None,
            request: None,
            principal: None,
            labels: BTreeMap::new(),
            priority: None,
            max_credits: None,
            delay_until: None,
            traceparent: None,
            uncounted: false,
            dedupes: false,
            origin: None,
            schedule: None,
            overlap: None,
            along: Batch::default(),
        }
    }

    /// For this organization.
    #[must_use]
    pub fn organization(mut self, organization: Organization) -> Self {
        self.organization = organization;
        self
    }

    /// Under this idempotency key.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}
