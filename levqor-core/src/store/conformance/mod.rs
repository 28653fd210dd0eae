//! What every [`Store`] must do, as code: run it against a backend of your own.
//!
//! ```
//! use levqor_core::store::{MemoryStore, conformance};
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! runtime.block_on(conformance::all(async || MemoryStore::new()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`all`] takes a closure that opens a fresh, empty store; [`durable`] one that opens the same
//! data again. Both want a multi-threaded tokio runtime with time enabled, since a store that is
//! never used by two threads at once shows none of its races. It does *not* cut the power: that
//! takes a machine to crash, and is proved elsewhere.

mod concurrent;
mod counters;
mod durable;
mod model;
mod records;
mod scans;
mod support;

#[cfg(test)]
mod broken;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Store;

/// The checks that failed, each with what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures(pub Vec<Failure>);

/// One failed check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which check, for instance `expectations`.
    pub check: &'static str,
    /// What was expected and what came.
    pub message: String,
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store does not conform:")?;
        self.0.iter().try_for_each(|one| write!(f, "\n  {}: {}", one.check, one.message))
    }
}

impl std::error::Error for Failures {}

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = (&'static str, fn(Arc<dyn Store>) -> Checking);

/// Every check of [`all`], in order.
const CHECKS: &[Check] = &[
    ("expectations", |store| Box::pin(records::expectations(store))),
    ("revisions", |store| Box::pin(records::revisions(store))),
    ("atomicity", |store| Box::pin(records::atomicity(store))),
    ("guards", |store| Box::pin(records::guards(store))),
    ("invalid_batches", |store| Box::pin(records::invalid_batches(store))),
    ("too_large", |store| Box::pin(records::too_large(store))),
    ("values", |store| Box::pin(records::values(store))),
    ("bounds", |store| Box::pin(counters::bounds(store))),
    ("merged_adds", |store| Box::pin(counters::merged_adds(store))),
    ("refused_adds", |store| Box::pin(counters::refused_adds(store))),
    ("repeated_adds", |store| Box::pin(counters::repeated_adds(store))),
    ("keys", |store| Box::pin(scans::keys(store))),
    ("ranges", |store| Box::pin(scans::ranges(store))),
    ("pages", |store| Box::pin(scans::pages(store))),
    ("changed_hint", |store| Box::pin(scans::changed_hint(store))),
    ("model", |store| Box::pin(model::same_as_memory(store))),
    ("no_lost_update", |store| Box::pin(concurrent::no_lost_update(store))),
    ("one_winner", |store| Box::pin(concurrent::one_winner(store))),
    ("exact_bound", |store| Box::pin(concurrent::exact_bound(store))),
    ("adds_commute", |store| Box::pin(concurrent::adds_commute(store))),
    ("one_moment", |store| Box::pin(concurrent::one_moment(store))),
    ("snapshot", |store| Box::pin(concurrent::snapshot(store))),
    ("snapshot_under_load", |store| Box::pin(concurrent::snapshot_under_load(store))),
];

/// Runs every check, each on a fresh store from `open`.
///
/// # Errors
/// All checks that failed.
pub async fn all<S: Store>(open: impl AsyncFn() -> S) -> Result<(), Failures> {
    some(&open, |_| true).await
}

/// Those checks whose names are wanted.
async fn some<S: Store>(
    open: &impl AsyncFn() -> S,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Failures> {
    let mut failures = Vec::new();
    for (check, run) in CHECKS.iter().filter(|(check, _)| wanted(check)) {
        if let Err(message) = run(Arc::new(open().await)).await {
            failures.push(Failure { check, message });
        }
    }
    finish(failures)
}

/// Checks that everything is still there after closing and opening again. `open` opens the same
/// data each time, which is empty at first; the handle before is dropped by then.
///
/// # Errors
/// What was lost.
pub async fn durable<S: Store>(open: impl AsyncFn() -> S) -> Result<(), Failures> {
    let failed = durable::reopen(&open).await.err();
    finish(failed.map(|message| Failure { check: "reopen", message }).into_iter().collect())
}

fn finish(failures: Vec<Failure>) -> Result<(), Failures> {
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}
