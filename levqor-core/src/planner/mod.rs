//! The planner: from a goal in words to a draft of a pipeline. Pure.
//!
//! ```text
//!  goal ─ prompt ─▶ messages ─(a connector call, metered like any step)─▶ reply
//!                      ▲                                                   │
//!                      └── repair ── issues ◀── guard + validate ◀── parse ┘ ──▶ Draft
//! ```
//!
//! The goal and the reply are data: nothing in them is followed, whatever they say. A draft names
//! only connectors that are in the catalog and holds no secret; a person reads it and runs it, the
//! planner never does. What it is not: it calls no model and reads no store. Without a model,
//! [`offline::draft`] matches words to actions and says that it did.

mod guard;
pub mod offline;
mod planning;
mod prompt;
mod reply;
#[cfg(test)]
mod tests;
mod visible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use guard::check;
pub use planning::{Planning, Step};
pub use prompt::{prompt, repair_prompt, reply_schema};
pub use reply::parse;
pub use visible::{has_hidden, visible};

/// A goal in bytes: ten times what people write; longer ones are documents pasted by mistake.
pub const GOAL_BYTES_MAX: usize = 8 * 1024;
/// A model's reply in bytes: a document at its limit, quoted inside JSON, and words around it.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// Of the catalog, bytes of action schemas in a prompt; the actions that fit the goal best come
/// first, the rest are named without their schemas.
pub const CATALOG_BYTES_MAX: usize = 96 * 1024;
/// Replies asked of a model for one goal, the first included: what two repairs don't mend, more
/// don't either, and each costs credits.
pub const REPLIES_MAX: u32 = 3;
/// Issues fed back in one repair: the first ones cause the others.
pub const ISSUES_MAX: usize = 30;

/// Who says a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The rules.
    System,
    /// The goal, and what was wrong with a reply.
    User,
    /// The model's own earlier reply.
    Assistant,
}

/// One message of a conversation with a model, in the shape that chat actions take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    fn new(role: Role, content: String) -> Self {
        Self { role, content }
    }
}

/// A pipeline document that somebody may read, change and run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The document, `levqor/v1`.
    pub document: Value,
    /// The actions it calls, in the order of the document, each once.
    pub matched: Vec<String>,
    /// Who made it, what was left out, what is to be filled in. For people.
    pub note: String,
}

/// Why a goal or a reply cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no goal.
    #[error("the goal is empty")]
    GoalEmpty,
    /// The goal is over [`GOAL_BYTES_MAX`].
    #[error("the goal is longer than {GOAL_BYTES_MAX} bytes")]
    GoalTooLong,
    /// The reply is over [`REPLY_BYTES_MAX`].
    #[error("the reply is longer than {REPLY_BYTES_MAX} bytes")]
    ReplyTooLong,
    /// No JSON object in the reply has the shape of a document.
    #[error("the reply holds no pipeline document (a JSON object with `steps`)")]
    NoDocument,
    /// The document in the reply is nested too deep.
    #[error("the document is nested more than {} deep", crate::limits::JSON_DEPTH_MAX)]
    TooDeep,
    /// Every reply was wrong.
    #[error("no reply was a valid pipeline: {}", .0.join("; "))]
    GaveUp(Vec<String>),
}

impl PlanError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::GoalEmpty => "plan.goal_empty",
            Self::GoalTooLong => "plan.goal_too_long",
            Self::ReplyTooLong => "plan.reply_too_long",
            Self::NoDocument => "plan.no_document",
            Self::TooDeep => "plan.too_deep",
            Self::GaveUp(_) => "plan.gave_up",
        }
    }
}

/// The goal as it is worked with: within bounds, trimmed, nothing in it hidden.
fn goal_text(goal: &str) -> Result<String, PlanError> {
    if goal.len() > GOAL_BYTES_MAX {
        return Err(PlanError::GoalTooLong);
    }
    let text = visible(goal.trim()).into_owned();
    if text.is_empty() { Err(PlanError::GoalEmpty) } else { Ok(text) }
}
