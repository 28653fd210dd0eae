//! Stores by name: `memory:`, `sled:DIR`, `redb:FILE`.

use std::path::PathBuf;
use std::sync::Arc;

use levqor_core::store::{MemoryStore, RedbStore, SledOptions, SledStore, Store};

/// A store under measurement, and where its files are.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The store.
    pub store: Arc<dyn Store>,
    /// `sled`, `redb` or `memory`.
    pub kind: String,
    /// Its folder, where it has one.
    pub dir: Option<PathBuf>,
}

/// Opens a store in a new folder below the one that is named, sled with this much cache.
///
/// # Errors
/// When the name is unknown or the store cannot be opened.
pub fn open(name: &str, cache_mib: Option<u64>) -> Result<Bench, String> {
    let (kind, dir) = name.split_once(':').unwrap_or((name, ""));
    if kind == "memory" {
        let store = Arc::new(MemoryStore::new());
        return Ok(Bench { store, kind: kind.to_owned(), dir: None });
    }
    let parent = if dir.is_empty() { std::env::temp_dir() } else { PathBuf::from(dir) };
    std::fs::create_dir_all(&parent).map_err(|e| e.to_string())?;
    let dir = tempfile::Builder::new().prefix("levqor-bench-").tempdir_in(parent);
    let dir = dir.map_err(|e| e.to_string())?.keep();
    let mut options = SledOptions::default();
    options.cache_bytes = cache_mib.map_or(options.cache_bytes, |mib| mib << 20);
    let path = dir.join("store");
    let store: Arc<dyn Store> = match kind {
        "sled" => Arc::new(SledStore::open_with(path, options).map_err(|e| e.to_string())?),
        "redb" => Arc::new(RedbStore::open(path).map_err(|e| e.to_string())?),
        other => return Err(format!("no store is called `{other}`")),
    };
    Ok(Bench { store, kind: kind.to_owned(), dir: Some(dir) })
}

impl Bench {
    /// Removes the store's files.
    pub fn remove(self) {
        drop(self.store);
        if let Some(dir) = self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
