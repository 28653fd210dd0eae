//! What tests of a map behind the log share: a folder as a crash leaves it, a disk that is full.

use std::path::Path;

use crate::store::{Add, Batch, CommitError, Counter, Key, Store, Table, Value};

/// One record, and one more in the counter of records.
pub(in crate::store) fn insert(n: u64, value: impl Into<Value>) -> Batch {
    let mut batch = Batch::new("acme");
    batch.insert(Key::of(Table::Live).number(n), value.into());
    let counter = Counter::new("acme", "available");
    batch.add(Add { counter, delta: 1, min: 0, max: 100_000 });
    batch
}

/// The files of a folder, as they are now.
pub(in crate::store) fn copy(from: &Path, to: &Path) {
    // sled's, which holds nothing and must be there.
    std::fs::create_dir_all(to.join("blobs")).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// How many records there are, and what their counter says.
pub(in crate::store) async fn counted(store: &impl Store) -> (u64, u64) {
    let found = store.scan(&Key::of(Table::Live).prefix(), 99_999).await.unwrap();
    let counter = Counter::new("acme", "available");
    (found.len() as u64, store.counters(&[counter]).await.unwrap()[0] as u64)
}

/// A store that `open` opens in a folder stops when its disk is full, and loses nothing.
pub(in crate::store) async fn stops_on_a_full_disk<S: Store>(open: impl Fn(&Path) -> S) {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: a small file system cannot be mounted here");
        return;
    };
    let store = open(disk.0.path());
    let mut acknowledged = 0;
    let refused = loop {
        match store.commit(insert(acknowledged, vec![7; 20_000])).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::Unknown);
    let poisoned = store.commit(insert(1_000_000, "x")).await.unwrap_err();
    assert_eq!(poisoned.code(), "store.poisoned");
    assert!(poisoned.to_string().contains("space"), "{poisoned}");
    assert!(acknowledged > 100, "{acknowledged}");
    assert_eq!(counted(&store).await, (acknowledged, acknowledged), "reads go on");
    drop(store);
    let room = tempfile::tempdir().unwrap();
    copy(disk.0.path(), room.path());
    let store = open(room.path());
    let (records, count) = counted(&store).await;
    assert_eq!(records, count);
    assert!((acknowledged..=acknowledged + 1).contains(&records), "{records}, {acknowledged}");
    store.commit(insert(1_000_000, "x")).await.unwrap();
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
