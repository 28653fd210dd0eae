//! [`PipelineDocument`] and its parts other than steps, as people write them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Duration;
use super::reader::{Read, Reader, read_object, read_words};
use super::step::{Members, Retry, Step};

/// A pipeline as people write it: "when this happens, call these services in this order".
///
/// Keys are `snake_case`; unknown keys are errors. Texts in `with`, `output` and the like may hold
/// `${{ expressions }}` over `input`, `vars`, `steps`, `run`, `now`, and where they exist `item`
/// (or the loop's `as`), `index`, `event` and `error`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Levqor pipeline", rename = "Pipeline")]
#[non_exhaustive]
pub struct PipelineDocument {
    /// Version of the format: `levqor/v1`.
    pub schema: SchemaVersion,
    /// The pipeline's name: 1 to 64 of `a-z A-Z 0-9 _ - .`. Others call it `pipeline/<name>`.
    pub name: String,
    /// For people and for the planner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema (2020-12) of a run's input. Any input is taken where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// Constants, `vars.<name>` in expressions.
    #[serde(default, skip_serializing_if = "Members::is_empty")]
    pub vars: Members,
    /// Names of credentials in the vault by the alias that steps use. Never a secret.
    #[serde(default, skip_serializing_if = "Members::is_empty")]
    pub credentials: Members<String>,
    /// What starts runs, besides people and calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// How many runs of this pipeline may go on at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// 1 (first) to 5 (last); 3 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub priority: Option<u32>,
    /// Time a run may take from its start, waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What one run may use up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How failed calls are repeated where the step does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What a run does, in this order (or by `needs`).
    pub steps: Vec<Step>,
    /// Runs when the run failed, before it ends; `error` is in sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Vec<Step>>,
    /// The run's output; that of the last step where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Positions on the canvas and the like; not part of the version's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui: Option<Value>,
}

read_object!(PipelineDocument {
    required schema "schema", required name "name", optional description "description",
    optional input_schema "input_schema", default vars "vars",
    default credentials "credentials", default triggers "triggers",
    optional concurrency "concurrency", optional priority "priority",
    optional timeout "timeout", optional limits "limits", optional retry "retry",
    required steps "steps", optional on_failure "on_failure", optional output "output",
    optional ui "ui",
});

/// Versions of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub enum SchemaVersion {
    /// The first.
    #[default]
    #[serde(rename = "levqor/v1")]
    V1,
}

impl Read for SchemaVersion {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        if value == "levqor/v1" {
            return Some(Self::V1);
        }
        let message = "this engine knows the version `levqor/v1`";
        reader.report("document.schema_version", at, message);
        None
    }
}

/// What starts runs by itself.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Trigger {
    /// Unique among the document's triggers.
    pub id: String,
    /// The kind.
    pub uses: TriggerKind,
    /// Its settings. `webhook`: `verify` (`stripe slack telegram github standard hmac twilio
    /// none`), `secret` (a vault name). `schedule`: `cron` or `every`, `timezone`, `overlap`
    /// (`skip queue allow`), `catch_up` (`none last all`). `event`: `event` (a name), `match`.
    #[serde(rename = "with", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub with: Option<Value>,
    /// Two events with the same key start one run. An expression over `event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedupe_key: Option<String>,
    /// The run's input, with expressions over `event`; the event as it is where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

read_object!(Trigger {
    required id "id", required uses "uses", optional with "with",
    optional dedupe_key "dedupe_key", optional input "input",
});

/// Kinds of triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TriggerKind {
    /// An HTTP request from outside.
    Webhook,
    /// A time table.
    Schedule,
    /// An event inside of the engine.
    Event,
}

read_words!(TriggerKind {
    "webhook" => Webhook, "schedule" => Schedule, "event" => Event,
});

impl TriggerKind {
    /// The word in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Schedule => "schedule",
            Self::Event => "event",
        }
    }
}

/// How many runs may go on at once.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Concurrency {
    /// Runs with the same key count together: `"${{ input.email }}"`. All of them where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many of them.
    pub limit: u32,
    /// What happens to one more; `queue` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_limit: Option<OnLimit>,
}

read_object!(Concurrency {
    optional key "key", required limit "limit", optional on_limit "on_limit",
});

/// What happens to a run over the concurrency limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnLimit {
    /// It waits.
    Queue,
    /// It is not started.
    Skip,
    /// The oldest one is cancelled.
    CancelRunning,
}

read_words!(OnLimit {
    "queue" => Queue, "skip" => Skip, "cancel_running" => CancelRunning,
});

/// What one run may use up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Credits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<u64>,
    /// Executions of steps, loops included; 100,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Whether the run then waits for a person (`pause`, the default) or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exceed: Option<OnExceed>,
}

read_object!(Limits {
    optional credits "credits", optional steps "steps", optional on_exceed "on_exceed",
});

/// What happens when `limits` is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnExceed {
    /// The run pauses; a person can raise the limit and resume it.
    Pause,
    /// The run fails with `budget_exceeded`.
    Fail,
}

read_words!(OnExceed { "pause" => Pause, "fail" => Fail });
