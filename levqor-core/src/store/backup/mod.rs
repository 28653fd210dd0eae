//! Backup, restore and migration: one stream that any store can write and any store can read.
//!
//! [`export`] writes one consistent cut, [`verify`] reads a stream to its end and refuses it when a
//! single byte is not what was written, [`import`] fills an empty store. The stream carries no
//! revisions, which are each store's own; [`Summary::root`] is equal for equal contents whatever
//! the backend. It is *not* encrypted: values are as the store holds them.
//!
//! A store that is being filled carries a marker until the last commit of the import; an engine
//! must not open a store for which [`is_partial`] is true.

mod format;

use std::io::{Read, Write};

use self::format::{Item, Reader, Writer};
use super::{
    Add, Batch, CommitError, Expect, Key, KeyRange, META_STORE, Revision, Store, StoreError, Table,
    Value,
};
use crate::time::Timestamp;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When it was taken, as its maker said.
    pub created: Timestamp,
    /// Records in it.
    pub records: u64,
    /// Counters that are not 0.
    pub counters: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// SHA-256 over all records and counters in order, in hexadecimal: equal for equal contents.
    pub root: String,
}

/// Why a backup could not be written, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file or stream failed.
    #[error("the backup cannot be read or written: {0}")]
    Io(#[source] std::io::Error),
    /// It ends before its end.
    #[error("the backup is cut off")]
    Truncated,
    /// A byte is not what was written; the text says where.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// Not a backup, or one of a newer version.
    #[error("the backup has an unknown format: {0}")]
    Format(String),
    /// There is more after its end.
    #[error("the backup goes on after its end")]
    Trailing,
    /// Only an empty store can be filled.
    #[error("the store to restore into is not empty")]
    NotEmpty,
    /// An earlier import did not end; the store must be deleted.
    #[error("the store holds half of an earlier restore; delete it and start with an empty one")]
    Partial,
    /// The store failed to read.
    #[error(transparent)]
    Store(StoreError),
    /// The store failed to write.
    #[error("a restored batch was refused: {0}")]
    Commit(#[source] CommitError),
}

impl BackupError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "backup.io",
            Self::Truncated => "backup.truncated",
            Self::Damaged(_) => "backup.damaged",
            Self::Format(_) => "backup.format",
            Self::Trailing => "backup.trailing",
            Self::NotEmpty => "backup.not_empty",
            Self::Partial => "backup.partial",
            Self::Store(error) => error.code(),
            Self::Commit(error) => error.code(),
        }
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Records read from the store and written to the stream at once.
const PAGE: u32 = 512;
/// Records of one batch of an import.
const BATCH_RECORDS: usize = 512;
/// Bytes of one batch of an import, one record at its limit apart.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Counters of one batch of an import.
const BATCH_COUNTERS: usize = 512;

/// Name in [`Table::Meta`] of the marker of a restore that has not ended.
const META_IMPORTING: &str = "importing";

fn marker() -> Key {
    Key::of(Table::Meta).text(META_IMPORTING)
}

/// The store's own records, which stay where they are.
fn is_own(key: &Key) -> bool {
    *key == Key::of(Table::Meta).text(META_STORE) || *key == marker()
}

/// Whether an import into this store began and did not end.
///
/// # Errors
/// The store's own.
pub async fn is_partial(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(&[marker()]).await?.iter().flatten().next().is_some())
}

/// Writes one consistent cut of `store`. Commits go on meanwhile.
///
/// # Errors
/// `Partial` for a store that is being filled; the store's and the writer's own.
pub async fn export<W: Write + Send>(
    store: &dyn Store,
    writer: W,
    created: Timestamp,
) -> Result<Summary, BackupError> {
    if is_partial(store).await? {
        return Err(BackupError::Partial);
    }
    let mut snapshot = store.snapshot().await?;
    let mut out = Writer::new(writer, created)?;
    let mut after: Option<Key> = None;
    loop {
        let page = snapshot.records(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, value) in page.iter().filter(|(key, _)| !is_own(key)) {
            out.record(key, value)?;
        }
    }
    for (counter, value) in snapshot.counters().await? {
        out.counter(&counter, value)?;
    }
    out.finish()
}

