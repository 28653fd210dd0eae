//! The group writer on a disk of the tests' own: failing, stopping half-way, damaged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::*;
use crate::store::{
    Add, Batch, CommitError, Counter, Key, Store, Table, Value, backup, conformance,
};

/// A map that outlives its stores, as a file does.
#[derive(Clone, Debug, Default)]
struct MapDisk {
    map: Arc<RwLock<BTreeMap<Vec<u8>, Bytes>>>,
    /// The next group is written half, then fails.
    fails: Arc<AtomicBool>,
    /// Shut by a test to keep a group from becoming durable.
    shut: Arc<AtomicBool>,
    last: Option<u64>,
}

impl Disk for MapDisk {
    type Raw = Bytes;
    const PIECE_BYTES_MAX: usize = 1_000;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.map.read().get(key).cloned())
    }

    fn range(&self, start: &[u8], visit: &mut Visit<'_, Bytes>) -> Result<(), StoreError> {
        let all: Vec<_> =
            self.map.read().range(start.to_vec()..).map(|(k, v)| (k.clone(), v.clone())).collect();
        for (key, value) in all {
            if !visit(&key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, writes: Writes, _: u64) -> Result<(), StoreError> {
        let fails = self.fails.load(Ordering::Acquire);
        let count = if fails { writes.len() / 2 } else { writes.len() };
        for (key, value) in writes.into_iter().take(count) {
            match value {
                Some(value) => self.map.write().insert(key, value.into()),
                None => self.map.write().remove(&key),
            };
        }
        while self.shut.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        if fails { Err(StoreError::Unavailable("no space left".to_owned())) } else { Ok(()) }
    }

    fn last_sequence(&self) -> Option<u64> {
        self.last
    }
}

fn open(disk: &MapDisk) -> Result<GroupStore<MapDisk>, StoreError> {
    GroupStore::open(disk.clone(), true, "levqor-map")
}

fn key(n: u64) -> Key {
    Key::of(Table::Live).number(n)
}

fn set(keys: std::ops::Range<u64>, value: &str) -> Batch {
    let mut batch = Batch::new("acme");
    batch.set = keys.map(|n| (key(n), Value::from(value.to_owned()))).collect();
    batch.insert(Key::of(Table::Done).text(value), "x".into());
    batch.add(Add { counter: counter(), delta: 1, min: 0, max: 99 });
    batch
}

fn counter() -> Counter {
    Counter::new("acme", "n")
}

async fn values(store: &impl Store) -> Vec<String> {
    let found = store.scan(&Key::of(Table::Live).prefix(), 99).await.unwrap();
    let text = |value: &Value| String::from_utf8_lossy(value).into_owned();
    found.iter().map(|(_, record)| text(&record.value)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    conformance::all(async || open(&MapDisk::default()).unwrap()).await.unwrap();
    let disk = MapDisk::default();
    conformance::durable(async || open(&disk).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_failed_group_poisons_and_is_never_seen() {
    let disk = MapDisk::default();
    let store = open(&disk).unwrap();
    store.commit(set(0..6, "old")).await.unwrap();
    disk.fails.store(true, Ordering::Release);
    let mut batch = set(3..9, "new");
    batch.delete.push(key(0));
    assert_eq!(store.commit(batch).await, Err(CommitError::Unknown));
    // The device works again, but what the failed group left behind is not known.
    disk.fails.store(false, Ordering::Release);
    let refused = store.commit(set(20..21, "later")).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Poisoned(why) if why.contains("no space left")));
    assert_eq!(values(&store).await, ["old"; 6]);
    assert_eq!(store.counters(&[counter()]).await.unwrap(), [1]);
    let mut snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.counters().await.unwrap(), [(counter(), 1)]);
    drop((snapshot, store));
    let torn = open(&disk).unwrap_err();
    assert_eq!(torn.code(), "store.corrupt", "half a group is refused: {torn}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_seen_once_it_is_durable_and_not_before() {
    let disk = MapDisk::default();
    let store = open(&disk).unwrap();
    store.commit(set(0..4, "old")).await.unwrap();
    disk.shut.store(true, Ordering::Release);
    let mut batch = set(2..6, "new");
    batch.delete.push(key(0));
    let (before, keys_before) = (disk.map.read().clone(), disk.map.read().len());
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(batch).await }
    });
    // The head is written last: the map has all of the group, the device nothing.
    while disk.map.read().get(record::HEAD_KEY) == before.get(record::HEAD_KEY) {
        tokio::task::yield_now().await;
    }
    assert_ne!(disk.map.read().len(), keys_before);
    assert_eq!(values(&store).await, ["old"; 4]);
    assert_eq!(store.scan(&key(0).prefix(), 9).await.unwrap().len(), 1);
    assert!(store.get(&[key(5)]).await.unwrap()[0].is_none());
    assert_eq!(store.counters(&[counter()]).await.unwrap(), [1]);
    let mut cut = store.snapshot().await.unwrap();
    assert!(!writing.is_finished());
    disk.shut.store(false, Ordering::Release);
    writing.await.unwrap().unwrap();
    assert_eq!(values(&store).await, ["old", "new", "new", "new", "new"]);
    assert_eq!(store.counters(&[counter()]).await.unwrap(), [2]);
    assert_eq!(cut.counters().await.unwrap(), [(counter(), 1)]);
    let seen = cut.records(None, 99).await.unwrap();
    assert_eq!(seen.iter().filter(|(_, value)| value == "old").count(), 4);
    assert!(!seen.iter().any(|(_, value)| value == "new"));
}

