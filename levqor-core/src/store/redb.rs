//! [`RedbStore`]: the maintained embedded alternative, one file on a local file system.
//!
//! redb syncs by itself and commits atomically, so there is little to add: the group writer, and
//! the same record layout as every backend with one. It is *not* shared by two processes.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError};
use tokio::sync::watch;

use super::group::{Disk, GroupStore, Visit, Writes, guarded};
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
    /// 128 MiB of cache, and a scrub.
    fn default() -> Self {
        Self { cache_bytes: 128 * 1024 * 1024, scrub: true }
    }
}

/// A store in a file. Clones share it; the file's lock is released with the last one.
#[derive(Clone)]
pub struct RedbStore {
    inner: GroupStore<RedbDisk>,
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
        let disk = RedbDisk::open(path.as_ref(), options.cache_bytes)?;
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
    path: PathBuf,
}

impl RedbDisk {
    fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let unavailable =
            |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", path.display()));
        if path.is_dir() {
            let path = path.display();
            return Err(StoreError::Unavailable(format!(
                "{path} is a folder, redb keeps one file: say `{path}/store.redb`"
            )));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir).map_err(unavailable)?;
        }
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let database = guarded(|| match builder.create(path) {
            Err(
                redb::DatabaseError::DatabaseAlreadyOpen
                | redb::DatabaseError::LockProtocolMismatch,
            ) => Err(StoreError::Locked(path.display().to_string())),
            done => done.map_err(from_redb),
        })?;
        // A new name in a directory is durable once the directory is.
        if let Ok(dir) = File::open(dir.unwrap_or(Path::new("."))) {
            dir.sync_all().map_err(unavailable)?;
        }
        Ok(Self { database, path: path.to_owned() })
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

impl Disk for RedbDisk {
    type Raw = Bytes;

    // redb keeps any value; pieces bound what a change of a long one rewrites.
    const PIECE_BYTES_MAX: usize = 1024 * 1024;

    fn get(&self, key: &[u8]) -> Result<Option<Self::Raw>, StoreError> {
        guarded(|| {
            let Some(table) = self.table()? else { return Ok(None) };
            let found = table.get(key).map_err(from_redb)?;
            Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Self::Raw>) -> Result<(), StoreError> {
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

    fn apply(&self, writes: Writes, _: u64) -> Result<(), StoreError> {
        let mut writing = self.database.begin_write().map_err(from_redb)?;
        writing.set_durability(Durability::Immediate).map_err(from_redb)?;
        {
            let mut table = writing.open_table(TABLE).map_err(from_redb)?;
            for (key, value) in &writes {
                match value {
                    Some(value) => table.insert(&key[..], &value[..]).map_err(from_redb)?,
                    None => table.remove(&key[..]).map_err(from_redb)?,
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
mod tests {
    use super::*;
    use crate::store::{Table, Value, conformance};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn conforms() {
        let dirs = tempfile::tempdir().unwrap();
        let next = std::sync::atomic::AtomicU64::new(0);
        let fresh = async || {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            RedbStore::open(dirs.path().join(n.to_string())).unwrap()
        };
        conformance::all(fresh).await.unwrap();
        let same = dirs.path().join("same");
        conformance::durable(async || RedbStore::open(&same).unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_second_handle_and_another_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/store");
        let store = RedbStore::open(&path).unwrap();
        let mut batch = Batch::new("acme");
        batch.insert(Key::of(Table::Live).number(1), Value::from("x"));
        store.commit(batch).await.unwrap();
        let second = RedbStore::open(&path).unwrap_err();
        assert_eq!(second.code(), "store.locked", "{second}");
        drop(store);
        RedbStore::open(&path).unwrap();
        let refused = RedbStore::open(dir.path()).unwrap_err();
        assert_eq!(refused.code(), "store.unavailable");
        assert!(refused.to_string().contains("/store.redb`"), "{refused}");
        let other = dir.path().join("other");
        std::fs::write(&other, vec![7; 10_000]).unwrap();
        let refused = RedbStore::open(&other).unwrap_err();
        assert!(["store.corrupt", "store.format"].contains(&refused.code()), "{refused}");
    }
}
