//! [`GroupStore`]: the port over any [`Disk`].

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::record::{self, COUNTERS_PREFIX, TABLES_START};
use super::view::{At, Reader, Views};
use super::writer::{Queue, Writer};
use super::{Disk, scrub};
use crate::store::{
    Batch, CommitError, Committed, Counter, Key, KeyRange, Record, Snapshot, Store, StoreError,
    Value,
};

/// A store on a [`Disk`], with its writer thread. Clones share it.
pub(in crate::store) struct GroupStore<D: Disk> {
    shared: Arc<Shared<D>>,
}

struct Shared<D: Disk> {
    core: Core<D>,
    queue: Arc<Queue>,
    changed: watch::Sender<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What readers need.
struct Core<D: Disk> {
    disk: Arc<D>,
    views: Arc<Views<D::Raw>>,
}

impl<D: Disk> GroupStore<D> {
    /// Checks the disk (every record with `scrub`) and starts the writer, on a thread of this name.
    pub(in crate::store) fn open(disk: D, scrub: bool, name: &str) -> Result<Self, StoreError> {
        let found = scrub::check(&disk, scrub)?;
        let head = found.unwrap_or_default();
        let core = Core { disk: Arc::new(disk), views: Arc::new(Views::new(&head)) };
        let queue = Arc::new(Queue::default());
        let (changed, _) = watch::channel(head.revision);
        let mut writer = Writer {
            disk: core.disk.clone(),
            views: core.views.clone(),
            queue: queue.clone(),
            changed: changed.clone(),
            head,
            packs: super::overlay::Packs::default(),
        };
        if found.is_none() {
            writer.write(vec![first_batch()])?;
        }
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(|| writer.run());
        let thread = thread.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { shared: Arc::new(Shared { core, queue, changed, thread }) })
    }

    /// Writes what is waiting and ends the writer; reads go on.
    pub(in crate::store) fn close(&self) {
        self.shared.close();
    }

    fn read(&self) -> Reader<'_, D> {
        self.shared.core.views.read(&*self.shared.core.disk, At::Now)
    }
}

fn first_batch() -> Batch {
    let mut batch = Batch::default();
    let format = serde_json::json!({ "format": scrub::FORMAT });
    batch.insert(scrub::format_key(), Value::from(format.to_string()));
    batch
}

impl<D: Disk> Shared<D> {
    fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the writer has been answered to whoever waited for it.
            let _ = thread.join();
            self.core.disk.close();
        }
    }
}

impl<D: Disk> Drop for Shared<D> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<D: Disk> Clone for GroupStore<D> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<D: Disk> fmt::Debug for GroupStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.core.disk.fmt(f)
    }
}

#[async_trait]
impl<D: Disk> Store for GroupStore<D> {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let reader = self.read();
        let get = |key: &Key| match key.is_storable() {
            true => reader.get(key.as_bytes()),
            false => Ok(None),
        };
        keys.iter().map(get).collect()
    }

    async fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.read().scan(&in_tables(range.clone()), limit as usize)
    }

    async fn counters(&self, of: &[Counter]) -> Result<Vec<i64>, StoreError> {
        let reader = self.read();
        let mut values = Vec::with_capacity(of.len());
        let mut last: Option<(&Counter, record::Pack)> = None;
        for counter in of {
            // Callers ask for several of one organization.
            let pack = match last.take() {
                Some((seen, pack)) if seen.scope == counter.scope => pack,
                _ => reader.pack(&counter.scope)?,
            };
            values.push(pack.get(&counter.slot).copied().unwrap_or(0));
            last = Some((counter, pack));
        }
        Ok(values)
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.shared.queue.commit(batch).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let id = self.shared.core.views.open_snapshot();
        Ok(Box::new(GroupSnapshot { shared: self.shared.clone(), id }))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

/// The part of a range that belongs to tables.
fn in_tables(mut range: KeyRange) -> KeyRange {
    let start = Key::from_bytes(vec![TABLES_START]);
    if range.start < start {
        range.start = start;
    }
    range
}

/// An open snapshot; closed when dropped.
struct GroupSnapshot<D: Disk> {
    shared: Arc<Shared<D>>,
    id: u64,
}

impl<D: Disk> GroupSnapshot<D> {
    fn scan(&self, range: &KeyRange, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let core = &self.shared.core;
        core.views.read(&*core.disk, At::Snapshot(self.id)).scan(range, limit as usize)
    }
}

/// Organizations whose counters a snapshot reads at once: the writer waits that long at most.
const PACKS_PAGE: u32 = 256;

#[async_trait]
impl<D: Disk> Snapshot for GroupSnapshot<D> {
    async fn records(
        &mut self,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Value)>, StoreError> {
        let start = Key::from_bytes(vec![TABLES_START]);
        let mut range = KeyRange { start, end: Key::from_bytes(Vec::new()) };
        if let Some(after) = after {
            range = range.after(after);
        }
        let found = self.scan(&in_tables(range), limit)?;
        Ok(found.into_iter().map(|(key, record)| (key, record.value)).collect())
    }

    async fn counters(&mut self) -> Result<Vec<(Counter, i64)>, StoreError> {
        let mut range = Key::from_bytes(COUNTERS_PREFIX.to_vec()).prefix();
        let mut all = Vec::new();
        loop {
            let page = self.scan(&range, PACKS_PAGE)?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (key, found) in &page {
                let scope = record::pack_scope(key.as_bytes())?;
                for (slot, value) in record::decode_pack(key.as_bytes(), &found.value)? {
                    all.push((Counter { scope: scope.clone(), slot }, value));
                }
            }
        }
        all.sort_unstable();
        Ok(all)
    }
}

impl<D: Disk> Drop for GroupSnapshot<D> {
    fn drop(&mut self) {
        self.shared.core.views.close_snapshot(self.id);
    }
}
