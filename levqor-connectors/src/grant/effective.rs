//! [`Effective`]: what a plugin may really do, its manifest **and** its grant. Pure.

use std::collections::BTreeMap;
use std::fmt;

use levqor_core::connector::Manifest;
use levqor_core::ids::ContentHash;

use super::file::Grant;
use crate::egress::{HostPattern, Policy};
use crate::limits;
use crate::sandbox::CallLimits;

/// State a built-in plugin may keep where the operator does not say.
const STATE_BYTES_BUILTIN: u64 = 1024 * 1024;

/// Where a plugin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Compiled into this program: reviewed with it, and granted its manifest's named hosts.
    Builtin,
    /// A file the operator put there: granted nothing by itself.
    Folder,
}

/// What a plugin may really do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Effective {
    /// Which requests it may make.
    pub policy: Policy,
    /// Which credentials it may use, by the manifest's name.
    pub credentials: BTreeMap<String, EffectiveCredential>,
    /// Memory and time of one call.
    pub limits: CallLimits,
    /// Bytes of state for each organization; 0 is none.
    pub state_bytes: u64,
    /// Whether it may read the values of its credentials.
    pub reveal: bool,
    /// Its configuration as JSON.
    pub config: String,
}

/// A credential a plugin may use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EffectiveCredential {
    /// Hosts it may go to, as far as the credential itself lists them too.
    pub hosts: Vec<HostPattern>,
    /// The vault's name of it where the operator fixed one.
    pub vault: Option<String>,
    /// Whether it is the manifest's first, the one that a document names.
    pub is_first: bool,
}

/// One thing a plugin asks for and is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// The file is not the one that was granted.
    Changed {
        /// What the grant is for.
        granted: ContentHash,
        /// What the file is.
        found: ContentHash,
    },
    /// The grant is not pinned to a file.
    NotPinned {
        /// What the file is.
        found: ContentHash,
    },
    /// A host.
    Host(String),
    /// A credential it cannot work without.
    Credential(String),
    /// Durable state.
    State,
    /// Reading secrets.
    Reveal,
    /// The manifest or the grant holds something that cannot be used.
    Invalid(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { granted, found } => {
                write!(f, "- sha256 = \"{granted}\"\n+ sha256 = \"{found}\"  (the file changed)")
            }
            Self::NotPinned { found } => write!(f, "+ sha256 = \"{found}\"  (pin the file)"),
            Self::Host(host) => write!(f, "+ hosts: {host}"),
            Self::Credential(name) => write!(f, "+ credentials: {name}"),
            Self::State => f.write_str("+ state"),
            Self::Reveal => f.write_str("+ reveal"),
            Self::Invalid(what) => write!(f, "! {what}"),
        }
    }
}

/// A plugin that asks for more than it is granted, or that is not the file that was granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` is blocked:\n{}\nto allow it, write to plugins.toml:\n{suggestion}", lines(.lacks))]
pub struct Blocked {
    /// Its name.
    pub plugin: String,
    /// What is missing.
    pub lacks: Vec<Lack>,
    /// A grant that would allow all it asks for, as TOML.
    pub suggestion: String,
}

impl Blocked {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "plugin.blocked"
    }
}

