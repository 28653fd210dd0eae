//! Settings: flags over environment over file over defaults.
//!
//! One list names every setting (`settings::SETTINGS`); variables, the file's keys and `settings`
//! (the verb) come from it. Secrets are not in the file: they come from the environment, or from
//! the file that a `*_FILE` variable names.

mod edge;
mod layers;
mod ops;
mod settings;
mod webhooks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use levqor_core::ledger::Packs;
use levqor_core::quota::Plans;
use levqor_core::store::StoreSpec;
use serde::Deserialize;

pub(crate) use edge::networks;
pub use edge::{LimitsConfig, TlsConfig};
pub use ops::{BackupConfig, LogConfig};
pub use settings::describe;
pub use webhooks::Webhooks;

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
    /// Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Rates and caps.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Certificate and key.
    #[serde(default)]
    pub tls: TlsConfig,
    /// A JSON file of billing plans, in place of the built-in ones.
    #[serde(default)]
    pub plans_file: String,
    /// A JSON file of credit packs, in place of the built-in ones.
    #[serde(default)]
    pub packs_file: String,
    /// The model that turns goals into pipelines.
    #[serde(default)]
    pub planner: PlannerConfig,
    /// Who may sign in: `open` or `invited`.
    #[serde(default)]
    pub signup: String,
    /// Mails going out.
    #[serde(default)]
    pub mail: MailConfig,
    /// The mail vendor's key.
    #[serde(skip)]
    pub resend_key: Option<Plain>,
    /// Webhooks going out.
    #[serde(default)]
    pub webhooks: Webhooks,
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

/// Which model plans. Its address and price are the connector's: grants in `plugins.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PlannerConfig {
    /// The action that completes a conversation: `openai/chat`. No model where empty.
    pub connector: String,
    /// Which model; the connector's default where empty.
    pub model: String,
    /// The credential's name in the operator's vault; the connector's default where empty.
    pub credential: String,
}

/// How mails go out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MailConfig {
    /// Who they are from, as the vendor knows it.
    #[serde(default)]
    pub from: String,
    /// The vendor's address, where it is another than its own.
    #[serde(default)]
    pub resend_url: String,
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
    /// Store: sled:DIR, redb:FILE or memory: [default: sled in the data folder]
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
    #[error("the file {}: {source}", path.display())]
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
            trusted_proxies: Vec::new(),
            limits: LimitsConfig::default(),
            tls: TlsConfig::default(),
            plans_file: String::new(),
            packs_file: String::new(),
            planner: PlannerConfig::default(),
            signup: String::new(),
            mail: MailConfig::default(),
            resend_key: None,
            webhooks: Webhooks::default(),
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

    /// The billing plans that are meant.
    ///
    /// # Errors
    /// `config.file` or `config.value` where the file cannot be used.
    pub fn plans(&self) -> Result<Plans, ConfigError> {
        let Some(text) = read_file(&self.plans_file)? else { return Ok(Plans::default()) };
        let refused = |e| ConfigError::Value(format!("plans_file: {e}"));
        Plans::from_json(&text).map_err(refused)
    }

    /// The credit packs that are meant.
    ///
    /// # Errors
    /// As [`Config::plans`].
    pub fn packs(&self) -> Result<Packs, ConfigError> {
        let Some(text) = read_file(&self.packs_file)? else { return Ok(Packs::default()) };
        let refused = |e| ConfigError::Value(format!("packs_file: {e}"));
        Packs::from_json(&text).map_err(refused)
    }

    /// Whether a person whom nobody invited may sign in, to an organization of their own.
    #[must_use]
    pub fn is_signup_open(&self) -> bool {
        self.signup != "invited"
    }

    /// The host's address for links: as people type it, or where it listens.
    #[must_use]
    pub fn base_url(&self) -> String {
        if self.public_url.is_empty() {
            return format!("http://{}", self.listen);
        }
        self.public_url.trim_end_matches('/').to_owned()
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

fn read_file(path: &str) -> Result<Option<String>, ConfigError> {
    if path.is_empty() {
        return Ok(None);
    }
    let read = std::fs::read_to_string(path);
    read.map(Some).map_err(|source| ConfigError::File { path: path.into(), source })
}
