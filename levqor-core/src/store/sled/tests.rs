//! On a real directory: conformance, the lock, a full disk, files that are not what was written.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::redo::on_disk::{copy, insert, stops_on_a_full_disk};
use crate::store::{Table, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let dirs = tempfile::tempdir().unwrap();
    let next = AtomicU64::new(0);
    let fresh = async || {
        let n = next.fetch_add(1, Ordering::Relaxed);
        SledStore::open(dirs.path().join(n.to_string())).unwrap()
    };
    conformance::all(fresh).await.unwrap();
    let same = dirs.path().join("same");
    conformance::durable(async || SledStore::open(&same).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_second_handle_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    store.commit(insert(1, "a")).await.unwrap();
    let second = SledStore::open(dir.path()).unwrap_err();
    assert_eq!(second.code(), "store.locked");
    assert!(second.to_string().contains(&dir.path().display().to_string()));
    store.close();
    assert!(matches!(store.commit(insert(2, "b")).await, Err(CommitError::Poisoned(_))));
    assert!(store.get(&[Key::of(Table::Live).number(1)]).await.unwrap()[0].is_some());
    drop(store);
    SledStore::open(dir.path()).unwrap();
}

#[tokio::test]
async fn somebody_elses_tree_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = sled::Config::new().path(dir.path()).segment_size(SEGMENT_BYTES);
    let theirs = config.open().unwrap();
    theirs.insert("a", "b").unwrap();
    theirs.flush().unwrap();
    drop((theirs, config));
    assert_eq!(SledStore::open(dir.path()).unwrap_err().code(), "store.format");
}

/// Long values stay within sled's own log, which is synced; its other files are not.
#[tokio::test]
async fn no_value_leaves_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    for n in 0..40 {
        store.commit(insert(n, vec![n as u8; 60_000 + 40_000 * n as usize])).await.unwrap();
    }
    let blobs = std::fs::read_dir(dir.path().join("blobs")).unwrap().count();
    assert_eq!(blobs, 0);
}

fn options() -> SledOptions {
    SledOptions { cache_bytes: 8 * 1024 * 1024, ..SledOptions::default() }
}

/// A closed store's directory, and what it holds.
async fn filled(dir: &Path) -> Vec<(Key, Record)> {
    let store = SledStore::open_with(dir, options()).unwrap();
    for n in 0..300 {
        store.commit(insert(n, vec![n as u8; 500])).await.unwrap();
    }
    contents(&store).await
}

async fn contents(store: &SledStore) -> Vec<(Key, Record)> {
    store
        .scan(&KeyRange { start: Key::of(Table::Meta), end: Key::from_bytes(Vec::new()) }, 9_999)
        .await
        .unwrap()
}

/// Whether the damaged copy is refused; one that opens must hold exactly what was written.
async fn is_refused(dir: &Path, whole: &[(Key, Record)], what: &str) -> bool {
    match SledStore::open_with(dir, options()) {
        Err(StoreError::Corrupt(_) | StoreError::Format(_) | StoreError::Unavailable(_)) => true,
        Err(other) => panic!("{what}: {other}"),
        Ok(store) => {
            assert!(contents(&store).await == whole, "{what} is served as if nothing were wrong");
            false
        }
    }
}

#[tokio::test]
async fn a_cut_off_file_is_refused() {
    let dirs = tempfile::tempdir().unwrap();
    let original = dirs.path().join("original");
    let whole = filled(&original).await;
    let length = std::fs::metadata(original.join("db")).unwrap().len();
    let mut refused = 0;
    for part in 0..40 {
        let dir = dirs.path().join(format!("cut{part}"));
        copy(&original, &dir);
        let data = OpenOptions::new().write(true).open(dir.join("db")).unwrap();
        data.set_len(length * part / 40).unwrap();
        refused += u32::from(is_refused(&dir, &whole, &format!("cut at {part}/40")).await);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(refused > 30, "only {refused} of 40 truncations are refused");
}

#[tokio::test]
async fn a_flipped_bit_is_refused_or_harmless() {
    let dirs = tempfile::tempdir().unwrap();
    let original = dirs.path().join("original");
    let whole = filled(&original).await;
    let bytes = std::fs::read(original.join("db")).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap();
    let mut refused = 0;
    for n in 0..120 {
        let dir = dirs.path().join(format!("flip{n}"));
        copy(&original, &dir);
        let mut bad = bytes.clone();
        let at = used * n / 120;
        bad[at] ^= 1 << (n % 8);
        std::fs::write(dir.join("db"), bad).unwrap();
        refused += u32::from(is_refused(&dir, &whole, &format!("bit {n} at {at}")).await);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(refused > 0, "no flipped bit was ever found");
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing() {
    stops_on_a_full_disk(|dir| SledStore::open_with(dir, options()).unwrap()).await;
}

/// The directory as a crash leaves it: nothing closed it.
async fn unclosed(dir: &Path, to: &Path) -> Vec<(Key, Record)> {
    let store = SledStore::open_with(dir, options()).unwrap();
    for n in 0..40 {
        store.commit(insert(n, vec![n as u8; 30_000])).await.unwrap();
    }
    copy(dir, to);
    contents(&store).await
}

#[tokio::test]
async fn what_only_the_redo_log_has_is_there_or_missed() {
    let dirs = tempfile::tempdir().unwrap();
    let (live, crashed) = (dirs.path().join("live"), dirs.path().join("crashed"));
    let whole = unclosed(&live, &crashed).await;
    {
        let store = SledStore::open_with(&crashed, options()).unwrap();
        assert!(contents(&store).await == whole);
    }
    let log = crashed.join("levqor.redo.1");
    let log = if log.metadata().unwrap().len() > 0 { log } else { crashed.join("levqor.redo.0") };
    let bytes = std::fs::read(&log).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap();
    for part in 0..20 {
        std::fs::write(&log, &bytes[..used * part / 20]).unwrap();
        assert!(is_refused(&crashed, &whole, &format!("log cut at {part}/20")).await);
    }
    for part in 0..40 {
        let mut bad = bytes.clone();
        bad[used * part / 40] ^= 1 << (part % 8);
        std::fs::write(&log, bad).unwrap();
        assert!(is_refused(&crashed, &whole, &format!("log flipped at {part}/40")).await);
    }
    std::fs::write(&log, &bytes).unwrap();
    let store = SledStore::open_with(&crashed, options()).unwrap();
    store.commit(insert(1_000, "x")).await.unwrap();
    assert_eq!(contents(&store).await.len(), whole.len() + 1);
}
