//! Options every verb takes: where data is and how it is shown.

use std::path::{Path, PathBuf};

use clap::Args;
pub(crate) use levqor_core::store::StoreSpec;

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
    /// Work on this host instead of a store here; its key is in LEVQOR_KEY or --key-file
    #[arg(long, global = true, env = "LEVQOR_SERVER", value_name = "URL", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// File with the host's key
    #[arg(
        long,
        global = true,
        env = "LEVQOR_KEY_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// Send the key unencrypted, to a host in a network that you trust
    #[arg(long, global = true)]
    pub(crate) insecure_http: bool,
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
