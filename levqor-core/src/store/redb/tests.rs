//! On a real file: conformance, the lock, a crash, a full disk.

use super::*;
use crate::store::redo::on_disk::{copy, counted, insert, stops_on_a_full_disk};
use crate::store::{Table, Value, conformance};

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
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let refused = RedbStore::open(&path).unwrap_err();
        assert!(refused.to_string().contains("store.last, "), "{refused}");
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing() {
    stops_on_a_full_disk(|dir| RedbStore::open(dir.join("store")).unwrap()).await;
}
