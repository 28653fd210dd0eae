//! [`Step`] and its parts, as people write them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Duration;
use super::reader::{Read, Reader, read_object, read_words};

/// One step. It has exactly one of `uses`, `for_each` or `while` with `steps`, `parallel`,
/// `switch`, `try`.
///
/// Its output is `steps.<id>.output` for the steps after it. That of a composite is: `for_each` the
/// list of each item's last step's output (`null` for an item that failed under
/// `on_item_error: continue`); `while` the last iteration's last output; `parallel` an object of
/// each branch's last output by branch id; `switch` and `try` the last output of the branch that
/// ran, `null` where none did; `pipeline/<name>` that pipeline's `output`. Steps inside of a
/// composite are not in sight outside of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["uses"]},
    {"required": ["for_each", "steps"]},
    {"required": ["while", "steps"]},
    {"required": ["parallel"]},
    {"required": ["switch"]},
    {"required": ["try"]}
]))]
#[non_exhaustive]
pub struct Step {
    /// Unique in the document: 1 to 64 of `a-z A-Z 0-9 _ - .`.
    pub id: String,
    /// For people; the id where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Skips the step unless it is true. An expression; braces are optional.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What to call: `connector/action`, `core/<action>` or `pipeline/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
    /// The action's input; texts may hold `${{ expressions }}`.
    #[serde(rename = "with", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub with: Option<Value>,
    /// Alias from the document's `credentials`; the connector's name where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Overrides the document's `retry`, member by member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Time one attempt of a call, or the whole of any other step, may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Ids of steps in the same list to wait for. One `needs` makes the list a graph: steps
    /// without it then start at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// A list, or an expression for one: runs `steps` for each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<Value>,
    /// What the item is called in expressions; `item` where absent.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub as_name: Option<String>,
    /// Most items of a `for_each`: 1,000 where absent, 100,000 at most. More items fail the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
    /// Items that run at once: 1 where absent, 64 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// What a failed item does to the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_item_error: Option<OnItemError>,
    /// Runs `steps` again while this is true. It sees the steps of the round that just ended;
    /// before the first round they are undefined: `${{ steps.poll.output.more | default(true) }}`.
    /// Rounds count from 1 (`index`).
    #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
    pub while_condition: Option<Condition>,
    /// Most iterations of a `while`: 100 where absent, 10,000 at most. One more fails the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// The body of `for_each` or `while`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// Lists of steps that run at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Vec<Branch>>,
    /// When `parallel` is finished: when `all` branches are, or `any` one succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// The first case whose `if` is true runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch: Option<Vec<Case>>,
    /// Runs where no case of `switch` is true.
    #[serde(rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Vec<Step>>,
    /// Steps whose failure is caught.
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    pub body: Option<Vec<Step>>,
    /// The first whose `when` is true (or absent) runs when `try` failed; `error` is in sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch: Option<Vec<Catch>>,
    /// Runs after `try` and `catch`, whatever happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finally: Option<Vec<Step>>,
}

read_object!(Step {
    required id "id", optional name "name", optional condition "if", optional uses "uses",
    optional with "with", optional credential "credential", optional retry "retry",
    optional timeout "timeout", optional needs "needs", optional for_each "for_each",
    optional as_name "as", optional max_items "max_items", optional max_parallel "max_parallel",
    optional on_item_error "on_item_error", optional while_condition "while",
    optional max_iterations "max_iterations", optional steps "steps",
    optional parallel "parallel", optional join "join", optional switch "switch",
    optional otherwise "else", optional body "try", optional catch "catch",
    optional finally "finally",
});

/// A condition: `true`, `false`, or an expression that yields one of them (braces optional).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Condition {
    /// Always or never.
    Constant(bool),
    /// An expression.
    Expression(String),
}

impl Read for Condition {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Bool(constant) => Some(Self::Constant(*constant)),
            Value::String(text) => Some(Self::Expression(text.clone())),
            other => {
                reader.wrong_type(at, "an expression, true or false", other);
                None
            }
        }
    }
}

/// How failed attempts are repeated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts, the first included: 3 where absent, 1 is no retry, 100 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// How the delay grows; `exponential` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Before the second attempt; `2s` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// Longest delay; `1m` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// 0 to 1: the delay is multiplied by a random factor of up to this much more or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Retries exactly the errors for which this is true (`error` is in sight), instead of those
    /// that are retryable by their kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

read_object!(Retry {
    optional max_attempts "max_attempts", optional backoff "backoff", optional delay "delay",
    optional max_delay "max_delay", optional jitter "jitter", optional when "when",
});

/// How delays between attempts grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Backoff {
    /// Always `delay`.
    Constant,
    /// `delay`, twice, three times, …
    Linear,
    /// `delay`, twice, four times, …
    Exponential,
}

read_words!(Backoff {
    "constant" => Constant, "linear" => Linear, "exponential" => Exponential,
});

/// What a failed item does to its `for_each`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnItemError {
    /// Fails the step; items under way finish, no new one starts. The default.
    Fail,
    /// The item's output is `null` and the rest go on.
    Continue,
}

read_words!(OnItemError { "fail" => Fail, "continue" => Continue });

/// When a `parallel` is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// When all branches are. The default.
    All,
    /// When one succeeded; the others are cancelled.
    Any,
}

read_words!(Join { "all" => All, "any" => Any });

/// One branch of a `parallel`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Branch {
    /// The key of the branch's output in the step's output.
    pub id: String,
    /// What it runs.
    pub steps: Vec<Step>,
}

read_object!(Branch { required id "id", required steps "steps" });

/// One case of a `switch`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Case {
    /// Runs the steps if this is true and no case before it was.
    #[serde(rename = "if")]
    pub condition: Condition,
    /// What it runs.
    pub steps: Vec<Step>,
}

read_object!(Case { required condition "if", required steps "steps" });

/// One handler of a `try`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Catch {
    /// Handles the errors for which this is true; all where absent. `error` is in sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What it runs.
    pub steps: Vec<Step>,
}

read_object!(Catch { optional when "when", required steps "steps" });

/// Keys with any JSON value, in the order they were written.
pub(super) type Members<T = Value> = IndexMap<String, T>;
