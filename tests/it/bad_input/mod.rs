//! Bad input at the library's door: documents, values, damaged and contested stores, full disks.
//! Each ends in a clear error with a stable code, and nothing that was acknowledged is lost.

mod damaged_store;
mod documents;
mod expressions;
mod full_disk;
mod two_processes;

use std::path::Path;
use std::sync::Arc;

use levqor_core::connector::{ActionManifest, Catalog, FnConnector, Idempotency, Outcome, Price};
use levqor_core::store::{Key, Snapshot, Store, Table, Value as Stored};

/// `t/echo` answers its input and costs nothing.
fn catalog() -> Catalog {
    let action = ActionManifest {
        idempotency: Idempotency::Safe,
        price: Price { base: 0, max: None },
        ..ActionManifest::default()
    };
    let echo = FnConnector::new("t").action("echo", action, |input| async { Outcome::done(input) });
    Catalog::new().with(echo).unwrap()
}

/// Every record and every counter of a store.
#[derive(PartialEq, Eq)]
pub(crate) struct Content {
    records: Vec<(Key, Stored)>,
    counters: Vec<(levqor_core::store::Counter, i64)>,
}

impl Content {
    pub(crate) async fn of(store: &Arc<dyn Store>) -> Result<Self, levqor_core::store::StoreError> {
        let mut cut: Box<dyn Snapshot> = store.snapshot().await?;
        let mut records: Vec<(Key, Stored)> = Vec::new();
        loop {
            let after = records.last().map(|(key, _)| key.clone());
            let page = cut.records(after.as_ref(), 1_000).await?;
            if page.is_empty() {
                break;
            }
            records.extend(page);
        }
        let meta = Key::of(Table::Meta).prefix();
        records.retain(|(key, _)| *key < meta.start || *key >= meta.end);
        Ok(Self { records, counters: cut.counters().await? })
    }

    /// All of it one after the other, for searching.
    #[cfg(feature = "plugins")]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (key, value) in &self.records {
            all.extend_from_slice(key.as_bytes());
            all.push(0);
            all.extend_from_slice(value);
            all.push(0);
        }
        all
    }
}

/// Copies a store's folder; it holds files only.
fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
