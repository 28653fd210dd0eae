//! [`Pipeline`]: a document that was validated against a catalog and compiled; what runs run.
//!
//! Its fields are private to the crate: the only way to one is `compile`, so a run can never meet
//! a document that was not checked. It is *not* what people write (that is `PipelineDocument`) and
//! holds no run state.

mod compile;
mod diff;
mod estimate;
mod triggers;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use compile::compile;
pub use diff::{Change, ChangeKind, diff};
pub use estimate::{Estimate, StepEstimate, estimate};
pub use triggers::TriggerView;

use crate::connector::ActionInfo;
use crate::expr::{Expr, Template};
use crate::ids::ContentHash;

/// A validated, compiled pipeline. Cheap to clone behind its `Arc`.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) name: Arc<str>,
    /// Hash of the canonical document (without `ui`) and of the sub-pipelines it pins.
    pub(crate) hash: ContentHash,
    /// Canonical JSON of the document, `ui` included; stored once per version.
    pub(crate) source: Arc<str>,
    pub(crate) input: Option<InputSchema>,
    pub(crate) vars: Arc<Value>,
    pub(crate) root: Block,
    pub(crate) on_failure: Option<Block>,
    pub(crate) output: Option<Template>,
    pub(crate) priority: u8,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) limits: Limits,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) triggers: Vec<Trigger>,
    /// Sub-pipelines by name, pinned.
    pub(crate) subs: BTreeMap<String, Arc<Pipeline>>,
    /// Deepest nesting of lists, sub-pipelines included; 1 where nothing is nested.
    pub(crate) depth: usize,
}

/// The compiled `input_schema`.
#[derive(Debug)]
pub(crate) struct InputSchema {
    pub(crate) schema: Value,
    pub(crate) validator: jsonschema::Validator,
}

/// `limits` of a document.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Most credits a run may capture.
    pub(crate) credits: Option<u64>,
    /// Most step executions.
    pub(crate) steps: Option<u64>,
    /// Pause for a person, or fail.
    pub(crate) on_exceed: OnExceed,
}

/// What happens when `limits` is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnExceed {
    #[default]
    Pause,
    Fail,
}

/// `concurrency` of a document.
#[derive(Debug)]
pub(crate) struct Concurrency {
    pub(crate) key: Template,
    pub(crate) limit: u32,
    pub(crate) on_limit: OnLimit,
}

/// What happens to a run over the concurrency limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnLimit {
    #[default]
    Queue,
    Skip,
    CancelRunning,
}

/// A trigger: `webhook`, `schedule` or `event`, with its settings checked.
#[derive(Debug)]
pub(crate) struct Trigger {
    pub(crate) id: Arc<str>,
    /// `webhook` | `schedule` | `event`.
    pub(crate) uses: Arc<str>,
    pub(crate) with: Value,
    /// `match` of an event trigger.
    pub(crate) matches: Option<Expr>,
    pub(crate) dedupe_key: Option<Template>,
    /// The run's input; the event as it is where absent.
    pub(crate) input: Option<Template>,
}

/// A list of steps: in order, or by `needs`.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) steps: Vec<Step>,
    /// For each step the indices it waits for; `None` means list order.
    pub(crate) needs: Option<Vec<Vec<u32>>>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Arc<str>,
    /// `if`: skipped when false.
    pub(crate) condition: Option<Expr>,
    pub(crate) kind: StepKind,
    /// Own retry policy, else the document's.
    pub(crate) retry: RetryPolicy,
    /// Time one attempt (of a call) or the whole step (of the rest) may take.
    pub(crate) timeout_ms: Option<u64>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum StepKind {
    /// `uses: connector/action`.
    Call {
        connector: Arc<str>,
        action: Arc<str>,
        with: Template,
        /// Vault name, from the document's `credentials`.
        credential: Option<Arc<str>>,
        info: ActionInfo,
    },
    /// `core/set` and `core/template`: the output is the rendered `with` (for `template` compiled
    /// from its `text` alone, so the output is `{text: …}`).
    Set { with: Template },
    /// `core/sleep`: `for` (duration text) or `until` (RFC 3339), both templates.
    Sleep { duration: Option<Template>, until: Option<Template> },
    /// `core/wait_event`: waits for an event of this name for which `matches` is true.
    WaitEvent { event: Arc<str>, matches: Option<Expr>, timeout_ms: Option<u64> },
    /// `core/approval`: waits for a person; `with` is what they are shown.
    Approval { with: Template, form_schema: Value, expires_ms: Option<u64>, on_expire: OnExpire },
    /// `core/fail`: rendered `{message, code?, kind?}`; fails the step.
    Fail { with: Template },
    /// `core/stop`: ends the run as succeeded with this output.
    Stop { with: Option<Template> },
    /// `for_each`.
    ForEach {
        items: Template,
        var: Arc<str>,
        max_items: u32,
        max_parallel: u32,
        on_item_error: OnItemError,
        body: Block,
    },
    /// `while`.
    While { condition: Expr, max_iterations: u32, body: Block },
    /// `parallel`.
    Parallel { branches: Vec<Branch>, join: Join },
    /// `switch`; `otherwise` is `else`.
    Switch { cases: Vec<(Expr, Block)>, otherwise: Block },
    /// `try`.
    Try { body: Block, catches: Vec<(Option<Expr>, Block)>, finally: Block },
    /// `uses: pipeline/<name>`, run inline with its own input, vars and scope.
    Sub { pipeline: Arc<Pipeline>, with: Template },
}

/// A branch of `parallel`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) id: Arc<str>,
    pub(crate) body: Block,
}

/// When `parallel` is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Join {
    #[default]
    All,
    Any,
}

/// What a failed item does to its `for_each`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnItemError {
    #[default]
    Fail,
    Continue,
}

/// What an expired approval does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnExpire {
    /// Fails the step.
    Fail,
    /// Counts as rejected: the output is `{approved: false, expired: true}`.
    #[default]
    Reject,
    /// Counts as approved.
    Approve,
}

/// `retry` of a step.
#[derive(Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) delay_ms: u64,
    pub(crate) max_delay_ms: u64,
    /// 0..=1: the delay is multiplied by a random factor in `1 - jitter ..= 1 + jitter`.
    pub(crate) jitter: f64,
    /// Retries only errors for which this holds (`error` in scope), whatever their kind says.
    pub(crate) when: Option<Expr>,
}

/// How the delay grows with attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backoff {
    Constant,
    Linear,
    Exponential,
}

impl Default for RetryPolicy {
    /// Three attempts, 2 s, doubling to a minute, a fifth of jitter.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::Exponential,
            delay_ms: 2_000,
            max_delay_ms: 60_000,
            jitter: 0.2,
            when: None,
        }
    }
}

impl Pipeline {
    /// The document's `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version: hash of the document without `ui`, and of its sub-pipelines.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Whether a run may start with this input.
    ///
    /// # Errors
    /// A [`RunError`](crate::RunError) of kind `invalid_input` that names every problem.
    pub fn check_input(&self, input: &Value) -> Result<(), crate::RunError> {
        let Some(schema) = &self.input else { return Ok(()) };
        let problems: Vec<String> = schema
            .validator
            .iter_errors(input)
            .map(|e| match e.instance_path().as_str() {
                "" => e.masked().to_string(),
                place => format!("{place}: {}", e.masked()),
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(crate::RunError::new(
            crate::ErrorKind::InvalidInput,
            "run.input_invalid",
            format!("the input does not fit the pipeline: {}", problems.join("; ")),
        ))
    }

    /// The document as canonical JSON.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}
