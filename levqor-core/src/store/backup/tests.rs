//! Every byte counts: of the stream, and of what comes back.

use super::*;
use crate::store::{Counter, MemoryStore};

const AT: Timestamp = Timestamp(1_764_000_000_000);

async fn filled(records: u64) -> MemoryStore {
    let store = MemoryStore::new();
    for n in 0..records {
        let mut batch = Batch::new("acme");
        let value = vec![n as u8; (n as usize * 37) % 400];
        batch.insert(Key::of(Table::Journal).text("run").number(n), value.into());
        let counter = Counter::new(format!("org{}", n % 3), format!("slot{}", n % 5));
        let delta = if n % 2 == 0 { 3 } else { -1 };
        batch.add(Add { counter, delta, min: i64::MIN, max: i64::MAX });
        store.commit(batch).await.unwrap();
    }
    let mut batch = Batch::new("acme");
    batch.insert(Key::of(Table::Meta).text("engine"), "1".into());
    batch.insert(Key::of(Table::Meta).text(META_STORE), "of this store alone".into());
    store.commit(batch).await.unwrap();
    store
}

async fn exported(store: &dyn Store) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = export(store, &mut bytes, AT).await.unwrap();
    (bytes, summary)
}

#[tokio::test]
async fn comes_back_the_same() {
    for records in [0, 1, 40, 3_000] {
        let store = filled(records).await;
        let (bytes, summary) = exported(&store).await;
        assert_eq!(summary.records, records + 1, "the store's own record stays behind");
        assert_eq!(verify(&bytes[..]).unwrap(), summary);
        let other = MemoryStore::new();
        assert_eq!(import(&bytes[..], &other).await.unwrap(), summary);
        assert!(!is_partial(&other).await.unwrap());
        let (again, second) = exported(&other).await;
        assert_eq!((again, second), (bytes, summary));
    }
}

#[tokio::test]
async fn the_root_is_the_contents_and_nothing_else() {
    let (_, first) = exported(&filled(20).await).await;
    let store = filled(20).await;
    let later = export(&store, std::io::sink(), Timestamp(5)).await.unwrap();
    assert_eq!(first.root, later.root, "neither time nor revisions");
    let mut batch = Batch::new("acme");
    batch.set.push((Key::of(Table::Journal).text("run").number(3), "other".into()));
    store.commit(batch).await.unwrap();
    let changed = export(&store, std::io::sink(), AT).await.unwrap();
    assert_ne!(first.root, changed.root);
}

#[tokio::test]
async fn every_flipped_byte_is_refused() {
    let (bytes, _) = exported(&filled(300).await).await;
    assert!(bytes.len() > 60_000);
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(verify(&bad[..]).is_err(), "byte {at} may be flipped");
    }
}

#[tokio::test]
async fn every_truncation_and_any_tail_is_refused() {
    let (bytes, _) = exported(&filled(30).await).await;
    for end in 0..bytes.len() {
        assert!(verify(&bytes[..end]).is_err(), "it may end at {end}");
    }
    let cut = verify(&bytes[..bytes.len() - 1]).unwrap_err();
    assert_eq!(cut.code(), "backup.truncated");
    let mut long = bytes.clone();
    long.push(b'\n');
    assert_eq!(verify(&long[..]).unwrap_err().code(), "backup.trailing");
    let twice = [&bytes[..], &bytes[..]].concat();
    assert_eq!(verify(&twice[..]).unwrap_err().code(), "backup.trailing");
    let newer = String::from_utf8_lossy(&bytes).replacen("\"format\":1", "\"format\":2", 1);
    assert_eq!(verify(newer.as_bytes()).unwrap_err().code(), "backup.format");
}

/// Blocks that are whole, in a stream whose end says so: only their contents are wrong.
#[tokio::test]
async fn a_missing_or_repeated_block_is_refused() {
    let (bytes, _) = exported(&filled(3_000).await).await;
    let header = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    let mut blocks = Vec::new();
    let mut at = header;
    while at < bytes.len() {
        let length = u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize + 9;
        blocks.push(&bytes[at..at + length]);
        at += length;
    }
    assert!(blocks.len() >= 4);
    let build = |order: &[usize]| {
        let mut all = bytes[..header].to_vec();
        order.iter().for_each(|n| all.extend_from_slice(blocks[*n]));
        all
    };
    let all: Vec<_> = (0..blocks.len()).collect();
    verify(&build(&all)[..]).unwrap();
    for n in 0..blocks.len() {
        let mut without = all.clone();
        without.remove(n);
        assert!(verify(&build(&without)[..]).is_err(), "block {n} may be missing");
        let mut twice = all.clone();
        twice.insert(n, n);
        assert!(verify(&build(&twice)[..]).is_err(), "block {n} may be repeated");
    }
}

#[tokio::test]
async fn only_an_empty_store_is_filled() {
    let store = filled(10).await;
    let (bytes, _) = exported(&store).await;
    let before = format!("{store:?}");
    let refused = import(&bytes[..], &store).await.unwrap_err();
    assert_eq!(refused.code(), "backup.not_empty");
    assert_eq!(format!("{store:?}"), before, "and is not touched");
}

#[tokio::test]
async fn half_an_import_is_marked() {
    let (bytes, _) = exported(&filled(3_000).await).await;
    for end in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        let store = MemoryStore::new();
        let refused = import(&bytes[..end], &store).await.unwrap_err();
        assert_eq!(refused.code(), "backup.truncated");
        assert!(is_partial(&store).await.unwrap());
        let again = import(&bytes[..], &store).await.unwrap_err();
        assert_eq!(again.code(), "backup.partial");
        let export = export(&store, std::io::sink(), AT).await.unwrap_err();
        assert_eq!(export.code(), "backup.partial");
    }
    let mut bad = bytes.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 4;
    let store = MemoryStore::new();
    assert_eq!(import(&bad[..], &store).await.unwrap_err().code(), "backup.damaged");
    assert!(is_partial(&store).await.unwrap());
}
