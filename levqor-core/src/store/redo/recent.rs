//! What the map behind a log has not got yet: two tables in memory, the newer over the older.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::store::group::Writes;

/// A key, in the table's own memory where it is as short as nearly all are: a search that followed a
/// pointer for each comparison would wait for memory most of its time.
pub(super) type Name = SmallVec<[u8; 40]>;

/// Records by key; `None` where the record is gone.
pub(super) type Table = BTreeMap<Name, Option<Bytes>>;

/// The table that grows, and the one that the map is taking in.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) new: Table,
    pub(super) aside: Arc<Table>,
}

/// A group's writes as a table keeps them.
pub(super) fn owned(writes: Writes) -> impl Iterator<Item = (Name, Option<Bytes>)> {
    writes.into_iter().map(|(key, value)| (Name::from_slice(&key), value.map(Bytes::from)))
}

impl Recent {
    /// What is known of a key; `None` where the map has to be asked.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.new.get(key).or_else(|| self.aside.get(key))
    }

    /// All from `start` on, in key order, each key once.
    pub(super) fn range<'a>(
        &'a self,
        start: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Option<Bytes>)> {
        let from = |table: &'a Table| table.range::<[u8], _>(bounds(start)).peekable();
        Merged { new: from(&self.new), aside: from(&self.aside) }
    }

    /// Begins a new table and returns the one so far, if anything is in it.
    pub(super) fn set_aside(&mut self) -> Option<Arc<Table>> {
        if self.new.is_empty() {
            return None;
        }
        debug_assert!(self.aside.is_empty(), "the map has what was set aside before");
        self.aside = Arc::new(std::mem::take(&mut self.new));
        Some(self.aside.clone())
    }

    /// The map has it.
    pub(super) fn forget_aside(&mut self) {
        self.aside = Arc::default();
    }
}

fn bounds(start: &[u8]) -> (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>) {
    (std::ops::Bound::Included(start), std::ops::Bound::Unbounded)
}

type Walk<'a> = Peekable<btree_map::Range<'a, Name, Option<Bytes>>>;

/// Both tables in key order; where both know a key, the newer one is heard.
struct Merged<'a> {
    new: Walk<'a>,
    aside: Walk<'a>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a [u8], &'a Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let is_older = match (self.new.peek(), self.aside.peek()) {
            (Some((new, _)), Some((old, _))) if new == old => {
                self.aside.next();
                false
            }
            (Some((new, _)), Some((old, _))) => old < new,
            (None, _) => true,
            (_, None) => false,
        };
        let found = if is_older { self.aside.next() } else { self.new.next() };
        found.map(|(key, value)| (key.as_slice(), value))
    }
}
