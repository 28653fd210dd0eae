//! Words the checks are written in.

use std::fmt::Debug;

use crate::store::{Add, Batch, CommitError, Committed, Counter, Key, Record, Store, Table, Value};

/// What a check returns; the text says what was expected and what came.
pub(super) type Check<T = ()> = Result<T, String>;

/// The organization most checks use.
pub(super) const ORG: &str = "acme";

/// A key of the checks' own.
pub(super) fn key(name: &str) -> Key {
    Key::of(Table::PluginState).text(name)
}

pub(super) fn numbered(number: u64) -> Key {
    Key::of(Table::Live).number(number)
}

pub(super) fn counter(slot: &str) -> Counter {
    Counter::new(ORG, slot)
}

/// An add without bounds.
pub(super) fn free(slot: &str, delta: i64) -> Add {
    bounded(slot, delta, i64::MIN, i64::MAX)
}

pub(super) fn bounded(slot: &str, delta: i64, min: i64, max: i64) -> Add {
    Add { counter: counter(slot), delta, min, max }
}

/// A batch that inserts one record.
pub(super) fn insert(key: Key, value: impl Into<Value>) -> Batch {
    let mut batch = Batch::new(ORG);
    batch.insert(key, value.into());
    batch
}

/// A batch that inserts one record and adds.
pub(super) fn insert_and_add(name: &str, add: Add) -> Batch {
    let mut batch = insert(key(name), "x");
    batch.add(add);
    batch
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, got: T, wanted: T) -> Check {
    if got == wanted { Ok(()) } else { Err(format!("{what}: got {got:?}, wanted {wanted:?}")) }
}

pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

pub(super) async fn apply(store: &dyn Store, batch: Batch) -> Check<Committed> {
    let adds = batch.add.len();
    let done = store.commit(batch).await.map_err(|e| format!("a commit was refused: {e}"))?;
    same("counters in a commit's answer", done.counters.len(), adds)?;
    Ok(done)
}

/// The batch is refused because of this key.
pub(super) async fn conflict(store: &dyn Store, what: &str, batch: Batch, at: &Key) -> Check {
    match store.commit(batch).await {
        Err(CommitError::Conflict { key }) if key == *at => Ok(()),
        other => Err(format!("{what}: got {other:?}, wanted a conflict at {at:?}")),
    }
}

/// The batch is refused because of this counter, which has this value.
pub(super) async fn out_of_bounds(
    store: &dyn Store,
    what: &str,
    batch: Batch,
    slot: &str,
    value: i64,
) -> Check {
    let wanted = CommitError::Bound { counter: counter(slot), value };
    match store.commit(batch).await {
        Err(error) if error == wanted => Ok(()),
        other => Err(format!("{what}: got {other:?}, wanted {wanted:?}")),
    }
}

pub(super) async fn get(store: &dyn Store, key: &Key) -> Check<Option<Record>> {
    let mut found = store.get(std::slice::from_ref(key)).await.map_err(|e| e.to_string())?;
    same("records from a get of one key", found.len(), 1)?;
    Ok(found.pop().flatten())
}

/// The record that must stand at `key`.
pub(super) async fn present(store: &dyn Store, key: &Key) -> Check<Record> {
    get(store, key).await?.ok_or_else(|| format!("no record at {key:?}"))
}

pub(super) async fn absent(store: &dyn Store, what: &str, key: &Key) -> Check {
    let found = get(store, key).await?;
    ensure(found.is_none(), || format!("{what}: a record stands at {key:?}"))
}

pub(super) async fn value(store: &dyn Store, slot: &str) -> Check<i64> {
    let found = store.counters(&[counter(slot)]).await.map_err(|e| e.to_string())?;
    same("values from a read of one counter", found.len(), 1)?;
    Ok(found.first().copied().unwrap_or(0))
}

/// A number kept as a record's text.
pub(super) fn number_in(record: &Record) -> Check<u64> {
    let text = std::str::from_utf8(&record.value).map_err(|e| e.to_string())?;
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// Runs checks at once and waits for all of them.
pub(super) async fn join(tasks: Vec<tokio::task::JoinHandle<Check>>) -> Check {
    let mut result = Ok(());
    for task in tasks {
        let done = task.await.unwrap_or_else(|e| Err(e.to_string()));
        result = result.and(done);
    }
    result
}

/// splitmix64: numbers from a seed, the same on every machine.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound.max(1)
    }
}
