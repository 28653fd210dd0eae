//! Options every verb takes: where data is and how it is shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::output::Format;

/// Where data is kept where nothing is said.
pub(crate) const DATA_DIR_DEFAULT: &str = ".levqor";

/// Options every verb takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Folder of the store, the vault and the code cache
    #[arg(
        long,
        global = true,
        env = "LEVQOR_DATA_DIR",
        default_value = DATA_DIR_DEFAULT,
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: PathBuf,
    /// Store to work on: sled:DIR, redb:FILE or memory: [default: sled in the data dir]
    #[arg(long, global = true, env = "LEVQOR_STORE", value_name = "STORE", hide_env_values = true)]
    pub(crate) store: Option<StoreSpec>,
    /// Folder of further plugins and their grants (plugins.toml)
    #[arg(
        long,
        global = true,
        env = "LEVQOR_PLUGINS_DIR",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(crate) plugins_dir: Option<PathBuf>,
    /// How data is printed on stdout
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// No progress and no remarks on stderr
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Global {
    /// The store that is meant.
    pub(crate) fn store_spec(&self) -> StoreSpec {
        self.store.clone().unwrap_or_else(|| StoreSpec::Sled(self.data_dir.join("store")))
    }

    /// The options that make another process find the same data.
    pub(crate) fn to_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.data_dir != Path::new(DATA_DIR_DEFAULT) {
            words.extend(["--data-dir".to_owned(), self.data_dir.display().to_string()]);
        }
        if let Some(store) = &self.store {
            words.extend(["--store".to_owned(), store.to_string()]);
        }
        if let Some(dir) = &self.plugins_dir {
            words.extend(["--plugins-dir".to_owned(), dir.display().to_string()]);
        }
        words
    }
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreSpec {
    Sled(PathBuf),
    Redb(PathBuf),
    /// Gone with the process.
    Memory,
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
            Self::Redb(dir) => write!(f, "redb:{}", dir.display()),
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
