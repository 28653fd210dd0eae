//! [`Outbox`]: what an embedder wants remembered in the very commit that changes a run's status.
//!
//! A feed of hints can be lost by a crash between the commit and whoever listens; a record of the
//! same commit cannot. The embedder reads its records later and removes what it has dealt with.
//! What it is not: a place to do anything. It is asked while a commit is put together, which may
//! be refused, and is asked again then.

use std::fmt;

use crate::ids::{Organization, RunId};
use crate::run::RunStatus;
use crate::store::{Key, Value};
use crate::time::Timestamp;

/// A run's status as the commit that is being made will leave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatusChange<'a> {
    /// Whose run it is.
    pub organization: &'a Organization,
    /// Which run.
    pub run: RunId,
    /// Its pipeline's name.
    pub pipeline: &'a str,
    /// Its status from now on.
    pub status: RunStatus,
    /// The journal's length after the commit: no other change of this run has the same.
    pub seq: u64,
    /// When it was accepted.
    pub created: Timestamp,
    /// When this happens.
    pub at: Timestamp,
}

/// Says what is written along with a run's change of status.
///
/// It must answer from memory, at once, and the same for the same change: it is called while a
/// commit is made. The keys must be the embedder's own ([`crate::store::Table::Host`]).
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// The records to write; none for a change that nobody asked about.
    fn records(&self, change: &StatusChange<'_>) -> Vec<(Key, Value)>;
}
