//! [`Keys`]: every API key in the process, so that a request is authenticated without the store.
//!
//! ```text
//!  find(id) ─▶ the map ─▶ key, or the decoy: the same comparison either way
//!  a write of a key ─▶ commit ─▶ `changed(id)` reads it back ─▶ the map
//! ```
//! The whole room is held and not a cache of it: a key that is not there costs as little as one that
//! is, so time does not tell them apart and strangers cannot make the host read. On a store that
//! other hosts write, too, the map is read anew when it is older than `STALE_MAX`.
//!
//! When a key was last used is noted here and written late, in one commit for many keys: no request
//! waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use levqor_core::ids::Organization;
use levqor_core::time::Timestamp;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Scopes;
use super::key::ApiKey;
use crate::app::App;
use crate::desk::{Change, Desk, Record, Room};
use crate::http::Problem;

/// On a shared store: how long a key that another host revoked may still be accepted.
const STALE_MAX: Duration = Duration::from_secs(1);
/// Keys of one read of the room.
const LOAD_PAGE: u32 = 1_000;
/// How long uses are gathered before they are written.
const GATHER_MS: u64 = 2_000;
/// Uses of one commit: far below a batch's bound.
const USES_PER_COMMIT: usize = 500;
const MINUTE_MS: i64 = 60_000;

/// A key as it is held.
#[derive(Debug)]
pub struct Held {
    /// The key.
    pub key: ApiKey,
    /// The minute of its last use in this process, 0 before the first.
    minute: AtomicI64,
}

/// When a key was last used.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyUsed {
    /// To the minute.
    pub(crate) at: Timestamp,
}

impl Record for KeyUsed {
    const ROOM: Room = Room::KeyUsed;
}

/// The keys; see the module's page.
#[derive(Debug)]
pub struct Keys {
    map: RwLock<HashMap<String, Arc<Held>>>,
    /// When the whole room was last read; `None` when it must be read again. Held over a read, so
    /// that what is read last is what stays in the map.
    read: tokio::sync::Mutex<Option<Instant>>,
    /// Set where what stands in the map is not known to be so any more.
    is_lost: AtomicBool,
    is_shared: bool,
    decoy: Held,
    uses: Mutex<Vec<(String, i64)>>,
}

impl Keys {
    /// Reads every key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(desk: &Desk, is_shared: bool) -> Result<Self, Problem> {
        let none = Organization::local();
        let (key, _) = ApiKey::make(none, "", Scopes::default(), "", Timestamp(0));
        let keys = Self {
            map: RwLock::default(),
            read: tokio::sync::Mutex::new(None),
            is_lost: AtomicBool::new(false),
            is_shared,
            decoy: Held { key, minute: AtomicI64::new(0) },
            uses: Mutex::default(),
        };
        keys.fresh(desk).await?;
        Ok(keys)
    }

    /// The key of this id, where there is one.
    ///
    /// # Errors
    /// When the store had to be read and cannot be.
    pub async fn find(&self, desk: &Desk, id: &str) -> Result<Option<Arc<Held>>, Problem> {
        if self.is_shared || self.is_lost.load(Ordering::Acquire) {
            self.fresh(desk).await?;
        }
        Ok(self.map.read().get(id).cloned())
    }

    /// What a secret is compared with where its key is not there. Nothing opens it.
    #[must_use]
    pub fn decoy(&self) -> &ApiKey {
        &self.decoy.key
    }

    /// A key was written or removed: reads it back. Called after the commit, whatever came of it.
    /// Where the store cannot be read, every key is read again before the next one is found.
    pub async fn changed(&self, desk: &Desk, id: &str) {
        let mut read = self.read.lock().await;
        match desk.get::<ApiKey>(&[id]).await {
            Ok(Some((key, _))) => {
                let mut map = self.map.write();
                let held = hold(&map, key);
                map.insert(id.to_owned(), held);
            }
            Ok(None) => drop(self.map.write().remove(id)),
            Err(problem) => {
                tracing::warn!(code = problem.code(), "a key could not be read back");
                *read = None;
                self.is_lost.store(true, Ordering::Release);
            }
        }
    }

    /// Reads the whole room, where that is due.
    async fn fresh(&self, desk: &Desk) -> Result<(), Problem> {
        let mut read = self.read.lock().await;
        if read.is_some_and(|at| !self.is_shared || at.elapsed() < STALE_MAX) {
            return Ok(());
        }
        let begun = Instant::now();
        let mut all = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = desk.list::<ApiKey>(&[], after.as_deref(), LOAD_PAGE).await?;
            after = page.last().and_then(|found| found.parts.first().cloned());
            let map = self.map.read();
            all.extend(page.into_iter().map(|f| (f.record.id.clone(), hold(&map, f.record))));
            if after.is_none() {
                break;
            }
        }
        *self.map.write() = all;
        *read = Some(begun);
        self.is_lost.store(false, Ordering::Release);
        Ok(())
    }

    /// Notes that the key was used now.
    pub(crate) fn used(&self, app: &App, held: &Held, now: Timestamp) {
        let minute = now.as_millis() / MINUTE_MS;
        if held.minute.swap(minute, Ordering::Relaxed) == minute {
            return;
        }
        let mut uses = self.uses.lock();
        let is_first = uses.is_empty();
        uses.push((held.key.id.clone(), minute));
        if is_first {
            let app = app.clone();
            self.write_later(app);
        }
    }

    fn write_later(&self, app: App) {
        let beside = app.beside.clone();
        beside.begin(async move {
            app.rest(GATHER_MS).await;
            let uses = std::mem::take(&mut *app.keys.uses.lock());
            let latest: HashMap<String, i64> = uses.into_iter().collect();
            let latest: Vec<(String, i64)> = latest.into_iter().collect();
            for some in latest.chunks(USES_PER_COMMIT) {
                let mut change = Change::of_system(&Organization::local());
                for (id, minute) in some {
                    let used = KeyUsed { at: Timestamp(minute * MINUTE_MS) };
                    change = change.put(&[id.as_str()], &used);
                }
                if let Err(problem) = app.desk.commit(change).await {
                    tracing::warn!(code = problem.code(), "uses of keys were not written");
                }
            }
        });
    }

    /// When these keys were last used, to the minute, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn last_used(
        &self,
        desk: &Desk,
        ids: &[&str],
    ) -> Result<Vec<Option<Timestamp>>, Problem> {
        let places: Vec<[&str; 1]> = ids.iter().map(|id| [*id]).collect();
        let stored = desk.many::<KeyUsed>(&places).await?;
        let map = self.map.read();
        let here = |id: &str| map.get(id).map_or(0, |held| held.minute.load(Ordering::Relaxed));
        let both = ids.iter().zip(stored).map(|(id, stored)| {
            let stored = stored.map_or(0, |used| used.at.as_millis());
            let latest = stored.max(here(id) * MINUTE_MS);
            (latest > 0).then_some(Timestamp(latest))
        });
        Ok(both.collect())
    }
}

