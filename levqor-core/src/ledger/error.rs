//! What the ledger refuses, and how a refusal is told to a run.

use crate::error::{ErrorKind, RunError};
use crate::store::{CommitError, StoreError};

/// Why an entry was not made or not posted. Nothing was moved, except perhaps after `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The amount is 0 where it must not be, or over [`super::CREDITS_MAX`].
    #[error("{credits} is not an amount of credits that can be moved")]
    Amount {
        /// The amount.
        credits: u64,
    },
    /// More was captured or released than was held.
    #[error("{asked} credits were to be taken from a hold of {held}")]
    OverHold {
        /// What the hold has.
        held: u64,
        /// What was asked.
        asked: u64,
    },
    /// The organization has less than is needed.
    #[error("{needed} credits are needed and {available} are available")]
    Insufficient {
        /// What is needed.
        needed: u64,
        /// What there is.
        available: u64,
    },
    /// The organization would own more than [`super::CREDITS_MAX`].
    #[error("the balance would be over the largest that is kept")]
    Overflow,
    /// An entry with the same cause was posted before, with another amount.
    #[error("this was posted before with {posted} credits, now with {asked}")]
    Mismatch {
        /// What was posted.
        posted: u64,
        /// What was asked now.
        asked: u64,
    },
    /// A hold, capture or release was posted on its own; these belong in a run's commits.
    #[error("entries of runs are posted by the engine only")]
    NotPostable,
    /// A stored record is not one of ours, or of a newer version.
    #[error("a ledger record cannot be read: {0}")]
    Format(String),
    /// The cursor is not one that a page gave out.
    #[error("the cursor is not known")]
    Cursor,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take the entry.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl LedgerError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Amount { .. } => "ledger.amount",
            Self::OverHold { .. } => "ledger.over_hold",
            Self::Insufficient { .. } => "credits.insufficient",
            Self::Overflow => "ledger.overflow",
            Self::Mismatch { .. } => "ledger.mismatch",
            Self::NotPostable => "ledger.not_postable",
            Self::Format(_) => "ledger.format",
            Self::Cursor => "ledger.cursor",
            Self::Store(e) => e.code(),
            Self::Commit(e) => e.code(),
        }
    }
}

/// The error of a run whose next step needs more credits than the organization has.
#[must_use]
pub fn insufficient(needed: u64, available: u64) -> RunError {
    RunError::new(
        ErrorKind::BudgetExceeded,
        "credits.insufficient",
        format!("{needed} credits are needed and {available} are available"),
    )
}
