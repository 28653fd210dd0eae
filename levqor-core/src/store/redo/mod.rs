//! A [`Disk`] of a map that is slow to make durable: a redo log in front of it.
//!
//! ```text
//!  group ──▶ redo file (one write, one fdatasync) ──▶ recent table ──▶ acknowledged
//!                                                        │ 2 MiB later
//!                         the other redo file ◀── turn ──┤
//!                                                        ▼
//!                          the map, in the background ◀ aside ── then its redo file is free
//! ```
//!
//! A group costs one append. The map gets only what is left of thousands of groups, a record that
//! was rewritten or removed meanwhile once or never. Two files take turns: one takes the groups that
//! come, the other keeps those that the map is taking in. Reads look at the recent table, the one
//! set aside, the map, in this order.
//!
//! The map gets a table's head record last: it has all groups up to the one that its head names.
//! Opening reads the later ones back into a table. All writes are absolute, so it does not matter
//! how many of them the map has got. It is *not* where damage is judged: a log that ends early is
//! found by the witness, a record that is wrong by its checksum and by the sums in the head.

mod feed;
mod file;
mod kept;
#[cfg(test)]
pub(super) mod on_disk;
mod recent;
#[cfg(test)]
mod tests;
mod witness;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

use self::feed::Shared;
use self::file::RedoFile;
use self::witness::Witness;
use super::StoreError;
use super::group::{Disk, HEAD_KEY, Head, Visit, Writes, guarded};

pub(super) use self::file::{directory_of, reserve, sync_names, unavailable};
pub(super) use self::witness::knows_a_store;

/// The map behind the log.
pub(super) trait Base: fmt::Debug + Send + Sync + 'static {
    /// As [`Disk::PIECE_BYTES_MAX`].
    const PIECE_BYTES_MAX: usize;

    /// As [`Disk::get`].
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// As [`Disk::range`].
    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError>;

    /// Sets room aside on the device, so that the next tables do not fail for want of it.
    ///
    /// # Errors
    /// When there is no such room; the map is as it was.
    fn reserve(&self, bytes: u64) -> Result<(), StoreError>;

    /// Takes in all these writes and makes them durable, in any order. It may be cut off anywhere:
    /// what was not finished is asked for again when the store is next opened.
    fn absorb(&self, writes: &mut Absorbed<'_>) -> Result<(), StoreError>;
}

/// Writes that [`Base::absorb`] takes in; `None` removes.
pub(super) type Absorbed<'a> = dyn Iterator<Item = (&'a [u8], Option<&'a Bytes>)> + 'a;

/// Bytes of log before the files take turns: bounds the memory of the tables (about three times
/// this), the work of opening after a crash, and how long a group waits for a turn. Twice as much
/// makes no difference to how many groups are written.
const TURN_BYTES: u64 = 2 * 1024 * 1024;
/// Room that the map keeps for its next tables, in logs: the one it takes in, the one that grows,
/// and twice that for what it rewrites beside them. A map that meets a full disk is of no more use,
/// not even to read; a log that meets it is.
const RESERVED_TURNS: u64 = 6;
/// Ends of the names of the files that take turns.
const FILES: [&str; 2] = [".redo.0", ".redo.1"];

/// A map with a redo log.
pub(super) struct Redo<B: Base> {
    shared: Arc<Shared<B>>,
    log: Mutex<Log>,
    /// [`TURN_BYTES`], less in tests.
    pub(super) turn_bytes: u64,
    /// Acknowledges without writing anything out: a bug to plant, for a test of crashes to find.
    #[cfg(feature = "testing")]
    pub(super) unflushed: bool,
}

#[derive(Debug)]
struct Log {
    files: [RedoFile; 2],
    current: usize,
    /// The files must take turns before the next group.
    is_full: bool,
    witness: Witness,
    feeder: Option<JoinHandle<()>>,
}

impl<B: Base> Redo<B> {
    /// Opens the log whose files' names begin with `prefix`, in front of `base`, and makes the names
    /// in their directory durable. Nothing else is written before the first group.
    pub(super) fn open(base: B, prefix: &Path) -> Result<Self, StoreError> {
        let witness = Witness::open(prefix)?;
        let known = match guarded(|| base.get(HEAD_KEY))? {
            Some(raw) => Head::decode(&raw)?.sequence,
            None => 0,
        };
        let [zero, one] = FILES.map(|end| file::named(prefix, end));
        let (files, groups) = file::open_both(&zero, &one, known)?;
        sync_names(directory_of(prefix))?;
        let is_full = !groups.is_empty();
        let shared = Shared::new(base, groups);
        let log = Log { files, current: 0, is_full, witness, feeder: None };
        Ok(Self {
            shared: Arc::new(shared),
            log: Mutex::new(log),
            turn_bytes: TURN_BYTES,
            #[cfg(feature = "testing")]
            unflushed: false,
        })
    }

    /// Starts the thread that feeds the map, where it does not run yet.
    fn feed(&self, log: &mut Log) -> Result<(), StoreError> {
        if log.feeder.is_none() {
            self.shared.base.reserve(RESERVED_TURNS * self.turn_bytes)?;
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("levqor-feed".to_owned());
            let thread = thread.spawn(move || shared.run());
            log.feeder = Some(thread.map_err(|e| StoreError::Unavailable(e.to_string()))?);
        }
        Ok(())
    }

    /// Lets the files take turns: waits until the map has what the other one keeps.
    fn turn(&self, log: &mut Log) -> Result<(), StoreError> {
        self.shared.turn(RESERVED_TURNS * self.turn_bytes)?;
        log.current = 1 - log.current;
        log.files[log.current].rewind();
        log.is_full = false;
        Ok(())
    }
}

impl<B: Base> Disk for Redo<B> {
    type Raw = Bytes;

    const PIECE_BYTES_MAX: usize = B::PIECE_BYTES_MAX;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.shared.get(key)
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError> {
        self.shared.range(start, visit)
    }

    fn apply(&self, writes: Writes, sequence: u64) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        self.feed(&mut log)?;
        if log.is_full {
            self.turn(&mut log)?;
        }
        let current = log.current;
        #[cfg(feature = "testing")]
        if self.unflushed {
            self.shared.put(writes);
            return Ok(());
        }
        let written = log.files[current].append(sequence, &writes)?;
        self.shared.put(writes);
        log.is_full = written >= self.turn_bytes;
        log.witness.write(sequence)
    }

    fn last_sequence(&self) -> Option<u64> {
        self.log.lock().witness.found
    }

    fn close(&self) {
        let mut log = self.log.lock();
        // Where no group was written, what was found is left as it was.
        let Some(feeder) = log.feeder.take() else { return };
        self.shared.stop();
        // A panic of the map is caught and is a failure.
        let _ = feeder.join();
        if self.shared.settle() {
            // A log that cannot be emptied is replayed, which changes nothing.
            let _ = log.files.iter_mut().try_for_each(RedoFile::clear);
        }
    }
}

impl<B: Base> Drop for Redo<B> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<B: Base> fmt::Debug for Redo<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.base.fmt(f)
    }
}
