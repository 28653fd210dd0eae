//! [`RedbStore`]: the maintained embedded alternative, one file on a local file system.
//!
//! redb commits atomically and syncs by itself, at a price of two syncs and many pages: groups
//! become durable in the redo log beside it, and redb gets many of them in one commit. The record
//! layout is that of every backend with a group writer. It is *not* shared by two processes.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError};
use tokio::sync::watch;

use super::group::{GroupStore, Visit, guarded};
use super::redo::{
    Absorbed, Base, Redo, directory_of, knows_a_store, reserve, sync_names, unavailable,
};
use super::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, Snapshot, Store, StoreError,
};

/// How to open a [`RedbStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedbOptions {
    /// Memory for redb's page cache in bytes.
    pub cache_bytes: usize,
    /// Whether opening reads every record and compares with what the last group left behind.
    pub scrub: bool,
}

impl Default for RedbOptions {
    /// 32 MiB of cache, and a scrub: what a run needs is in the tables of the log.
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024, scrub: true }
    }
}

/// A store in a file, and its redo log in files beside it (`FILE.redo.0`, `FILE.redo.1`,
/// `FILE.last`). Clones share it; the file's lock is released with the last one.
#[derive(Clone)]
pub struct RedbStore {
    inner: GroupStore<Redo<RedbDisk>>,
}

impl RedbStore {
    /// Opens the store in the file `path`, which is created when absent, as are its directories.
    ///
    /// # Errors
    /// `Locked` while another process (or another handle) has it, `Corrupt` when it is not what was
    /// written, `Format` when a newer version or something else wrote it, else `Unavailable`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, RedbOptions::default())
    }

    /// Opens with options.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_with(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let map = RedbDisk::open(path, options.cache_bytes)?;
        let disk = Redo::open(map, path)?;
        Ok(Self { inner: GroupStore::open(disk, options.scrub, "levqor-redb")? })
    }

    /// Writes what is waiting and ends the writer thread; blocks until then. Later commits are
    /// refused as [`CommitError::Poisoned`], reads go on.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.inner.scan(range, limit).await
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        self.inner.counters(of).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.inner.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.snapshot().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed()
    }
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("levqor");

type OpenTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

struct RedbDisk {
    database: Database,
    /// redb's file, to set room aside behind its end.
    file: File,
    path: PathBuf,
}

impl RedbDisk {
    fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        if path.is_dir() {
            let path = path.display();
            return Err(StoreError::Unavailable(format!(
                "{path} is a folder, redb keeps one file: say `{path}/store.redb`"
            )));
        }
        if !path.exists() && knows_a_store(path) {
            let path = path.display();
            return Err(StoreError::Corrupt(format!(
                "{path} is gone, but its log is there: put it back, or remove {path}.last, \
                 {path}.redo.0 and {path}.redo.1 to begin anew"
            )));
        }
        let dir = directory_of(path);
        std::fs::create_dir_all(dir).map_err(|e| unavailable(dir, &e))?;
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let database = guarded(|| match builder.create(path) {
            Err(
                redb::DatabaseError::DatabaseAlreadyOpen
                | redb::DatabaseError::LockProtocolMismatch,
            ) => Err(StoreError::Locked(path.display().to_string())),
            done => done.map_err(from_redb),
        })?;
        // The log, which is opened next, makes the names in the directory durable.
        sync_names(directory_of(dir))?;
        let file = OpenOptions::new().write(true).open(path).map_err(|e| unavailable(path, &e))?;
        Ok(Self { database, file, path: path.to_owned() })
    }

    /// The table at one moment; `None` before the first group.
    fn table(&self) -> Result<Option<OpenTable>, StoreError> {
        let reading = self.database.begin_read().map_err(from_redb)?;
        match reading.open_table(TABLE) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(e) => Err(from_redb(e)),
        }
    }
}

impl Base for RedbDisk {
    // redb keeps any value; pieces bound what a change of a long one rewrites.
    const PIECE_BYTES_MAX: usize = 1024 * 1024;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        guarded(|| {
            let Some(table) = self.table()? else { return Ok(None) };
            let found = table.get(key).map_err(from_redb)?;
            Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError> {
        let Some(table) = guarded(|| self.table())? else { return Ok(()) };
        let mut records = guarded(|| table.range(start..).map_err(from_redb))?;
        while let Some(next) = guarded(|| records.next().transpose().map_err(from_redb))? {
            let (key, value) = next;
            if !visit(key.value(), Bytes::copy_from_slice(value.value()))? {
                break;
            }
        }
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        reserve(&self.file, bytes).map_err(|e| unavailable(&self.path, &e))
    }

    fn absorb(&self, writes: &mut Absorbed<'_>) -> Result<(), StoreError> {
        let mut writing = self.database.begin_write().map_err(from_redb)?;
        writing.set_durability(Durability::Immediate).map_err(from_redb)?;
        {
            let mut table = writing.open_table(TABLE).map_err(from_redb)?;
            for (key, value) in writes {
                match value {
                    Some(value) => table.insert(key, &value[..]).map_err(from_redb)?,
                    None => table.remove(key).map_err(from_redb)?,
                };
            }
        }
        writing.commit().map_err(from_redb)
    }
}

impl fmt::Debug for RedbDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn from_redb(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StoreError::Locked("the file".to_owned()),
        redb::Error::Corrupted(why) => StoreError::Corrupt(why),
        e @ redb::Error::RepairAborted => StoreError::Corrupt(e.to_string()),
        e @ (redb::Error::UpgradeRequired(_) | redb::Error::TableTypeMismatch { .. }) => {
            StoreError::Format(e.to_string())
        }
        redb::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            StoreError::Corrupt(e.to_string())
        }
        e => StoreError::Unavailable(e.to_string()),
    }
}

#[cfg(test)]
mod tests;