#[tokio::test]
async fn a_closed_store_keeps_what_waited_and_takes_no_more() {
    let disk = MapDisk::default();
    let store = open(&disk).unwrap();
    let batches = (0..50).map(|n| store.commit(set(n..n + 1, &n.to_string())));
    let all = futures_util::future::join_all(batches).await;
    assert!(all.iter().all(Result::is_ok));
    store.close();
    assert!(matches!(store.commit(set(0..1, "x")).await, Err(CommitError::Poisoned(_))));
    assert_eq!(values(&store).await.len(), 50);
    drop(store);
    assert_eq!(values(&open(&disk).unwrap()).await.len(), 50);
}

async fn filled() -> MapDisk {
    let disk = MapDisk::default();
    let store = open(&disk).unwrap();
    for n in 0..5 {
        store.commit(set(n..n + 3, &format!("value {n}"))).await.unwrap();
    }
    let mut long = Batch::new("acme");
    long.insert(key(77), Value::from(vec![b'l'; 2_500]));
    store.commit(long).await.unwrap();
    disk
}

#[tokio::test]
async fn every_flipped_bit_and_every_lost_record_is_refused() {
    let disk = filled().await;
    let whole = disk.map.read().clone();
    let refused = |what: String| match open(&disk) {
        Ok(_) => panic!("{what} goes unnoticed"),
        Err(StoreError::Corrupt(_) | StoreError::Format(_)) => {}
        Err(other) => panic!("{what}: {other}"),
    };
    for (key, raw) in &whole {
        for at in 0..raw.len() {
            let mut bad = raw.to_vec();
            bad[at] ^= 1 << (at % 8);
            disk.map.write().insert(key.clone(), bad.into());
            refused(format!("byte {at} of {}", key.escape_ascii()));
        }
        disk.map.write().remove(key);
        refused(format!("the loss of {}", key.escape_ascii()));
        let mut moved = key.clone();
        moved.push(b'x');
        disk.map.write().insert(moved.clone(), raw.clone());
        refused(format!("the move of {}", key.escape_ascii()));
        disk.map.write().remove(&moved);
        disk.map.write().insert(key.clone(), raw.clone());
    }
    open(&disk).unwrap();
}

/// Older versions of a record are whole, and still not what the last group left.
#[tokio::test]
async fn a_record_from_before_is_refused() {
    let disk = filled().await;
    let old = disk.map.read().clone();
    let store = open(&disk).unwrap();
    store.commit(set(0..3, "newer")).await.unwrap();
    drop(store);
    let new = disk.map.read().clone();
    let mut tried = 0;
    for (key, raw) in old.iter().filter(|(key, raw)| new.get(*key) != Some(raw)) {
        disk.map.write().insert(key.clone(), raw.clone());
        let refused = open(&disk).err().map(|e| e.code());
        assert_eq!(refused, Some("store.corrupt"), "{}", key.escape_ascii());
        disk.map.write().insert(key.clone(), new[key].clone());
        tried += 1;
    }
    assert!(tried >= 4, "three records, the counters and the head changed");
    // All of it from before is a whole store, that only somebody outside can tell is old.
    *disk.map.write() = old;
    open(&disk).unwrap();
    let witnessed = MapDisk { last: Some(8), ..disk };
    let refused = open(&witnessed).unwrap_err();
    assert!(refused.to_string().contains("was cut off"), "{refused}");
}

#[tokio::test]
async fn other_formats_are_refused() {
    let foreign = MapDisk::default();
    foreign.map.write().insert(b"somebody's".to_vec(), Bytes::from_static(b"data"));
    assert_eq!(open(&foreign).unwrap_err().code(), "store.format");
    let disk = filled().await;
    let format_key = scrub::format_key();
    let newer = record::encode(format_key.as_bytes(), 1, record::Payload::Whole(b"{\"format\":2}"));
    disk.map.write().insert(format_key.into_bytes(), newer.into());
    let refused = open(&disk).unwrap_err();
    assert_eq!(refused.code(), "store.format");
    assert!(refused.to_string().contains("format 2"), "{refused}");
}

/// A backup of one backend is the backup of another.
#[tokio::test]
async fn a_backup_has_the_same_root_everywhere() {
    let at = crate::time::Timestamp(1);
    let store = open(&filled().await).unwrap();
    let mut bytes = Vec::new();
    let first = backup::export(&store, &mut bytes, at).await.unwrap();
    let memory = crate::store::MemoryStore::new();
    backup::import(&bytes[..], &memory).await.unwrap();
    let mut again = Vec::new();
    let second = backup::export(&memory, &mut again, at).await.unwrap();
    assert_eq!((second, again), (first, bytes));
    let back = open(&MapDisk::default()).unwrap();
    backup::import(&again_bytes(&memory, at).await[..], &back).await.unwrap();
    assert_eq!(again_bytes(&back, at).await, again_bytes(&memory, at).await);
}

async fn again_bytes(store: &dyn Store, at: crate::time::Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    backup::export(store, &mut bytes, at).await.unwrap();
    bytes
}
