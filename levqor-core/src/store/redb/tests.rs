//! On a real file: conformance, the lock, a crash, a full disk.

use super::*;
use crate::store::redo::small_disk::SmallDisk;
use crate::store::{Add, Table, Value, conformance};

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

fn insert(n: u64, value: impl Into<Value>) -> Batch {
    let mut batch = Batch::new("acme");
    batch.insert(Key::of(Table::Live).number(n), value.into());
    let counter = Counter::new("acme", "available");
    batch.add(Add { counter, delta: 1, min: 0, max: 100_000 });
    batch
}

/// The file and its log as a crash leaves them: nothing closed them.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// How many records there are, and what the counter says.
async fn counted(store: &RedbStore) -> (u64, u64) {
    let found = store.scan(&Key::of(Table::Live).prefix(), 99_999).await.unwrap();
    let counter = Counter::new("acme", "available");
    (found.len() as u64, store.counters(&[counter]).await.unwrap()[0] as u64)
}

#[tokio::test]
async fn what_only_the_log_has_is_there_after_a_crash_and_missed_without_it() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = RedbStore::open(live.path().join("store")).unwrap();
    for n in 0..300 {
        store.commit(insert(n, vec![n as u8; 30_000])).await.unwrap();
    }
    copy(live.path(), crashed.path());
    assert_eq!(counted(&store).await, (300, 300));
    let path = crashed.path().join("store");
    {
        let store = RedbStore::open(&path).unwrap();
        assert_eq!(counted(&store).await, (300, 300));
    }
    for log in ["store.redo.0", "store.redo.1"] {
        std::fs::write(crashed.path().join(log), "").unwrap();
    }
    let refused = RedbStore::open(&path).unwrap_err();
    assert_eq!(refused.code(), "store.corrupt", "{refused}");
    assert!(refused.to_string().contains("acknowledged"), "{refused}");
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: a small file system cannot be mounted here");
        return;
    };
    let store = RedbStore::open(disk.0.path().join("store")).unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        match store.commit(insert(acknowledged, vec![7; 20_000])).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::Unknown);
    assert!(acknowledged > 100, "{acknowledged}");
    assert_eq!(counted(&store).await, (acknowledged, acknowledged), "reads go on");
    drop(store);
    let room = tempfile::tempdir().unwrap();
    copy(disk.0.path(), room.path());
    let store = RedbStore::open(room.path().join("store")).unwrap();
    let (records, count) = counted(&store).await;
    assert_eq!(records, count);
    assert!((acknowledged..=acknowledged + 1).contains(&records), "{records}, {acknowledged}");
    store.commit(insert(1_000_000, "x")).await.unwrap();
}
