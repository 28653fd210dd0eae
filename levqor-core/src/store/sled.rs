//! [`SledStore`]: the embedded default, one directory on a local file system.
//!
//! What sled is trusted with is little: to be a map. Groups become durable in the redo log before
//! it; the map gets them later, many at once. Its own flush is only `sync_file_range`, which keeps
//! nothing through a power cut, so the data file is synced through a descriptor of our own before
//! the log forgets. sled panics on some damaged files where others return errors; that is caught
//! and reported as damage.
//!
//! It is *not* for network file systems (the lock is `flock`) and never shared by two processes.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::group::{GroupStore, Visit, guarded};
use super::redo::{Absorbed, Base, Redo, reserve, sync_names, unavailable};
use super::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, Snapshot, Store, StoreError,
};

/// How to open a [`SledStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SledOptions {
    /// Memory for sled's page cache in bytes.
    pub cache_bytes: u64,
    /// Whether opening reads every record and compares with what the last group left behind. It
    /// takes about a second per million records; without it damage is found when it is read.
    pub scrub: bool,
    /// Acknowledges without writing anything out: a bug to plant, for a test of crashes to find.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub unflushed: bool,
    /// Bytes of redo log before its files take turns, so that tests of crashes see many turns.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub turn_bytes: Option<u64>,
}

/// Pages kept where the options do not say. What a run needs was written a moment ago and is in the
/// log's tables; a page that is not here is read from the system's own cache.
const CACHE_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;

impl Default for SledOptions {
    /// 8 MiB of cache, and a scrub.
    fn default() -> Self {
        Self {
            cache_bytes: CACHE_BYTES_DEFAULT,
            scrub: true,
            #[cfg(feature = "testing")]
            unflushed: false,
            #[cfg(feature = "testing")]
            turn_bytes: None,
        }
    }
}

/// A store in a directory. Clones share it; the directory's lock is released with the last one.
#[derive(Clone)]
pub struct SledStore {
    inner: GroupStore<Redo<SledDisk>>,
}

impl SledStore {
    /// Opens the store in the directory `path`, which is created when absent.
    ///
    /// # Errors
    /// `Locked` while another process (or another handle) has it, `Corrupt` when it is not what was
    /// written, `Format` when a newer version or something else wrote it, else `Unavailable`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, SledOptions::default())
    }

    /// Opens with options.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    pub fn open_with(path: impl AsRef<Path>, options: SledOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let map = SledDisk::open(path, options.cache_bytes)?;
        #[cfg_attr(not(feature = "testing"), expect(unused_mut, reason = "set by a test only"))]
        let mut disk = Redo::open(map, &path.join("levqor"))?;
        #[cfg(feature = "testing")]
        {
            disk.unflushed = options.unflushed;
            disk.turn_bytes = options.turn_bytes.unwrap_or(disk.turn_bytes);
        }
        Ok(Self { inner: GroupStore::open(disk, options.scrub, "levqor-sled")? })
    }

    /// Writes what is waiting and ends the writer thread; blocks until then. Later commits are
    /// refused as [`CommitError::Poisoned`], reads go on.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Store for SledStore {
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

/// sled's segments. A leaf holds up to 16 records and must stay under a quarter of a segment:
/// larger ones go to files of their own, which nobody syncs.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;
/// Times a lock is tried: sled lets go of its own a moment after the last handle is dropped.
const LOCK_TRIES: u32 = 20;
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

struct SledDisk {
    tree: sled::Db,
    /// The file that sled writes to, for the sync it does not do.
    data: File,
    path: PathBuf,
}

impl SledDisk {
    fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|e| unavailable(path, &e))?;
        let tree = open_tree(path, cache_bytes)?;
        let data = path.join("db");
        let data = OpenOptions::new().read(true).write(true).open(&data);
        let data = data.map_err(|e| unavailable(path, &e))?;
        data.sync_all().map_err(|e| unavailable(path, &e))?;
        // The log, which is opened next, makes the names in the directory durable.
        if let Some(parent) = path.parent() {
            sync_names(parent)?;
        }
        Ok(Self { tree, data, path: path.to_owned() })
    }
}

fn open_tree(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match guarded(|| config.open().map_err(from_sled)) {
            Err(StoreError::Locked(_)) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(StoreError::Locked(_)) => {
                return Err(StoreError::Locked(path.display().to_string()));
            }
            done => return done,
        }
    }
}

impl Base for SledDisk {
    const PIECE_BYTES_MAX: usize = 24 * 1024;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = guarded(|| self.tree.get(key).map_err(from_sled))?;
        Ok(found.map(Bytes::from_owner))
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError> {
        let mut records = self.tree.range(start..);
        while let Some((key, raw)) = guarded(|| records.next().transpose().map_err(from_sled))? {
            if !visit(&key, Bytes::from_owner(raw))? {
                break;
            }
        }
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        reserve(&self.data, bytes).map_err(|e| unavailable(&self.path, &e))
    }

    fn absorb(&self, writes: &mut Absorbed<'_>) -> Result<(), StoreError> {
        // One by one: a batch of sled's lets nobody read meanwhile, and the log does without.
        for (key, value) in writes {
            match value {
                Some(value) => self.tree.insert(key, &value[..]).map_err(from_sled)?,
                None => self.tree.remove(key).map_err(from_sled)?,
            };
        }
        self.tree.flush().map_err(from_sled)?;
        self.data.sync_data().map_err(|e| unavailable(&self.path, &e))
    }
}

impl fmt::Debug for SledDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn from_sled(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => {
            StoreError::Locked(e.to_string())
        }
        sled::Error::Io(e) if e.kind() == ErrorKind::UnexpectedEof => {
            StoreError::Corrupt(format!("a file ends early: {e}"))
        }
        sled::Error::Io(e) => StoreError::Unavailable(e.to_string()),
        sled::Error::Unsupported(why) => StoreError::Format(why),
        sled::Error::CollectionNotFound(_) => StoreError::Corrupt("the tree is gone".to_owned()),
        sled::Error::ReportableBug(why) => StoreError::Corrupt(why),
        sled::Error::Corruption { at, .. } => StoreError::Corrupt(match at {
            Some(at) => format!("sled finds damage at {at:?}"),
            None => "sled finds damage".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
