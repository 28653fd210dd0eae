//! [`Change`]: one commit of the host's own records, with the audit row that says whose it is.

use std::sync::atomic::{AtomicU32, Ordering};

use levqor_core::ids::Organization;
use levqor_core::store::{Add, Batch, Revision};
use levqor_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Once;
use super::record::{self, Record, Room};
use crate::caller::Caller;
use crate::http::Head;
use crate::ids;

/// Audit rows of this process; it may begin again.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// Who changed what, when: one row for each write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who: `key:…`, `user:…`, `system:…`.
    pub principal: String,
    /// What was done: the route's id.
    pub action: String,
    /// To what: a run's, a key's, a pipeline's id.
    pub target: String,
    /// The request, as in the log.
    pub request_id: String,
}

impl Record for Audit {
    const ROOM: Room = Room::Audit;
}

impl Audit {
    /// The row of a request that nobody has signed yet: a sign-in.
    #[must_use]
    pub fn of_system(head: &Head, target: &str, now: Timestamp) -> Self {
        Self {
            at: now,
            principal: "system:people".to_owned(),
            action: head.route.to_owned(),
            target: target.to_owned(),
            request_id: head.request_id.to_string(),
        }
    }

    /// The row of a request's change.
    #[must_use]
    pub fn of(caller: &Caller, head: &Head, target: &str, now: Timestamp) -> Self {
        Self {
            at: now,
            principal: caller.principal(),
            action: head.route.to_owned(),
            target: target.to_owned(),
            request_id: head.request_id.to_string(),
        }
    }
}

/// What one commit does to the host's records.
#[derive(Debug)]
#[must_use = "a change does nothing until it is committed"]
pub struct Change {
    batch: Batch,
    once: Option<Once>,
}

impl Change {
    /// A change in this organization that leaves an audit row.
    pub fn by(
        caller: &Caller,
        organization: &Organization,
        head: &Head,
        target: &str,
        now: Timestamp,
    ) -> Self {
        let row = Audit::of(caller, head, target, now);
        let once = head.once.clone();
        Self { once, ..Self::of_system(organization) }.audited(organization, row)
    }

    /// A change that no request asked for: at the first start, on a timer.
    pub fn of_system(organization: &Organization) -> Self {
        Self { batch: Batch::new(organization.as_str()), once: None }
    }

    /// With one more audit row.
    pub fn audited(mut self, organization: &Organization, row: Audit) -> Self {
        // Newest first: keys sort upwards, so time stands as its complement.
        let back = u64::MAX - u64::try_from(row.at.as_millis()).unwrap_or(0);
        // Within a millisecond of this process, as they were written.
        let turn = u32::MAX - WRITTEN.fetch_add(1, Ordering::Relaxed);
        // One part, so that a page can go on after any row of the same millisecond.
        let place = format!("{back:016x}{turn:08x}{}", ids::make("aud"));
        let parts = [organization.as_str(), &place];
        self.batch.insert(record::key(Room::Audit, &parts), record::write(&row));
        self
    }

    /// Writes a record that must not be there yet.
    pub fn insert<R: Record>(mut self, parts: &[&str], record: &R) -> Self {
        self.batch.insert(record::key(R::ROOM, parts), record::write(record));
        self
    }

    /// Writes over the version that was read.
    pub fn replace<R: Record>(mut self, parts: &[&str], read: Revision, record: &R) -> Self {
        self.batch.replace(record::key(R::ROOM, parts), read, record::write(record));
        self
    }

    /// Writes whatever stands there now.
    pub fn put<R: Record>(mut self, parts: &[&str], record: &R) -> Self {
        self.batch.set.push((record::key(R::ROOM, parts), record::write(record)));
        self
    }

    /// Removes the version that was read.
    pub fn remove<R: Record>(mut self, parts: &[&str], read: Revision) -> Self {
        self.batch.remove(record::key(R::ROOM, parts), read);
        self
    }

    /// Removes whatever stands there.
    pub fn forget<R: Record>(mut self, parts: &[&str]) -> Self {
        self.batch.delete.push(record::key(R::ROOM, parts));
        self
    }

    /// Moves a counter within bounds.
    #[expect(clippy::should_implement_trait, reason = "the store's word; a change is no number")]
    pub fn add(mut self, add: Add) -> Self {
        self.batch.add(add);
        self
    }

    /// Everything of a batch that the engine or the ledger made.
    pub fn along(mut self, other: Batch) -> Self {
        self.batch.along(other);
        self
    }

    /// The keyed request that this change is of.
    pub(super) fn once(&self) -> Option<&Once> {
        self.once.as_ref()
    }

    #[cfg(test)]
    pub(super) fn keyed(once: Once) -> Self {
        Self { once: Some(once.clone()), ..Self::of_system(&Organization::local()) }
    }

    /// The change as a batch for a commit of the engine's, which it goes along with.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}
