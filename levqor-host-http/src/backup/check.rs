//! The proof of a backup: it is restored into a store of its own, whose contents and books are
//! looked at.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use levqor_connectors::files::own_dir;
use levqor_core::connector::Catalog;
use levqor_core::engine::Engine;
use levqor_core::ids::Organization;
use levqor_core::store::backup::{self, Summary};
use levqor_core::store::{Store, StoreSpec};

use super::BackupFailure;

/// Bytes of keys and values up to which a backup is restored into memory.
const IN_MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How many organizations' books were in order.
pub(super) async fn check(
    plain: &Path,
    written: &Summary,
    scratch: &Path,
) -> Result<u64, BackupFailure> {
    check_within(IN_MEMORY_BYTES_MAX, plain, written, scratch).await
}

/// The same, in memory up to so many bytes and on the disk beyond.
pub(super) async fn check_within(
    in_memory_bytes_max: u64,
    plain: &Path,
    written: &Summary,
    scratch: &Path,
) -> Result<u64, BackupFailure> {
    let lost = |what: &dyn std::fmt::Display| BackupFailure::Scratch(what.to_string());
    let dir = scratch.join("restored");
    let _ = std::fs::remove_dir_all(&dir);
    let in_memory = written.bytes <= in_memory_bytes_max;
    let spec = if in_memory { StoreSpec::Memory } else { StoreSpec::Redb(dir.join("store")) };
    if !in_memory {
        own_dir(&dir).map_err(|e| lost(&e))?;
    }
    let store = spec.open().map_err(|e| lost(&e))?;
    let checked = restored(plain, written, store).await;
    let _ = std::fs::remove_dir_all(&dir);
    checked
}

async fn restored(
    plain: &Path,
    written: &Summary,
    store: Arc<dyn Store>,
) -> Result<u64, BackupFailure> {
    let what = "the backup cannot be read back";
    let file = File::open(plain).map_err(|source| BackupFailure::Io { what, source })?;
    backup::import(BufReader::with_capacity(256 * 1024, file), &*store).await?;
    // What stands in the copy now, not what the stream said on its way in.
    let again = backup::export(&*store, std::io::sink(), written.created).await?;
    if again.root != written.root {
        let (written, restored) = (written.root.clone(), again.root);
        return Err(BackupFailure::Differs { written, restored });
    }
    books(store).await
}

async fn books(store: Arc<dyn Store>) -> Result<u64, BackupFailure> {
    let lost = |what: &dyn std::fmt::Display| BackupFailure::Scratch(what.to_string());
    let mut snapshot = store.snapshot().await.map_err(|e| lost(&e))?;
    let counters = snapshot.counters().await.map_err(|e| lost(&e))?;
    drop(snapshot);
    // Whoever has credits, held or spent, has a counter or had one.
    let scopes: BTreeSet<String> = counters.iter().map(|(c, _)| c.scope.to_string()).collect();
    let engine = Engine::builder_on(store, Catalog::new()).build().await;
    let engine = engine.map_err(|e| lost(&e))?;
    let mut checked = 0;
    for scope in scopes {
        let Ok(organization) = Organization::new(&scope) else { continue };
        let report = engine.audit(&organization).await.map_err(|e| lost(&e))?;
        if let Err(violations) = report {
            let first = violations.first().map(ToString::to_string).unwrap_or_default();
            return Err(BackupFailure::Books { organization: scope, first });
        }
        checked += 1;
    }
    Ok(checked)
}
