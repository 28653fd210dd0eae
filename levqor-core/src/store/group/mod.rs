//! What backends with one writer thread share; each brings only a [`Disk`].
//!
//! ```text
//!  commit ──▶ queue ──▶ writer thread: drain ≤ 512 ─▶ decide each ─▶ Disk::apply (fsync) ─▶ ack all
//!                                        (overlay)                      │
//!  get, scan, snapshot ──▶ view: the tree as of the last durable group ◀┘
//! ```
//!
//! There is no timer: a group is what arrived while the device was busy with the one before. It is
//! *not* a log: the disk keeps a map, and a group changes it atomically or not at all.

mod overlay;
mod record;
mod scrub;
mod store;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::StoreError;

pub(super) use record::{HEAD_KEY, Head};
pub(super) use store::GroupStore;

/// An ordered map of bytes on a device: all that a backend with one writer has to be.
///
/// Reads may come from any thread while `apply` runs and may then see any part of the group; what
/// callers get to see is masked above.
pub(super) trait Disk: fmt::Debug + Send + Sync + 'static {
    /// A stored value, cheap to clone.
    type Raw: AsRef<[u8]> + Clone + Send + Sync + 'static;

    /// Longest payload of one record here; longer values are cut into pieces.
    const PIECE_BYTES_MAX: usize;

    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Self::Raw>, StoreError>;

    /// Calls `visit` with each record from `start` on, in key order, until it returns `false`.
    fn range(&self, start: &[u8], visit: &mut Visit<'_, Self::Raw>) -> Result<(), StoreError>;

    /// Makes all writes (`None` removes) of group number `sequence` durable, in one piece. After an
    /// error the state of the device is unknown and `apply` is not called again.
    fn apply(&self, writes: Writes, sequence: u64) -> Result<(), StoreError>;

    /// No more groups come: what is kept aside may be put in its place. Reads go on.
    fn close(&self) {}

    /// A group that is known to have been acknowledged, from outside the map; a map whose last
    /// group is an earlier one has lost its end.
    fn last_sequence(&self) -> Option<u64> {
        None
    }
}

/// What [`Disk::range`] calls with each key and value; `false` ends the walk.
pub(super) type Visit<'a, R> = dyn FnMut(&[u8], R) -> Result<bool, StoreError> + 'a;

/// A group's writes, each key once.
pub(super) type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Runs a storage library's code, which may panic on damaged files where it should return errors.
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(StoreError::Corrupt(format!("the storage library cannot read it: {text}")))
    })
}
