//! What readers see: the map as of a revision, while the writer is already changing it.
//!
//! A group is applied to the map before it is durable, and nobody may see it before. So the writer
//! first hides it: records with a revision past the [`Cut`] do not exist yet, and the ones they
//! replace are kept aside in `olds` until the group is durable. A snapshot is the same thing, held
//! longer. Readers hold the lock while they read; one call sees one moment.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use parking_lot::{RwLock, RwLockReadGuard};

use super::Disk;
use super::record::{self, Head, Pack, Payload};
use crate::store::{Key, KeyRange, Record, Revision, StoreError};

/// The state as of `revision`, given a map that may be further on.
#[derive(Clone, Debug)]
struct Cut<R> {
    revision: u64,
    /// Records of that state that have been replaced or removed since.
    olds: HashMap<Vec<u8>, R>,
}

/// The present cut, and those of open snapshots.
#[derive(Debug)]
pub(super) struct Views<R> {
    inner: RwLock<Inner<R>>,
}

#[derive(Debug)]
struct Inner<R> {
    live: Cut<R>,
    snapshots: HashMap<u64, Cut<R>>,
    next: u64,
}

/// Whose cut to read at.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// The last durable group.
    Now,
    /// An open snapshot.
    Snapshot(u64),
}

impl<R: AsRef<[u8]> + Clone> Views<R> {
    pub(super) fn new(head: &Head) -> Self {
        let live = Cut { revision: head.revision, olds: HashMap::new() };
        Self { inner: RwLock::new(Inner { live, snapshots: HashMap::new(), next: 0 }) }
    }

    /// Hides the group that is about to be applied: `olds` are the records it replaces or removes.
    pub(super) fn hide(&self, olds: Vec<(Vec<u8>, R)>) {
        let mut inner = self.inner.write();
        for (key, old) in olds {
            let revision = record::revision_of(old.as_ref());
            for cut in inner.snapshots.values_mut() {
                if revision <= cut.revision && !cut.olds.contains_key(&key) {
                    cut.olds.insert(key.clone(), old.clone());
                }
            }
            inner.live.olds.insert(key, old);
        }
    }

    /// Shows the hidden group, which is durable now.
    pub(super) fn show(&self, revision: u64) {
        let mut inner = self.inner.write();
        inner.live.revision = revision;
        inner.live.olds.clear();
    }

    /// Opens a snapshot of the present cut.
    pub(super) fn open_snapshot(&self) -> u64 {
        let mut inner = self.inner.write();
        let id = inner.next;
        inner.next += 1;
        let cut = inner.live.clone();
        inner.snapshots.insert(id, cut);
        id
    }

    pub(super) fn close_snapshot(&self, id: u64) {
        self.inner.write().snapshots.remove(&id);
    }

    /// Reads at a cut; the writer waits meanwhile before it hides or shows a group.
    pub(super) fn read<'a, D: Disk<Raw = R>>(&'a self, disk: &'a D, at: At) -> Reader<'a, D> {
        Reader { disk, inner: self.inner.read(), at }
    }
}

/// Reads at one cut; everything read through one reader is of one moment.
pub(super) struct Reader<'a, D: Disk> {
    disk: &'a D,
    inner: RwLockReadGuard<'a, Inner<D::Raw>>,
    at: At,
}

impl<D: Disk> Reader<'_, D> {
    fn cut(&self) -> Result<&Cut<D::Raw>, StoreError> {
        match self.at {
            At::Now => Ok(&self.inner.live),
            At::Snapshot(id) => self
                .inner
                .snapshots
                .get(&id)
                .ok_or_else(|| StoreError::Unavailable("the snapshot is closed".to_owned())),
        }
    }

    fn raw(&self, cut: &Cut<D::Raw>, key: &[u8]) -> Result<Option<D::Raw>, StoreError> {
        match self.disk.get(key)? {
            Some(raw) if record::revision_of(raw.as_ref()) <= cut.revision => Ok(Some(raw)),
            _ => Ok(cut.olds.get(key).cloned()),
        }
    }

    fn value(&self, cut: &Cut<D::Raw>, key: &[u8], raw: &[u8]) -> Result<Record, StoreError> {
        let (revision, payload) = record::decode(key, raw)?;
        let value = match payload {
            Payload::Whole(body) => Bytes::copy_from_slice(body),
            Payload::Pieces(pieces) => {
                let mut value = BytesMut::new();
                for key in pieces.keys() {
                    let raw = self.raw(cut, &key)?.ok_or_else(|| record::damaged(&key))?;
                    match record::decode(&key, raw.as_ref())? {
                        (_, Payload::Whole(body)) => value.extend_from_slice(body),
                        (_, Payload::Pieces(_)) => return Err(record::damaged(&key)),
                    }
                }
                value.freeze()
            }
        };
        Ok(Record { value, revision: Revision(revision) })
    }

    /// The record at `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let cut = self.cut()?;
        self.raw(cut, key)?.map(|raw| self.value(cut, key, raw.as_ref())).transpose()
    }

    /// An organization's counters.
    pub(super) fn pack(&self, scope: &str) -> Result<Pack, StoreError> {
        let key = record::pack_key(scope);
        match self.get(&key)? {
            Some(found) => record::decode_pack(&key, &found.value),
            None => Ok(Pack::new()),
        }
    }

    /// Up to `limit` records of `range`, which may be among the backend's own.
    pub(super) fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        if limit == 0 || range.is_empty() {
            return Ok(Vec::new());
        }
        let cut = self.cut()?;
        // Records that are gone from the map, or newer there than the cut, in key order.
        let mut olds: Vec<_> = cut.olds.iter().filter(|(key, _)| within(range, key)).collect();
        olds.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let mut olds = olds.into_iter().peekable();
        let mut found = Vec::new();
        let push = |found: &mut Vec<_>, key: &[u8], raw: &[u8]| {
            let record = self.value(cut, key, raw)?;
            found.push((Key::from_bytes(key.to_vec()), record));
            Ok::<_, StoreError>(found.len() < limit)
        };
        self.disk.range(range.start.as_bytes(), &mut |key, raw| {
            while let Some((gone, old)) = olds.next_if(|(old, _)| old.as_slice() < key) {
                if !push(&mut found, gone, old.as_ref())? {
                    return Ok(false);
                }
            }
            if !within(range, key) {
                return Ok(false);
            }
            if let Some((_, old)) = olds.next_if(|(old, _)| old.as_slice() == key) {
                return push(&mut found, key, old.as_ref());
            }
            let shown = record::revision_of(raw.as_ref()) <= cut.revision;
            if shown { push(&mut found, key, raw.as_ref()) } else { Ok(true) }
        })?;
        for (key, old) in olds {
            if found.len() >= limit {
                break;
            }
            push(&mut found, key, old.as_ref())?;
        }
        Ok(found)
    }
}

fn within(range: &KeyRange, key: &[u8]) -> bool {
    let end = range.end.as_bytes();
    key >= range.start.as_bytes() && (end.is_empty() || key < end)
}
