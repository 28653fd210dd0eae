//! The crate's error: why a request to the engine was not carried out.

use crate::error::RunError;
use crate::run::Corrupt;
use crate::store::{CommitError, StoreError};

/// Why a request to the engine was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take the commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// No such run, pipeline, schedule… in this organization.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The request is understood and refused: input, quota, budget, state.
    #[error(transparent)]
    Refused(#[from] RunError),
    /// The billing plan does not allow it now.
    #[error("{error}")]
    Quota {
        /// Which limit: `quota.runs_per_day`…
        #[source]
        error: RunError,
        /// Milliseconds until it is worth trying again, where that is known.
        retry_after_ms: Option<u64>,
    },
    /// The document has problems, all of them listed.
    #[error("the document has {} problem(s)", .0.len())]
    Invalid(Vec<crate::document::Issue>),
    /// A stored record does not fit: a damaged store, or one written by a newer version.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The engine is stopping or its store failed.
    #[error("the engine has stopped")]
    Stopped,
}

impl Error {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Store(e) => e.code(),
            Self::Commit(e) => e.code(),
            Self::NotFound { .. } => "engine.not_found",
            Self::Refused(error) | Self::Quota { error, .. } => &error.code,
            Self::Invalid(_) => "document.invalid",
            Self::Corrupt(_) => "store.corrupt",
            Self::Stopped => "engine.stopped",
        }
    }
}