/// A key for the map, with the use that is known of the one it takes the place of.
fn hold(map: &HashMap<String, Arc<Held>>, key: ApiKey) -> Arc<Held> {
    let minute = map.get(&key.id).map_or(0, |held| held.minute.load(Ordering::Relaxed));
    Arc::new(Held { key, minute: AtomicI64::new(minute) })
}

#[cfg(test)]
mod tests {
    use levqor_core::store::MemoryStore;

    use super::*;

    async fn put(desk: &Desk, key: &ApiKey) {
        let change = Change::of_system(&key.organization).put(&[key.id.as_str()], key);
        desk.commit(change).await.unwrap();
    }

    fn made(name: &str) -> ApiKey {
        ApiKey::make(Organization::local(), name, Scopes::all(), "me", Timestamp(0)).0
    }

    #[tokio::test]
    async fn what_is_written_is_found_once_it_was_read_back() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let (a, b) = (made("a"), made("b"));
        put(&desk, &a).await;
        let keys = Keys::open(&desk, false).await.unwrap();
        assert!(keys.find(&desk, &a.id).await.unwrap().is_some());
        put(&desk, &b).await;
        assert!(keys.find(&desk, &b.id).await.unwrap().is_none());
        keys.changed(&desk, &b.id).await;
        assert_eq!(keys.find(&desk, &b.id).await.unwrap().unwrap().key.name, "b");
        let (_, revision) = desk.get::<ApiKey>(&[&a.id]).await.unwrap().unwrap();
        let gone = Change::of_system(&a.organization).remove::<ApiKey>(&[&a.id], revision);
        desk.commit(gone).await.unwrap();
        keys.changed(&desk, &a.id).await;
        assert!(keys.find(&desk, &a.id).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_shared_store_another_hosts_write_is_seen_within_a_second() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let keys = Keys::open(&desk, true).await.unwrap();
        let a = made("a");
        put(&desk, &a).await;
        tokio::time::advance(STALE_MAX - Duration::from_millis(1)).await;
        assert!(keys.find(&desk, &a.id).await.unwrap().is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(keys.find(&desk, &a.id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_key_that_could_not_be_read_back_is_found_as_it_is_all_the_same() {
        use levqor_core::store::{FaultPlan, FaultStore};

        let store = FaultStore::new(MemoryStore::new(), FaultPlan::calm(1));
        let desk = Desk::new(Arc::new(store.clone()));
        let (a, b) = (made("a"), made("b"));
        put(&desk, &a).await;
        let keys = Keys::open(&desk, false).await.unwrap();
        let (_, revision) = desk.get::<ApiKey>(&[&a.id]).await.unwrap().unwrap();
        let gone = Change::of_system(&a.organization).remove::<ApiKey>(&[&a.id], revision);
        desk.commit(gone.insert(&[b.id.as_str()], &b)).await.unwrap();
        store.set_plan(FaultPlan { unavailable: 1_000, ..FaultPlan::calm(1) });
        keys.changed(&desk, &a.id).await;
        assert!(keys.find(&desk, &a.id).await.is_err(), "refused while nobody knows");
        store.set_plan(FaultPlan::calm(1));
        assert!(keys.find(&desk, &a.id).await.unwrap().is_none());
        assert!(keys.find(&desk, &b.id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn nothing_opens_the_decoy() {
        let desk = Desk::new(Arc::new(MemoryStore::new()));
        let keys = Keys::open(&desk, false).await.unwrap();
        for secret in ["", "x"] {
            let secret = super::super::secret::Plain::of(secret);
            assert!(!keys.decoy().opens(&secret, Timestamp(0)));
        }
    }
}
