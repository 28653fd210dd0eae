//! [`StoreSpec`]: a store as people name it, `sled:DIR`, `redb:FILE` or `memory:`.
//!
//! What it is not: settings of a backend. Those are the backend's own options.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::memory::MemoryStore;
use super::{Store, StoreError};

/// Which store, and where.
///
/// ```
/// use levqor_core::store::StoreSpec;
/// let spec: StoreSpec = "memory:".parse()?;
/// let store = spec.open()?;
/// assert!(!store.is_shared());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreSpec {
    /// The embedded default, in a folder.
    Sled(PathBuf),
    /// The embedded alternative, in a file with its log beside it.
    Redb(PathBuf),
    /// Gone with the process.
    Memory,
}

impl StoreSpec {
    /// The folder or file it is in, where it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sled(path) | Self::Redb(path) => Some(path),
            Self::Memory => None,
        }
    }

    /// Opens it with the backend's own defaults, made where it is not there.
    ///
    /// # Errors
    /// As the backend's own `open`; [`StoreError::Unavailable`] where this build lacks the backend.
    pub fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryStore::new())),
            #[cfg(feature = "sled")]
            Self::Sled(path) => Ok(Arc::new(super::SledStore::open(path)?)),
            #[cfg(feature = "redb")]
            Self::Redb(path) => Ok(Arc::new(super::RedbStore::open(path)?)),
            #[cfg(not(all(feature = "sled", feature = "redb")))]
            other => Err(StoreError::Unavailable(format!("this build cannot open {other}"))),
        }
    }
}

impl FromStr for StoreSpec {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("memory", "") => Ok(Self::Memory),
            ("sled" | "redb", "") => Err(format!("{kind} needs a place: `{kind}:PATH`")),
            ("sled", dir) => Ok(Self::Sled(dir.into())),
            ("redb", file) => Ok(Self::Redb(file.into())),
            _ => Err("a store is `sled:DIR`, `redb:FILE` or `memory:`".to_owned()),
        }
    }
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(dir) => write!(f, "sled:{}", dir.display()),
            Self::Redb(file) => write!(f, "redb:{}", file.display()),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_read_back() {
        for good in ["sled:x", "redb:/tmp/a:b", "memory:"] {
            assert_eq!(good.parse::<StoreSpec>().map(|s| s.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "sled", "sled:", "memory:x", "postgres://h/d", "/tmp/x"] {
            assert!(bad.parse::<StoreSpec>().is_err(), "{bad}");
        }
    }
}
