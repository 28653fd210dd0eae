//! [`Inspection`]: what `levqor plugin inspect` shows. Data only.

use levqor_core::connector::{ActionManifest, CredentialManifest, Wants};
use levqor_core::ids::ContentHash;
use serde::Serialize;

use crate::grant::{Blocked, Effective, Grant, Origin};
use crate::sandbox::{HostError, LoadError, Plugin};

/// Everything there is to know about a plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line about it.
    pub description: String,
    /// SHA-256 of the component.
    pub sha256: ContentHash,
    /// Bytes of the component.
    pub bytes: usize,
    /// Version of the contract.
    pub abi: String,
    /// Its actions by name, schemas and prices included.
    pub actions: indexmap::IndexMap<String, ActionManifest>,
    /// Hosts it asks for.
    pub hosts: Vec<String>,
    /// Credentials it asks for.
    pub credentials: Vec<CredentialManifest>,
    /// Capabilities it asks for.
    pub wants: Wants,
    /// Capabilities its binary imports; what is not here it can never use, whatever it asks for.
    pub capabilities: Vec<String>,
    /// Every interface the binary imports.
    pub imports: Vec<String>,
    /// What it is granted, or why it is blocked.
    pub grant: GrantView,
}

/// What a plugin is granted, or why it is blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrantView {
    /// It runs, with this.
    Granted {
        /// Hosts it may reach.
        hosts: Vec<String>,
        /// Credentials it may use, each with the hosts it may go to.
        credentials: std::collections::BTreeMap<String, Vec<String>>,
        /// Memory of one call in bytes.
        memory_bytes: usize,
        /// Time of one call in milliseconds.
        time_ms: u64,
        /// State in bytes; 0 is none.
        state_bytes: u64,
        /// Whether it may read secrets.
        reveal: bool,
        /// Networks that are not public and that it may reach.
        private: Vec<String>,
        /// Whether plain `http:` is allowed.
        http: bool,
    },
    /// It does not run.
    Blocked {
        /// What is missing, a line each.
        diff: Vec<String>,
        /// The grant that would do, as TOML.
        suggestion: String,
    },
}

/// Why a plugin could not be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// No plugin has the name.
    #[error("there is no plugin named `{0}`; `levqor plugins list` shows all")]
    Unknown(String),
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl InspectError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "plugin.unknown",
            Self::Load(e) => e.code(),
            Self::Host(e) => e.code(),
        }
    }
}

impl Inspection {
    /// Looks at a loaded plugin of `bytes` bytes from `origin` under `grant`.
    #[must_use]
    pub fn of(plugin: &Plugin, bytes: usize, origin: Origin, grant: Option<&Grant>) -> Self {
        let manifest = plugin.manifest();
        let capabilities = plugin
            .imports()
            .iter()
            .filter_map(|i| i.strip_prefix("levqor:connector/"))
            .filter_map(|i| i.split_once('@').map(|(name, _)| name.to_owned()))
            .filter(|name| name != "types")
            .collect();
        let grant = match Effective::of(manifest, plugin.digest(), origin, grant) {
            Ok(effective) => granted(&effective),
            Err(Blocked { lacks, suggestion, .. }) => GrantView::Blocked {
                diff: lacks.iter().map(ToString::to_string).collect(),
                suggestion,
            },
        };
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            sha256: plugin.digest(),
            bytes,
            abi: manifest.abi.clone(),
            actions: manifest.actions.clone(),
            hosts: manifest.hosts.clone(),
            credentials: manifest.credentials.clone(),
            wants: manifest.wants,
            capabilities,
            imports: plugin.imports().to_vec(),
            grant,
        }
    }
}

fn granted(effective: &Effective) -> GrantView {
    let texts = |patterns: &[crate::egress::HostPattern]| {
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    GrantView::Granted {
        hosts: texts(&effective.policy.hosts),
        credentials: effective
            .credentials
            .iter()
            .map(|(name, c)| (name.clone(), texts(&c.hosts)))
            .collect(),
        memory_bytes: effective.limits.memory_bytes,
        time_ms: effective.limits.time_ms,
        state_bytes: effective.state_bytes,
        reveal: effective.reveal,
        private: effective.policy.private.iter().map(ToString::to_string).collect(),
        http: effective.policy.http,
    }
}
