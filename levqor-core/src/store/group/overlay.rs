//! A group being decided: each batch against what the ones before it left, then the group's writes.
//!
//! Pure but for reads of the disk. It does *not* apply anything: [`Overlay::finish`] hands out the
//! writes, and a group whose writes fail poisons the store.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::record::{self, Head, Pack, Payload, Pieces};
use super::{Disk, Writes};
use crate::store::{
    Add, Batch, CommitError, Committed, Expect, Key, Revision, Scope, StoreError, Value,
};

/// Organizations whose counters the writer keeps decoded between groups; past it all are dropped
/// and read again as needed. A few hundred bytes each.
const PACKS_MAX: usize = 16_384;

/// Counters as the writer knows them, kept between groups.
#[derive(Debug, Default)]
pub(super) struct Packs {
    known: HashMap<Scope, Pack>,
}

/// A group being decided.
#[derive(Debug)]
pub(super) struct Overlay<'d, D: Disk> {
    disk: &'d D,
    entries: HashMap<Key, Entry<D::Raw>>,
    packs: &'d mut Packs,
    /// Organizations whose counters this group moved.
    moved: Vec<Scope>,
    /// Revision of the last batch that was let through.
    revision: u64,
}

#[derive(Debug)]
struct Entry<R> {
    /// The record before the group.
    old: Option<R>,
    now: Now,
}

#[derive(Debug)]
enum Now {
    Unchanged,
    Set(Value, u64),
    Removed,
}

impl<R: AsRef<[u8]>> Entry<R> {
    fn revision(&self) -> Option<u64> {
        match self.now {
            Now::Unchanged => self.old.as_ref().map(|raw| record::revision_of(raw.as_ref())),
            Now::Set(_, revision) => Some(revision),
            Now::Removed => None,
        }
    }
}

/// Why a batch could not be decided, or how it was refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// The batch's own fault.
    Batch(CommitError),
    /// The disk's; nothing after it can be decided.
    Disk(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Disk(error)
    }
}

/// What a decided group does.
#[derive(Debug)]
pub(super) struct Changes<R> {
    /// What to write, the head included.
    pub(super) writes: Writes,
    /// What is replaced or removed by it.
    pub(super) olds: Vec<(Vec<u8>, R)>,
    /// The head after the group.
    pub(super) head: Head,
}

impl<'d, D: Disk> Overlay<'d, D> {
    pub(super) fn new(disk: &'d D, packs: &'d mut Packs, revision: u64) -> Self {
        if packs.known.len() > PACKS_MAX {
            packs.known.clear();
        }
        Self { disk, entries: HashMap::new(), packs, moved: Vec::new(), revision }
    }

    /// Decides one batch that has passed [`Batch::check`]; a refused one leaves nothing behind.
    pub(super) fn decide(&mut self, batch: Batch) -> Result<Committed, Refused> {
        for expect in batch.expect {
            let (key, wanted) = match expect {
                Expect::Absent(key) => (key, None),
                Expect::At(key, revision) => (key, Some(revision.0)),
            };
            if self.load(&key)?.revision() != wanted {
                return Err(Refused::Batch(CommitError::Conflict { key }));
            }
        }
        let counters = self.sums(&batch.add)?;
        for key in batch.set.iter().map(|(key, _)| key).chain(&batch.delete) {
            self.load(key)?;
        }
        // Nothing can be refused from here on.
        self.revision += 1;
        for key in batch.delete {
            self.put(key, Now::Removed);
        }
        for (key, value) in batch.set {
            self.put(key, Now::Set(value, self.revision));
        }
        for (add, value) in batch.add.into_iter().zip(&counters) {
            self.move_counter(add, *value);
        }
        Ok(Committed { revision: Revision(self.revision), counters })
    }

    fn load(&mut self, key: &Key) -> Result<&Entry<D::Raw>, StoreError> {
        if !self.entries.contains_key(key) {
            let old = self.disk.get(key.as_bytes())?;
            if let Some(raw) = &old {
                record::decode(key.as_bytes(), raw.as_ref())?;
            }
            self.entries.insert(key.clone(), Entry { old, now: Now::Unchanged });
        }
        self.entries.get(key).ok_or_else(|| record::damaged(key.as_bytes()))
    }

    fn put(&mut self, key: Key, now: Now) {
        match self.entries.entry(key) {
            Slot::Occupied(mut slot) => slot.get_mut().now = now,
            Slot::Vacant(slot) => {
                slot.insert(Entry { old: None, now });
            }
        }
    }

    /// The counters' values after these adds, or the first that would leave its bounds.
    fn sums(&mut self, adds: &[Add]) -> Result<Vec<i64>, Refused> {
        let mut after = Vec::with_capacity(adds.len());
        for add in adds {
            let pack = self.pack(&add.counter.scope)?;
            let value = pack.get(&add.counter.slot).copied().unwrap_or(0);
            let refused =
                || Refused::Batch(CommitError::Bound { counter: add.counter.clone(), value });
            let next = value.checked_add(add.delta).ok_or_else(refused)?;
            if (add.delta < 0 && next < add.min) || (add.delta > 0 && next > add.max) {
                return Err(refused());
            }
            after.push(next);
        }
        Ok(after)
    }

