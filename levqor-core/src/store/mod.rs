//! The store port: an ordered map with atomic commits and bounded counters.
//!
//! What it is not: it knows no runs, no ledger, no SQL. Domain logic is written once, above; a
//! backend is a few hundred lines and must pass `conformance` (feature `testing`), which any
//! third-party store can run too.
//!
//! ```text
//!  decide (pure) ──▶ Batch { expect, set, delete, add } ──▶ Store::commit ──▶ durable | Conflict
//! ```

pub mod backup;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
pub mod key;
pub mod memory;

#[cfg(any(feature = "sled", feature = "redb"))]
mod group;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(any(feature = "sled", feature = "redb"))]
mod redo;
#[cfg(feature = "sled")]
pub mod sled;
mod spec;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

#[cfg(any(test, feature = "testing"))]
pub use fault::{FaultCounts, FaultPlan, FaultStore};
pub use key::{Key, KeyRange, Table};
pub use memory::MemoryStore;
#[cfg(feature = "redb")]
pub use redb::{RedbOptions, RedbStore};
#[cfg(feature = "sled")]
pub use sled::{SledOptions, SledStore};
pub use spec::StoreSpec;

/// What a record holds; JSON with a format version, but the store does not look.
pub type Value = Bytes;

/// Which version of a record was read. Equality is its only meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(pub u64);

/// A stored value and its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The bytes.
    pub value: Value,
    /// Their revision.
    pub revision: Revision,
}

/// An organization's namespace of counters, and the hint by which backends route batches.
pub type Scope = Arc<str>;

/// One counter: a signed 64-bit number, 0 until first added to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// The organization.
    pub scope: Scope,
    /// Which of its counters, for instance `available`, `held`, `runs/2026-11-23`.
    pub slot: Arc<str>,
}

impl Counter {
    /// The counter `slot` of `scope`.
    #[must_use]
    pub fn new(scope: impl Into<Scope>, slot: impl Into<Arc<str>>) -> Self {
        Self { scope: scope.into(), slot: slot.into() }
    }
}

/// What must hold for a batch to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No record stands at the key.
    Absent(Key),
    /// The record at the key has this revision.
    At(Key, Revision),
}

/// A bounded addition; refused when the result is outside `min..=max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// Which counter.
    pub counter: Counter,
    /// What to add.
    pub delta: i64,
    /// Least value allowed afterwards. Checked only when `delta < 0`.
    pub min: i64,
    /// Greatest value allowed afterwards. Checked only when `delta > 0`.
    pub max: i64,
}

/// What one commit does, all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The organization the batch is about; backends route by it.
    pub lane: Option<Scope>,
    /// Preconditions.
    pub expect: Vec<Expect>,
    /// Records to write.
    pub set: Vec<(Key, Value)>,
    /// Records to remove; removing an absent one is fine.
    pub delete: Vec<Key>,
    /// Counters to move, each at most once.
    pub add: Vec<Add>,
}

/// Name in [`Table::Meta`] of the store's own format record. A backup leaves it out.
pub const META_STORE: &str = "store";

/// Most operations one batch may carry: keeps a group of batches under a backend's page budget.
pub const BATCH_OPS_MAX: usize = 4_096;
/// Most bytes one batch may carry: an output at its limit, with room.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest key: four ids at their limit and an idempotency key, with room; long keys make a
/// backend's inner pages outgrow what it can write in one piece.
pub const KEY_BYTES_MAX: usize = 1_024;

impl Batch {
    /// An empty batch for this organization.
    #[must_use]
    pub fn new(lane: impl Into<Scope>) -> Self {
        Self { lane: Some(lane.into()), ..Self::default() }
    }

    /// Requires that `key` holds no record, then writes one.
    pub fn insert(&mut self, key: Key, value: Value) {
        self.expect.push(Expect::Absent(key.clone()));
        self.set.push((key, value));
    }

    /// Requires `revision` at `key`, then writes.
    pub fn replace(&mut self, key: Key, revision: Revision, value: Value) {
        self.expect.push(Expect::At(key.clone(), revision));
        self.set.push((key, value));
    }

    /// Requires `revision` at `key`, then removes.
    pub fn remove(&mut self, key: Key, revision: Revision) {
        self.expect.push(Expect::At(key.clone(), revision));
        self.delete.push(key);
    }

    /// Adds to a counter; several adds to one counter merge, the tighter bounds win.
    pub fn add(&mut self, add: Add) {
        match self.add.iter_mut().find(|a| a.counter == add.counter) {
            Some(seen) => {
                seen.delta = seen.delta.saturating_add(add.delta);
                seen.min = seen.min.max(add.min);
                seen.max = seen.max.min(add.max);
            }
            None => self.add.push(add),
        }
    }

    /// Does what another batch does as well; the lane stays.
    pub fn along(&mut self, other: Self) {
        self.expect.extend(other.expect);
        self.set.extend(other.set);
        self.delete.extend(other.delete);
        for add in other.add {
            self.add(add);
        }
    }

