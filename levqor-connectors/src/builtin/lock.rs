//! [`Lock`]: `plugins.lock`, what each committed component is and what it was built from.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use levqor_core::ids::ContentHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Format of the lock.
const FORMAT: u32 = 1;

/// `plugins.lock`: the committed components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// One entry for each component, by name.
    #[serde(default)]
    pub plugin: Vec<Locked>,
}

/// One committed component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The connector's name; the component is `NAME.wasm`, its manifest `NAME.manifest.json`.
    pub name: String,
    /// The connector's version.
    pub version: String,
    /// SHA-256 of the component.
    pub sha256: ContentHash,
    /// [`source_hash`] of what it was built from.
    pub sources: ContentHash,
    /// `rustc --version` that built it.
    pub rustc: String,
}

impl Lock {
    /// A lock of these components, sorted by name.
    #[must_use]
    pub fn new(mut plugin: Vec<Locked>) -> Self {
        plugin.sort_by(|a, b| a.name.cmp(&b.name));
        Self { format: FORMAT, plugin }
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if lock.format != FORMAT {
            return Err(format!("plugins.lock has format {}, not {FORMAT}", lock.format));
        }
        let names: BTreeSet<&str> = lock.plugin.iter().map(|p| p.name.as_str()).collect();
        if names.len() != lock.plugin.len() {
            return Err("plugins.lock names a plugin twice".to_owned());
        }
        Ok(lock)
    }

    /// The lock as text for its file.
    ///
    /// # Errors
    /// When it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, String> {
        let body = toml::to_string(self).map_err(|e| e.to_string())?;
        Ok(format!("# Written by `cargo plugins`; not by hand.\n{body}"))
    }

    /// The entry of one component.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Locked> {
        self.plugin.iter().find(|p| p.name == name)
    }
}

/// SHA-256 over everything that the component `name` is built from: its crate, the SDK, the
/// workspace's manifest and lock. `plugins` is the guests' workspace. Build output does not count.
///
/// # Errors
/// When a file cannot be read.
pub fn source_hash(plugins: &Path, name: &str) -> io::Result<ContentHash> {
    let mut files = vec![plugins.join("Cargo.toml"), plugins.join("Cargo.lock")];
    for folder in [name, "sdk"] {
        let crate_dir = plugins.join(folder);
        files.push(crate_dir.join("Cargo.toml"));
        collect(&crate_dir.join("src"), &mut files)?;
        let wit = crate_dir.join("wit");
        if wit.is_dir() {
            collect(&wit, &mut files)?;
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let relative = file.strip_prefix(plugins).unwrap_or(&file);
        let name: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let bytes = std::fs::read(&file)?;
        hash.update(name.join("/").as_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    Ok(ContentHash(hash.finalize().into()))
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_back() {
        let locked = |name: &str| Locked {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            sha256: ContentHash([1; 32]),
            sources: ContentHash([2; 32]),
            rustc: "rustc 1.95.0".to_owned(),
        };
        let lock = Lock::new(vec![locked("b"), locked("a")]);
        assert_eq!(lock.plugin[0].name, "a");
        assert_eq!(Lock::parse(&lock.to_toml().unwrap()).unwrap(), lock);
        let twice = Lock::new(vec![locked("a"), locked("a")]).to_toml().unwrap();
        for bad in [twice.as_str(), "format = 2", "", "format = 1\nx = 1"] {
            assert!(Lock::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_source_hash_sees_every_change_that_matters() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for path in [
            "Cargo.toml",
            "Cargo.lock",
            "a/Cargo.toml",
            "a/src/lib.rs",
            "a/src/b/c.rs",
            "sdk/Cargo.toml",
            "sdk/src/lib.rs",
            "sdk/wit/w.wit",
        ] {
            std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            std::fs::write(at(path), path).unwrap();
        }
        let hash = || source_hash(dir.path(), "a").unwrap();
        let first = hash();
        std::fs::create_dir_all(at("a/target")).unwrap();
        std::fs::write(at("a/target/x"), "x").unwrap();
        std::fs::write(at("a/README.md"), "x").unwrap();
        assert_eq!(hash(), first);
        for path in ["Cargo.lock", "a/src/b/c.rs", "sdk/src/lib.rs", "sdk/wit/w.wit"] {
            std::fs::write(at(path), "changed").unwrap();
            assert_ne!(hash(), first, "{path}");
            std::fs::write(at(path), path).unwrap();
        }
        std::fs::rename(at("a/src/b/c.rs"), at("a/src/b/d.rs")).unwrap();
        assert_ne!(hash(), first);
        assert!(source_hash(dir.path(), "nowhere").is_err());
    }
}
