//! Order, ranges, pages, and the hint that something changed.

use std::sync::Arc;

use super::support::{Check, ORG, apply, ensure, insert, key, numbered, present, same};
use crate::store::{Batch, Key, KeyRange, Store, Table, Value};

async fn scan(store: &dyn Store, range: &KeyRange, limit: u32) -> Check<Vec<Key>> {
    let found = store.scan(range, limit).await.map_err(|e| e.to_string())?;
    for (key, record) in &found {
        same("a scanned record", record, &present(store, key).await?)?;
    }
    Ok(found.into_iter().map(|(key, _)| key).collect())
}

async fn fill(store: &dyn Store, keys: &[Key]) -> Check {
    for chunk in keys.chunks(64) {
        let mut batch = Batch::new(ORG);
        for key in chunk {
            batch.insert(key.clone(), Value::from(key.as_bytes().to_vec()));
        }
        apply(store, batch).await?;
    }
    Ok(())
}

/// Keys are bytes, compared as bytes.
pub(super) async fn keys(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let raw = |tail: &[u8]| Key::of(Table::PluginState).raw(tail);
    let long = vec![b'l'; crate::store::KEY_BYTES_MAX - 1];
    let mut all: Vec<Key> = [
        &b""[..],
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\0b",
        b"aa",
        b"A",
        b"b",
        b"%",
        b"_",
        b"\\",
        b"'",
        b"\x7f",
        b"\x80",
        b"\xc3\x28",
        b"\xff",
        b"\xff\xff",
        &long,
    ]
    .into_iter()
    .map(raw)
    .collect();
    fill(store, &all).await?;
    all.sort_unstable();
    same("keys in order", scan(store, &raw(b"").prefix(), 99).await?, all.clone())?;
    for key in &all {
        let found = present(store, key).await?;
        same("the value at a key", found.value, Value::from(key.as_bytes().to_vec()))?;
    }
    let wanted = vec![raw(b"a\0"), raw(b"a\0b")];
    same("keys with a prefix", scan(store, &raw(b"a\0").prefix(), 99).await?, wanted)?;
    let wanted = vec![raw(b"\xff"), raw(b"\xff\xff")];
    same("keys with the greatest prefix", scan(store, &raw(b"\xff").prefix(), 9).await?, wanted)
}

pub(super) async fn ranges(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let mut all: Vec<Key> = (0..300).map(|n| numbered(n * 7919 % 300)).collect();
    let neighbours = [
        Key::of(Table::Meta).text("zz"),
        Key::of(Table::Done).number(0),
        Key::of(Table::PluginState).text("a"),
    ];
    fill(store, &all).await?;
    fill(store, &neighbours).await?;
    all.sort_unstable();
    let table = Key::of(Table::Live).prefix();
    same("a table", scan(store, &table, 1_000).await?, all.clone())?;
    same("a limit", scan(store, &table, 5).await?, all[..5].to_vec())?;
    same("a limit of 0", scan(store, &table, 0).await?, vec![])?;
    let between = |a: u64, b: u64| KeyRange { start: numbered(a), end: numbered(b) };
    same("a range", scan(store, &between(10, 20), 99).await?, all[10..20].to_vec())?;
    same("an empty range", scan(store, &between(10, 10), 99).await?, vec![])?;
    same("a range that ends first", scan(store, &between(20, 10), 99).await?, vec![])?;
    same("a range of nothing", scan(store, &between(400, 500), 99).await?, vec![])?;
    let open = KeyRange { start: numbered(299), end: Key::from_bytes(Vec::new()) };
    let mut rest = vec![numbered(299)];
    rest.extend_from_slice(&neighbours[1..]);
    same("a range without end", scan(store, &open, 99).await?, rest)?;

    let mut batch = Batch::new(ORG);
    (50..100).for_each(|n| batch.delete.push(numbered(n)));
    apply(store, batch).await?;
    let wanted: Vec<_> = (45..50).chain(100..105).map(numbered).collect();
    same("around removed records", scan(store, &between(45, 105), 99).await?, wanted)
}

/// Following [`KeyRange::after`] yields everything once, also while records come and go.
pub(super) async fn pages(store: Arc<dyn Store>) -> Check {
    let store = &*store;
    let all: Vec<Key> = (0..200).map(|n| numbered(n * 2)).collect();
    fill(store, &all).await?;
    let (mut range, mut seen) = (Key::of(Table::Live).prefix(), Vec::new());
    loop {
        let page = scan(store, &range, 7).await?;
        let Some(last) = page.last() else { break };
        range = range.after(last);
        ensure(seen.len() < 1_000, || "pages never end".to_owned())?;
        if seen.len() < 140 {
            // One behind the page, one ahead of it, neither of the records that must be seen.
            let n = seen.len() as u64;
            apply(store, insert(key(&format!("{n}")), "x")).await?;
            apply(store, insert(numbered(n * 2 + 1), "x")).await?;
        }
        seen.extend(page);
    }
    ensure(seen.is_sorted(), || "pages are out of order".to_owned())?;
    let distinct = seen.windows(2).all(|w| w[0] != w[1]);
    ensure(distinct, || "a record is on two pages".to_owned())?;
    let missing = all.iter().find(|key| seen.binary_search(key).is_err());
    ensure(missing.is_none(), || format!("no page has {missing:?}"))
}

/// Commits a store may make before its hint must have come at least once.
const COMMITS_WITHOUT_HINT_MAX: u64 = 2_000;

pub(super) async fn changed_hint(store: Arc<dyn Store>) -> Check {
    let changed = store.changed();
    for n in 0..COMMITS_WITHOUT_HINT_MAX {
        apply(&*store, insert(numbered(n), "x")).await?;
        if changed.has_changed().map_err(|_| "the hint's sender is gone".to_owned())? {
            return Ok(());
        }
    }
    Err(format!("no hint in {COMMITS_WITHOUT_HINT_MAX} commits"))
}
