//! [`Fault`]: how a guest failed as a guest, before or instead of answering.
//!
//! Not the errors a plugin reports itself; those are `task-error`, mapped in `outcome`.

use levqor_core::error::{ErrorKind, RunError};
use wasmtime::Trap;

use super::state::CallState;

/// Why a guest gave no usable answer. Codes are stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It was still running at its deadline.
    #[error("the plugin was stopped at its deadline of {deadline_ms} ms")]
    Timeout {
        /// The time it had.
        deadline_ms: u64,
    },
    /// It asked for more memory than it is granted.
    #[error("the plugin asked for more than its {limit_bytes} bytes of memory")]
    Memory {
        /// What it is granted.
        limit_bytes: usize,
    },
    /// It recursed too deeply.
    #[error("the plugin's stack overflowed")]
    Stack,
    /// It handed over more than the host takes.
    #[error("the plugin's output is too large")]
    OutputTooLarge,
    /// It trapped.
    #[error("the plugin trapped: {message}")]
    Trap {
        /// What it wrote to stderr, or the trap's name.
        message: String,
    },
    /// Its answer is not JSON, or not what its manifest promises.
    #[error("the plugin's answer is not what its manifest promises: {message}")]
    BadOutput {
        /// What is wrong with it.
        message: String,
    },
    /// Its answer holds a secret that it was given.
    #[error("the plugin put a secret into its answer; the answer was dropped")]
    SecretInOutput,
    /// The host had no free place in time; the guest did not run.
    #[error("too many plugin calls are running")]
    Busy,
    /// The host could not start the guest; it did not run.
    #[error("the plugin could not be started: {message}")]
    Start {
        /// Why.
        message: String,
    },
}

impl Fault {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "plugin.timeout",
            Self::Memory { .. } => "plugin.memory",
            Self::Stack => "plugin.stack",
            Self::OutputTooLarge => "plugin.output_too_large",
            Self::Trap { .. } => "plugin.trap",
            Self::BadOutput { .. } => "plugin.bad_output",
            Self::SecretInOutput => "plugin.secret_in_output",
            Self::Busy => "plugin.busy",
            Self::Start { .. } => "plugin.start",
        }
    }

    /// The class of error this is for the engine.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy => ErrorKind::Unavailable,
            Self::SecretInOutput => ErrorKind::PolicyDenied,
            _ => ErrorKind::PluginTrap,
        }
    }

    /// Whether the plugin is to blame: counts against its circuit breaker.
    #[must_use]
    pub fn is_plugins(&self) -> bool {
        !matches!(self, Self::Busy)
    }

    /// The same as data for a run.
    #[must_use]
    pub fn to_error(&self) -> RunError {
        RunError::new(self.kind(), self.code(), self.to_string())
    }

    /// What an error of wasmtime means, given what the store recorded.
    pub(super) fn of(
        error: &wasmtime::Error,
        state: &CallState,
        limit_bytes: usize,
        deadline_ms: u64,
    ) -> Self {
        if state.guard.refused() {
            return Self::Memory { limit_bytes };
        }
        if error.is::<Deadline>() {
            return Self::Timeout { deadline_ms };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => return Self::Stack,
            Some(Trap::Interrupt) => return Self::Timeout { deadline_ms },
            _ => {}
        }
        let text = error.root_cause().to_string();
        // wasmtime keeps this error's type to itself.
        if text.contains("too much data is being copied") {
            return Self::OutputTooLarge;
        }
        let stderr = state.stderr.text();
        let message = if stderr.is_empty() { crate::text::clean(&text, 500) } else { stderr };
        Self::Trap { message }
    }
}

/// Raised inside a guest at its deadline.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("deadline")]
pub(super) struct Deadline;
