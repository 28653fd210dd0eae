//! Settings: flags over environment over file over defaults.
//!
//! One list names every setting ([`settings::SETTINGS`]); variables, the file's keys and `settings`
//! (the verb) come from it. Secrets are not in the file: they come from the environment, or from
//! the file that a `*_FILE` variable names.

mod layers;
mod ops;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use levqor_core::store::StoreSpec;
use serde::Deserialize;

pub use ops::{BackupConfig, LogConfig};
pub use settings::describe;

use crate::caller::secret::Plain;

/// What the host was told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Folder of store, vault, cache and plugins.
    pub data_dir: PathBuf,
    /// The store; in the data folder where empty.
    #[serde(default)]
    pub store: String,
    /// The host's address as people type it, for links and for the list of hosts.
    #[serde(default)]
    pub public_url: String,
    /// Further names in `Host` that are answered.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Folder of further plugins and their grants.
    #[serde(default)]
    pub plugins_dir: String,
    /// Where the operator's own listener is, without keys and for this machine alone; none where
    /// empty.
    #[serde(default)]
    pub ops_listen: String,
    /// Where traces are sent, a collector's address; nowhere where empty.
    #[serde(default)]
    pub otlp_url: String,
    /// Where and when backups are taken.
    #[serde(default)]
    pub backup: BackupConfig,
    /// Where the log goes.
    #[serde(default)]
    pub log: LogConfig,
    /// Where errors are reported, as Sentry has it; the file `errors.jsonl` where absent.
    #[serde(skip)]
    pub sentry_dsn: Option<Plain>,
    /// The operator's own admin key, in place of one made at the first start.
    #[serde(skip)]
    pub admin_key: Option<Plain>,
}

/// The flags of the command line.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct Flags {
    /// Address and port to listen on [default: 127.0.0.1:7700]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Folder of store, vault, cache and plugins [default: .levqor]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Store: sled:DIR, redb:DIR or memory: [default: sled in the data folder]
    #[arg(long, global = true, value_name = "STORE")]
    pub store: Option<String>,
    /// The host's address as people type it
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings file {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the settings file is not TOML: {0}")]
    Syntax(Box<toml::de::Error>),
    /// A setting has a value that it cannot have, or is none.
    #[error("{0}")]
    Value(String),
}

impl ConfigError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "config.file",
            Self::Syntax(_) => "config.syntax",
            Self::Value(_) => "config.value",
        }
    }
}

impl Config {
    /// Reads file and environment under the flags.
    ///
    /// # Errors
    /// [`ConfigError`] with the setting's name.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, ConfigError> {
        let environment = |name: &str| std::env::var(name).ok();
        layers::load(file, &environment, flags)
    }

    /// Defaults with this data folder, on any free port of this machine: for tests and embedders.
    #[must_use]
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data_dir.to_owned(),
            store: String::new(),
            public_url: String::new(),
            hosts: Vec::new(),
            plugins_dir: String::new(),
            ops_listen: String::new(),
            otlp_url: String::new(),
            backup: BackupConfig::default(),
            log: LogConfig::default(),
            sentry_dsn: None,
            admin_key: None,
        }
    }

    /// The store that is meant.
    ///
    /// # Errors
    /// `config.value` where it is none.
    pub fn store_spec(&self) -> Result<StoreSpec, ConfigError> {
        if self.store.is_empty() {
            return Ok(StoreSpec::Sled(self.data_dir.join("store")));
        }
        self.store.parse().map_err(|e: String| ConfigError::Value(format!("store: {e}")))
    }

    /// The folder of further plugins.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        if self.plugins_dir.is_empty() {
            return self.data_dir.join("plugins");
        }
        PathBuf::from(&self.plugins_dir)
    }
}
