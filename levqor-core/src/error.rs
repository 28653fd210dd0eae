//! [`RunError`]: what went wrong in a step or a run, as data that is stored and read back.
//!
//! Not the crate's own error type: that is [`crate::Error`], beside the engine. A `RunError` is a
//! business fact; it is journaled, shown to people and branched on by documents
//! (`error.kind == 'not_found'`).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of a [`RunError`]: decides whether a retry makes sense. Append-only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong; the same again fails the same way.
    InvalidInput,
    /// The credential is missing, expired or refused.
    Unauthorized,
    /// The credential is known and may not do this.
    Forbidden,
    /// The thing named does not exist (or is hidden).
    NotFound,
    /// The other side's state does not allow it.
    Conflict,
    /// Too many requests; a time to come back may be known.
    RateLimited,
    /// The other side is down or unreachable; nothing was done.
    Unavailable,
    /// No answer in time, and it is known that nothing was done or that repeating is harmless.
    Timeout,
    /// Cancelled by a person or by another branch.
    Cancelled,
    /// The run's own `limits` or the organization's credits are used up.
    BudgetExceeded,
    /// The billing plan does not allow it.
    QuotaExceeded,
    /// The plugin trapped, ran out of memory or time, or answered nonsense.
    PluginTrap,
    /// The operator's policy forbids it (host, address, capability).
    PolicyDenied,
    /// It is unknown whether the effect happened; a person decides.
    Ambiguous,
    /// The engine's fault.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::InvalidInput,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimited,
        Self::Unavailable,
        Self::Timeout,
        Self::Cancelled,
        Self::BudgetExceeded,
        Self::QuotaExceeded,
        Self::PluginTrap,
        Self::PolicyDenied,
        Self::Ambiguous,
        Self::Internal,
    ];

    /// Whether trying again can help without anybody changing anything.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout)
    }

    /// The word used in documents and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::BudgetExceeded => "budget_exceeded",
            Self::QuotaExceeded => "quota_exceeded",
            Self::PluginTrap => "plugin_trap",
            Self::PolicyDenied => "policy_denied",
            Self::Ambiguous => "ambiguous",
            Self::Internal => "internal",
        }
    }
}

/// What went wrong in a step or a run. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunError {
    /// The class.
    pub kind: ErrorKind,
    /// Stable, finer than the kind: `slack.channel_not_found`, `plugin.memory`, `expr.undefined`.
    pub code: String,
    /// For people: a lowercase fragment that reads after "failed: ".
    pub message: String,
    /// Whether trying again can help; defaults to the kind's answer.
    pub retryable: bool,
    /// The step that failed, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The attempt of that step, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl RunError {
    /// An error of this kind, retryable as the kind says, at no step yet.
    #[must_use]
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            retryable: kind.is_retryable(),
            step: None,
            attempt: None,
        }
    }

    /// The same error, placed at a step's attempt.
    #[must_use]
    pub fn at(mut self, step: &str, attempt: u32) -> Self {
        self.step = Some(step.to_owned());
        self.attempt = Some(attempt);
        self
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RunError {}