    /// Whether the batch may be sent: a batch that adds also consumes an expectation (a key in
    /// `expect` that it also sets or deletes), so that a retry after [`CommitError::Unknown`]
    /// cannot count twice; no key is written and no counter moved twice; every key belongs to a
    /// table; sizes are within bounds.
    ///
    /// # Errors
    /// A [`CommitError::Invalid`] that says which rule is broken, or [`CommitError::TooLarge`].
    pub fn check(&self) -> Result<(), CommitError> {
        let ops = self.expect.len() + self.set.len() + self.delete.len() + self.add.len();
        let bytes: usize = self.set.iter().map(|(k, v)| k.as_bytes().len() + v.len()).sum();
        if ops > BATCH_OPS_MAX || bytes > BATCH_BYTES_MAX {
            return Err(CommitError::TooLarge { ops, bytes });
        }
        let mut written: Vec<&Key> =
            self.set.iter().map(|(k, _)| k).chain(self.delete.iter()).collect();
        written.sort_unstable();
        if written.windows(2).any(|w| w[0] == w[1]) {
            return Err(CommitError::Invalid("a key is written twice"));
        }
        if written.iter().any(|key| !key.is_storable()) {
            return Err(CommitError::Invalid("a key is outside the tables or too long"));
        }
        let name_bytes = |add: &Add| add.counter.scope.len() + add.counter.slot.len();
        if self.add.iter().any(|add| name_bytes(add) > KEY_BYTES_MAX) {
            return Err(CommitError::Invalid("a counter's name is too long"));
        }
        let twice = |(i, add): (usize, &Add)| {
            self.add.iter().skip(i + 1).any(|other| other.counter == add.counter)
        };
        if self.add.iter().enumerate().any(twice) {
            return Err(CommitError::Invalid("a counter is moved twice"));
        }
        let consumes = || {
            self.expect.iter().any(|e| match e {
                Expect::Absent(key) => self.set.iter().any(|(k, _)| k == key),
                Expect::At(key, _) => written.binary_search(&key).is_ok(),
            })
        };
        if !self.add.is_empty() && !consumes() {
            return Err(CommitError::Invalid("a batch that adds consumes no expectation"));
        }
        Ok(())
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision that every record set by this batch now has.
    pub revision: Revision,
    /// Each counter of `add`, after it, in order.
    pub counters: Vec<i64>,
}

/// Why a batch was not applied, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// An expectation does not hold; nothing was applied. Reload and decide again.
    #[error("the record changed since it was read")]
    Conflict {
        /// The first key whose expectation failed.
        key: Key,
    },
    /// A counter would leave its bounds; nothing was applied.
    #[error("counter {} would leave its bounds (now {value})", counter.slot)]
    Bound {
        /// Which counter.
        counter: Counter,
        /// Its value, unchanged.
        value: i64,
    },
    /// The outcome is not known (connection lost, store stopping). Read back before repeating.
    #[error("the outcome of the commit is not known")]
    Unknown,
    /// An earlier write failed; the store refuses everything until it is opened again.
    #[error("the store stopped after a failed write: {0}")]
    Poisoned(String),
    /// Over [`BATCH_OPS_MAX`] or [`BATCH_BYTES_MAX`]; nothing was applied.
    #[error("the batch is too large ({ops} operations, {bytes} bytes)")]
    TooLarge {
        /// Operations in the batch.
        ops: usize,
        /// Bytes in the batch.
        bytes: usize,
    },
    /// The batch breaks a rule of [`Batch::check`]; nothing was applied. A bug of the caller.
    #[error("the batch is invalid: {0}")]
    Invalid(&'static str),
}

/// Why a store could not be opened or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store is in use by another process: {0}")]
    Locked(String),
    /// The bytes on disk are not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer version, or not by Levqor.
    #[error("the store has an unknown format: {0}")]
    Format(String),
    /// The device or connection failed.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked(_) => "store.locked",
            Self::Corrupt(_) => "store.corrupt",
            Self::Format(_) => "store.format",
            Self::Unavailable(_) => "store.unavailable",
        }
    }
}

impl CommitError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "store.conflict",
            Self::Bound { .. } => "store.bound",
            Self::Unknown => "store.unknown_outcome",
            Self::Poisoned(_) => "store.poisoned",
            Self::TooLarge { .. } => "store.too_large",
            Self::Invalid(_) => "store.invalid_batch",
        }
    }
}

/// An ordered map with atomic commits.
///
/// After `commit` returned `Ok`, the batch survives a crash of the process and of the machine, and
/// every later read in any process sees it. Nothing else is a promise of durability. After
/// `Conflict`, `Bound`, `TooLarge` or `Invalid` nothing of the batch was applied. After `Unknown`
/// it was applied wholly or not at all. Commits are serializable; a `get` of several keys sees one
/// moment; a `scan` sees each record at some moment during the call.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The records at these keys, in order, at one moment.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;
    /// Up to `limit` records of the range in key order.
    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError>;
    /// The counters' values; 0 where nothing was added yet.
    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError>;
    /// Applies the batch, all or nothing; durable on `Ok`.
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError>;
    /// One consistent cut of everything, for backup.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;
    /// Ticks after commits; a hint only, ticks may be lost or merged.
    fn changed(&self) -> watch::Receiver<u64>;
    /// Whether other processes may use the same data at the same time. An engine on a store that
    /// is not shared takes over every run at once when it opens.
    fn is_shared(&self) -> bool {
        false
    }
}

/// One consistent cut of a store: every record and counter as of one moment.
#[async_trait]
pub trait Snapshot: Send {
    /// Up to `limit` records after `after` (exclusive; `None` from the start), in key order. Empty
    /// at the end.
    async fn records(
        &mut self,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Value)>, StoreError>;
    /// Every counter that is not 0, in order.
    async fn counters(&mut self) -> Result<Vec<(Counter, i64)>, StoreError>;
}