/// Reads a backup to its end and checks every byte; touches no store.
///
/// # Errors
/// `Truncated`, `Damaged`, `Trailing`, `Format` or `Io`.
pub fn verify<R: Read>(reader: R) -> Result<Summary, BackupError> {
    let mut reader = Reader::new(reader)?;
    loop {
        if let Item::End(summary) = reader.next()? {
            return Ok(summary);
        }
    }
}

/// Fills an empty store from a backup.
///
/// After an error the store is left marked as partial, which no engine opens; delete it. Verify
/// first where the backup can be read twice.
///
/// # Errors
/// `NotEmpty` or `Partial` before anything is written; then those of [`verify`] and the store's.
pub async fn import<R: Read + Send>(reader: R, store: &dyn Store) -> Result<Summary, BackupError> {
    let mut reader = Reader::new(reader)?;
    refuse_unless_empty(store).await?;
    let mut import = Import::begin(store).await?;
    loop {
        match reader.next()? {
            Item::Records(records) => {
                for (key, value) in records {
                    import.record(key, value).await?;
                }
            }
            Item::Counters(counters) => {
                for chunk in counters.chunks(BATCH_COUNTERS) {
                    let unbounded = |(counter, delta): &(_, i64)| {
                        let counter: &super::Counter = counter;
                        let (min, max) = (i64::MIN, i64::MAX);
                        Add { counter: counter.clone(), delta: *delta, min, max }
                    };
                    import.counters(chunk.iter().map(unbounded).collect()).await?;
                }
            }
            Item::End(summary) => {
                import.end().await?;
                return Ok(summary);
            }
        }
    }
}

async fn refuse_unless_empty(store: &dyn Store) -> Result<(), BackupError> {
    if is_partial(store).await? {
        return Err(BackupError::Partial);
    }
    let all = KeyRange { start: Key::of(Table::Meta), end: Key::from_bytes(Vec::new()) };
    let records = store.scan(&all, 2).await?;
    let mut snapshot = store.snapshot().await?;
    if records.iter().any(|(key, _)| !is_own(key)) || !snapshot.counters().await?.is_empty() {
        return Err(BackupError::NotEmpty);
    }
    Ok(())
}

/// A restore under way: every batch demands the marker, so that two restores cannot mix.
struct Import<'a> {
    store: &'a dyn Store,
    marker: Revision,
    batch: Batch,
    bytes: usize,
}

impl<'a> Import<'a> {
    async fn begin(store: &'a dyn Store) -> Result<Self, BackupError> {
        let mut batch = Batch::default();
        batch.insert(marker(), Value::from_static(b"{}"));
        let marker = commit(store, batch).await?;
        Ok(Self { store, marker, batch: Batch::default(), bytes: 0 })
    }

    async fn record(&mut self, key: Key, value: Value) -> Result<(), BackupError> {
        let bytes = key.as_bytes().len() + value.len();
        if self.bytes + bytes > BATCH_BYTES || self.batch.set.len() >= BATCH_RECORDS {
            self.flush().await?;
        }
        self.bytes += bytes;
        self.batch.set.push((key, value));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), BackupError> {
        let mut batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if !batch.set.is_empty() {
            batch.expect.push(Expect::At(marker(), self.marker));
            commit(self.store, batch).await?;
        }
        Ok(())
    }

    async fn counters(&mut self, add: Vec<Add>) -> Result<(), BackupError> {
        let mut batch = Batch { add, ..Batch::default() };
        batch.replace(marker(), self.marker, Value::from_static(b"{}"));
        self.marker = commit(self.store, batch).await?;
        Ok(())
    }

    async fn end(mut self) -> Result<(), BackupError> {
        self.flush().await?;
        let mut batch = Batch::default();
        batch.remove(marker(), self.marker);
        commit(self.store, batch).await?;
        Ok(())
    }
}

async fn commit(store: &dyn Store, batch: Batch) -> Result<Revision, BackupError> {
    Ok(store.commit(batch).await.map_err(BackupError::Commit)?.revision)
}

#[cfg(test)]
mod tests;