    fn pack(&mut self, scope: &Scope) -> Result<&Pack, StoreError> {
        if !self.packs.known.contains_key(scope) {
            let key = record::pack_key(scope);
            let pack = match self.disk.get(&key)? {
                Some(raw) => record::decode_pack(&key, &join(self.disk, &key, raw.as_ref())?)?,
                None => Pack::new(),
            };
            self.packs.known.insert(scope.clone(), pack);
        }
        self.packs.known.get(scope).ok_or_else(|| record::damaged(scope.as_bytes()))
    }

    fn move_counter(&mut self, add: Add, value: i64) {
        let scope = add.counter.scope;
        let pack = self.packs.known.entry(scope.clone()).or_default();
        match value {
            0 => pack.remove(&add.counter.slot),
            _ => pack.insert(add.counter.slot, value),
        };
        if !self.moved.contains(&scope) {
            self.moved.push(scope);
        }
    }

    /// The group's writes; `None` when no batch changed anything.
    pub(super) fn finish(self, head: &Head) -> Result<Option<Changes<D::Raw>>, StoreError> {
        if self.revision == head.revision {
            return Ok(None);
        }
        let head = Head { sequence: head.sequence + 1, revision: self.revision, ..*head };
        let mut out = Out {
            disk: self.disk,
            changes: Changes { writes: Vec::new(), olds: Vec::new(), head },
            long_values: 0,
        };
        for (key, entry) in self.entries {
            match entry.now {
                Now::Unchanged => {}
                Now::Set(value, revision) => {
                    out.write(key.into_bytes(), entry.old, Some((&value, revision)))?;
                }
                Now::Removed => out.write(key.into_bytes(), entry.old, None)?,
            }
        }
        for scope in &self.moved {
            let key = record::pack_key(scope);
            let old = self.disk.get(&key)?;
            let pack = self.packs.known.get(scope).filter(|pack| !pack.is_empty());
            let body = pack.map(record::encode_pack);
            out.write(key, old, body.as_deref().map(|body| (body, head.revision)))?;
        }
        let head = &mut out.changes.head;
        head.chain = head.link(head.digest);
        out.changes.writes.push((record::HEAD_KEY.to_vec(), Some(head.encode())));
        Ok(Some(out.changes))
    }
}

/// Collects a group's writes and keeps the head's sums.
struct Out<'d, D: Disk> {
    disk: &'d D,
    changes: Changes<D::Raw>,
    long_values: u32,
}

impl<D: Disk> Out<'_, D> {
    /// Replaces `old` at `key` by a value with its revision, or removes it.
    fn write(
        &mut self,
        key: Vec<u8>,
        old: Option<D::Raw>,
        new: Option<(&[u8], u64)>,
    ) -> Result<(), StoreError> {
        if let Some(raw) = &old
            && let (_, Payload::Pieces(pieces)) = record::decode(&key, raw.as_ref())?
        {
            for piece in pieces.keys() {
                let old = self.disk.get(&piece)?;
                self.push(piece, old, None);
            }
        }
        let new = match new {
            Some((value, revision)) if value.len() > D::PIECE_BYTES_MAX => {
                let pieces = self.cut_up(value);
                Some(record::encode(&key, revision, Payload::Pieces(pieces)))
            }
            Some((value, revision)) => Some(record::encode(&key, revision, Payload::Whole(value))),
            None => None,
        };
        self.push(key, old, new);
        Ok(())
    }

    fn cut_up(&mut self, value: &[u8]) -> Pieces {
        let revision = self.changes.head.revision;
        let parts = value.chunks(D::PIECE_BYTES_MAX);
        let pieces = Pieces::new(revision, self.long_values, parts.len() as u32);
        self.long_values += 1;
        for (key, part) in pieces.keys().zip(parts) {
            let raw = record::encode(&key, revision, Payload::Whole(part));
            self.push(key, None, Some(raw));
        }
        pieces
    }

    fn push(&mut self, key: Vec<u8>, old: Option<D::Raw>, new: Option<Vec<u8>>) {
        let head = &mut self.changes.head;
        if let Some(raw) = &new {
            head.records = head.records.wrapping_add(1);
            head.digest = head.digest.wrapping_add(record::share(raw));
        } else if old.is_none() {
            return;
        }
        if let Some(raw) = old {
            head.records = head.records.wrapping_sub(1);
            head.digest = head.digest.wrapping_sub(record::share(raw.as_ref()));
            self.changes.olds.push((key.clone(), raw));
        }
        self.changes.writes.push((key, new));
    }
}

/// A record's payload as one, read straight from the disk.
fn join<D: Disk>(disk: &D, key: &[u8], raw: &[u8]) -> Result<Value, StoreError> {
    match record::decode(key, raw)?.1 {
        Payload::Whole(body) => Ok(Value::copy_from_slice(body)),
        Payload::Pieces(pieces) => {
            let mut value = Vec::new();
            for key in pieces.keys() {
                let raw = disk.get(&key)?.ok_or_else(|| record::damaged(&key))?;
                value.extend_from_slice(&join(disk, &key, raw.as_ref())?);
            }
            Ok(value.into())
        }
    }
}
