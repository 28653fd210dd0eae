//! The desk: the host's own records in the engine's store, and the commits that change them.
//!
//! ```text
//!  Change { batch, audit row, idempotency row } ──commit──▶ durable, or Conflict
//! ```
//! A record is JSON under `(room, parts…)` in the store's host table, with a format version. What it
//! is not: the place of runs, pipelines or credits. Those are the engine's.

mod change;
mod idempotency;
mod record;

use std::sync::Arc;

use levqor_core::store::{Counter, Key, KeyRange, Revision, Store, Table, Value};

pub use change::{Audit, Change};
pub use idempotency::Once;
pub(crate) use idempotency::{Begun, due_place};
pub use record::{Record, Room};

use crate::http::Problem;

/// The host's records; a cheap clone.
#[derive(Clone, Debug)]
pub struct Desk {
    store: Arc<dyn Store>,
    /// Keyed requests that are being handled.
    flights: idempotency::Flights,
}

/// A record with where it stands and which version of it was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found<R> {
    /// The parts of its key after the room.
    pub parts: Vec<String>,
    /// The record.
    pub record: R,
    /// Its revision.
    pub revision: Revision,
}

impl Desk {
    /// The desk on a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, flights: idempotency::Flights::default() }
    }

    /// The record under these parts.
    ///
    /// # Errors
    /// When the store cannot be read, or holds something else there.
    pub async fn get<R: Record>(&self, parts: &[&str]) -> Result<Option<(R, Revision)>, Problem> {
        let key = record::key(R::ROOM, parts);
        let found = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
        match found {
            Some(found) => Ok(Some((record::read(&found.value)?, found.revision))),
            None => Ok(None),
        }
    }

    /// The records under these parts, in their order, all of one moment.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn many<R: Record>(
        &self,
        all: &[impl AsRef<[&str]> + Sync],
    ) -> Result<Vec<Option<R>>, Problem> {
        let keys: Vec<Key> = all.iter().map(|parts| record::key(R::ROOM, parts.as_ref())).collect();
        let found = self.store.get(&keys).await?;
        found.into_iter().map(|f| f.map(|f| record::read(&f.value)).transpose()).collect()
    }

    /// Up to `limit` records whose key begins with `within`, after the one whose last part is
    /// `after`, in order. A list that wants to know whether there is more asks for one more.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn list<R: Record>(
        &self,
        within: &[&str],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Found<R>>, Problem> {
        let prefix = record::key(R::ROOM, within);
        let mut range: KeyRange = prefix.clone().prefix();
        if let Some(after) = after {
            // Past every key that begins with that part.
            range = KeyRange { start: prefix.text(after).prefix().end, end: range.end };
        }
        let mut found = Vec::new();
        for (key, stored) in self.store.scan(&range, limit).await? {
            let record = record::read(&stored.value)?;
            found.push(Found { parts: record::parts(&key), record, revision: stored.revision });
        }
        Ok(found)
    }

    /// The counters' values.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, Problem> {
        Ok(self.store.counters(of).await?)
    }

    /// Commits a change, all or nothing.
    ///
    /// # Errors
    /// `store.conflict` when something it read has changed since; nothing was changed then.
    pub async fn commit(&self, change: Change) -> Result<(), Problem> {
        self.store.commit(change.into_batch()).await?;
        Ok(())
    }
}

/// The key of a record, for a batch that is not the desk's.
#[must_use]
pub fn key_of<R: Record>(parts: &[&str]) -> Key {
    record::key(R::ROOM, parts)
}

/// A record's bytes, for a batch that is not the desk's.
#[must_use]
pub fn value_of<R: Record>(record: &R) -> Value {
    record::write(record)
}

/// The table that everything here stands in.
pub(crate) const TABLE: Table = Table::Host;

#[cfg(test)]
mod tests;
