//! The map with the tables over it, and how it is fed what was set aside.
//!
//! Shared by readers, the writer and the thread that feeds. It knows of no file: when a log may be
//! written over again is what [`Shared::turn`] says by returning.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};

use super::Base;
use super::kept::Kept;
use super::recent::{self, Name, Recent, Table};
use crate::store::StoreError;
use crate::store::group::{HEAD_KEY, Visit, Writes, guarded};

/// What readers, the writer and the thread that feeds the map share.
#[derive(Debug)]
pub(super) struct Shared<B> {
    pub(super) base: B,
    recent: RwLock<Recent>,
    kept: Kept,
    feed: Mutex<Feed>,
    fed: Condvar,
}

#[derive(Debug, Default)]
struct Feed {
    /// What the map is to take in.
    aside: Option<Arc<Table>>,
    stopping: bool,
    /// The map did not take it: nothing more is acknowledged.
    failed: Option<StoreError>,
}

impl<B: Base> Shared<B> {
    /// A map that has still to take in these groups.
    pub(super) fn new(base: B, groups: Vec<Writes>) -> Self {
        let aside = Arc::new(groups.into_iter().flat_map(recent::owned).collect::<Table>());
        let feed = Feed { aside: (!aside.is_empty()).then(|| aside.clone()), ..Feed::default() };
        let recent = RwLock::new(Recent { new: Table::new(), aside });
        let (feed, fed, kept) = (Mutex::new(feed), Condvar::new(), Kept::default());
        Self { base, recent, kept, feed, fed }
    }

    /// Takes a group into the table that grows.
    pub(super) fn put(&self, writes: Writes) {
        self.recent.write().new.extend(recent::owned(writes));
    }

    /// As [`super::Disk::get`].
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let turn = self.kept.turn();
        if let Some(found) = self.recent.read_recursive().get(key) {
            return Ok(found.clone());
        }
        if let Some(found) = self.kept.get(key) {
            return Ok(Some(found));
        }
        // Between the looks a table may have gone into the map, never out of it.
        let found = self.base.get(key)?;
        if let Some(raw) = &found {
            self.kept.keep(turn, key, raw);
        }
        Ok(found)
    }

    /// As [`super::Disk::range`].
    pub(super) fn range(
        &self,
        start: &[u8],
        visit: &mut Visit<'_, Bytes>,
    ) -> Result<(), StoreError> {
        // A visit may read again, also while the writer waits for this lock.
        let recent = self.recent.read_recursive();
        let mut newer = recent.range(start).peekable();
        let mut goes_on = true;
        self.base.range(start, &mut |key, raw| {
            while let Some((before, value)) = newer.next_if(|(newer, _)| *newer < key) {
                if let Some(value) = value
                    && !visit(before, value.clone())?
                {
                    goes_on = false;
                    return Ok(false);
                }
            }
            goes_on = match newer.next_if(|(newer, _)| *newer == key) {
                Some((_, Some(value))) => visit(key, value.clone())?,
                Some((_, None)) => true,
                None => visit(key, raw)?,
            };
            Ok(goes_on)
        })?;
        for (key, value) in newer.take_while(|_| goes_on) {
            if let Some(value) = value
                && !visit(key, value.clone())?
            {
                break;
            }
        }
        Ok(())
    }

    /// Waits until the map has what was set aside before, then sets aside what came since. The map
    /// reserves so many bytes of room for it.
    pub(super) fn turn(&self, room: u64) -> Result<(), StoreError> {
        let mut feed = self.feed.lock();
        while feed.aside.is_some() && feed.failed.is_none() {
            self.fed.wait(&mut feed);
        }
        if let Some(error) = &feed.failed {
            return Err(error.clone());
        }
        self.base.reserve(room)?;
        feed.aside = self.recent.write().set_aside();
        self.fed.notify_all();
        Ok(())
    }

    /// Feeds the map what is set aside, until told to stop.
    pub(super) fn run(&self) {
        loop {
            let table = {
                let mut feed = self.feed.lock();
                loop {
                    match &feed.aside {
                        Some(table) => break table.clone(),
                        None if feed.stopping => return,
                        None => self.fed.wait(&mut feed),
                    }
                }
            };
            let done = self.absorb(&table);
            if done.is_ok() {
                self.forget_aside();
            }
            let failed = done.is_err();
            let mut feed = self.feed.lock();
            feed.aside = None;
            feed.failed = done.err();
            self.fed.notify_all();
            if failed {
                return;
            }
        }
    }

    /// Ends [`Shared::run`] once the map has what is set aside.
    pub(super) fn stop(&self) {
        self.feed.lock().stopping = true;
        self.fed.notify_all();
    }

    /// Feeds the map everything, after [`Shared::run`] has ended; whether it has taken all.
    pub(super) fn settle(&self) -> bool {
        if self.feed.lock().failed.is_some() {
            return false;
        }
        let rest = self.recent.write().set_aside();
        let taken = rest.is_none_or(|table| self.absorb(&table).is_ok());
        if taken {
            self.forget_aside();
        }
        taken
    }

    /// The head record last: see the module above.
    fn absorb(&self, table: &Table) -> Result<(), StoreError> {
        let writes = |is_head: bool| {
            let of_kind = move |(key, _): &(&Name, _)| (key.as_slice() == HEAD_KEY) == is_head;
            table.iter().filter(of_kind).map(|(key, value)| (key.as_slice(), value.as_ref()))
        };
        guarded(|| self.base.absorb(&mut writes(false)))?;
        guarded(|| self.base.absorb(&mut writes(true)))
    }

    /// The map has it. What was read of the map goes first, while the table still has what is newer.
    fn forget_aside(&self) {
        self.kept.forget();
        self.recent.write().forget_aside();
    }
}