fn lines(lacks: &[Lack]) -> String {
    lacks.iter().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

impl Effective {
    /// What the plugin `manifest` in the file `found` may do under `grant`.
    ///
    /// # Errors
    /// [`Blocked`], with everything that is missing and the grant that would do.
    pub fn of(
        manifest: &Manifest,
        found: ContentHash,
        origin: Origin,
        grant: Option<&Grant>,
    ) -> Result<Self, Blocked> {
        let default = Grant::default();
        let given = grant.unwrap_or(&default);
        let (lacks, parts) = compare(manifest, found, origin, grant);
        if !lacks.is_empty() {
            let suggestion = suggest(manifest, found, origin, given);
            return Err(Blocked { plugin: manifest.name.clone(), lacks, suggestion });
        }
        let memory = given.memory.unwrap_or(limits::MEMORY_BYTES_MAX as u64);
        let time_max = levqor_core::limits::CALL_MS_MAX;
        Ok(Self {
            policy: Policy {
                wishes: parts.wishes,
                hosts: parts.hosts,
                http: given.http,
                ports: given.ports.clone(),
                private: given.private.clone(),
            },
            credentials: parts.credentials,
            limits: CallLimits {
                memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
                time_ms: given.timeout.unwrap_or(time_max).min(time_max),
            },
            state_bytes: parts.state_bytes,
            reveal: manifest.wants.reveal_secrets && given.reveal,
            config: serde_json::to_string(&given.config).unwrap_or_else(|_| "{}".to_owned()),
        })
    }
}

/// Manifest and grant, each in its parsed form.
struct Parts {
    wishes: Vec<HostPattern>,
    hosts: Vec<HostPattern>,
    credentials: BTreeMap<String, EffectiveCredential>,
    state_bytes: u64,
}

/// Everything the manifest asks for that is not granted, and what is.
fn compare(
    manifest: &Manifest,
    found: ContentHash,
    origin: Origin,
    grant: Option<&Grant>,
) -> (Vec<Lack>, Parts) {
    let default = Grant::default();
    let given = grant.unwrap_or(&default);
    let mut lacks = Vec::new();
    match given.sha256 {
        Some(granted) if granted != found => lacks.push(Lack::Changed { granted, found }),
        None if origin == Origin::Folder && asks(manifest) => {
            lacks.push(Lack::NotPinned { found });
        }
        _ => {}
    }
    if given.memory.is_some_and(|m| m > limits::MEMORY_BYTES_MAX as u64) {
        lacks.push(Lack::Invalid("memory: \"64MiB\" is the most".to_owned()));
    }
    let mut wishes = Vec::new();
    for host in &manifest.hosts {
        match host.parse() {
            Ok(pattern) => wishes.push(pattern),
            Err(e) => lacks.push(Lack::Invalid(format!("manifest: {e}"))),
        }
    }
    let hosts = given.hosts.clone().unwrap_or_else(|| default_hosts(origin, &wishes));
    // A built-in plugin without a grant runs with its safe default, whatever else it can use.
    let partial = given.partial || (origin == Origin::Builtin && grant.is_none());
    // A manifest with `*` takes whatever the operator gives.
    if !partial && !wishes.iter().any(HostPattern::is_any) {
        let missing = wishes.iter().filter(|w| !hosts.iter().any(|h| h.covers(w)));
        lacks.extend(missing.map(|w| Lack::Host(w.to_string())));
    }
    let credentials = credentials(manifest, origin, given, &hosts);
    for wanted in manifest.credentials.iter().filter(|c| c.required && !partial) {
        if !credentials.contains_key(&wanted.name) {
            lacks.push(Lack::Credential(wanted.name.clone()));
        }
    }
    let builtin = if origin == Origin::Builtin { STATE_BYTES_BUILTIN } else { 0 };
    let state_bytes = if manifest.wants.state { given.state.unwrap_or(builtin) } else { 0 };
    if manifest.wants.state && state_bytes == 0 && !partial {
        lacks.push(Lack::State);
    }
    if manifest.wants.reveal_secrets && !given.reveal && !partial {
        lacks.push(Lack::Reveal);
    }
    (lacks, Parts { wishes, hosts, credentials, state_bytes })
}

/// Whether a manifest asks for anything but processor and memory.
fn asks(manifest: &Manifest) -> bool {
    !manifest.hosts.is_empty()
        || !manifest.credentials.is_empty()
        || manifest.wants.state
        || manifest.wants.reveal_secrets
}

/// A built-in plugin may reach the hosts it names; `*` is never given by itself.
fn default_hosts(origin: Origin, wishes: &[HostPattern]) -> Vec<HostPattern> {
    match origin {
        Origin::Builtin => wishes.iter().filter(|w| !w.is_any()).cloned().collect(),
        Origin::Folder => Vec::new(),
    }
}

fn credentials(
    manifest: &Manifest,
    origin: Origin,
    grant: &Grant,
    hosts: &[HostPattern],
) -> BTreeMap<String, EffectiveCredential> {
    let mut all = BTreeMap::new();
    for (i, wanted) in manifest.credentials.iter().enumerate() {
        let (hosts, vault) = match &grant.credentials {
            Some(given) => match given.get(&wanted.name) {
                Some(one) => (one.hosts.clone(), one.vault.clone()),
                None => continue,
            },
            // The credential's own list of hosts still decides.
            None if origin == Origin::Builtin => (hosts.to_vec(), None),
            None => continue,
        };
        let effective = EffectiveCredential { hosts, vault, is_first: i == 0 };
        all.insert(wanted.name.clone(), effective);
    }
    all
}

/// A grant for all the manifest asks for, as TOML to paste.
fn suggest(manifest: &Manifest, found: ContentHash, origin: Origin, given: &Grant) -> String {
    let quoted =
        |items: &[String]| items.iter().map(|h| format!("{h:?}")).collect::<Vec<_>>().join(", ");
    let mut text = format!("[grant.{}]\n", manifest.name);
    if origin == Origin::Folder || given.sha256.is_some() {
        text.push_str(&format!("sha256 = \"{found}\"\n"));
    }
    if !manifest.hosts.is_empty() {
        text.push_str(&format!("hosts = [{}]\n", quoted(&manifest.hosts)));
    }
    if !manifest.credentials.is_empty() {
        let hosts = quoted(&manifest.hosts);
        let each: Vec<String> =
            manifest.credentials.iter().map(|c| format!("{} = [{hosts}]", c.name)).collect();
        text.push_str(&format!("credentials = {{ {} }}\n", each.join(", ")));
    }
    if manifest.wants.state {
        text.push_str("state = \"1MiB\"\n");
    }
    if manifest.wants.reveal_secrets {
        text.push_str("reveal = true  # it reads the secrets' values itself\n");
    }
    text
}

#[cfg(test)]
mod tests;
