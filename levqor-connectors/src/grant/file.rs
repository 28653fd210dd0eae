//! [`Grants`]: `plugins.toml` as the operator wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;
use levqor_core::ids::ContentHash;
use serde::{Deserialize, Deserializer};

use crate::egress::HostPattern;
use crate::text::{parse_bytes, parse_duration_ms};

/// What the operator allows, by plugin.
///
/// ```
/// use levqor_connectors::grant::Grants;
/// let grants = Grants::parse(r#"
///     [grant.slack]
///     hosts = ["slack.com"]
///     credentials = { bot_token = ["slack.com"] }
///     timeout = "30s"
/// "#)?;
/// assert!(grants.get("slack").is_some());
/// # Ok::<(), levqor_connectors::grant::GrantError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    #[serde(default)]
    grant: BTreeMap<String, Grant>,
}

/// What the operator allows one plugin. Absent means no, but for a built-in one its safe default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Grant {
    /// The file this grant is for; another file is blocked.
    #[serde(default, deserialize_with = "digest")]
    pub sha256: Option<ContentHash>,
    /// Hosts it may reach, as far as its manifest asks for them.
    pub hosts: Option<Vec<HostPattern>>,
    /// Ports on every host beside 443 (and 80 with `http`).
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Whether plain `http:` is allowed.
    #[serde(default)]
    pub http: bool,
    /// Networks that may be reached although they are not public: `["10.0.0.0/8"]`.
    #[serde(default, deserialize_with = "networks")]
    pub private: Vec<IpNet>,
    /// Credentials it may use, by the manifest's name.
    pub credentials: Option<BTreeMap<String, CredentialGrant>>,
    /// Memory of one call, `"64MiB"` at most.
    #[serde(default, deserialize_with = "bytes")]
    pub memory: Option<u64>,
    /// Time of one call, `"30s"`.
    #[serde(default, deserialize_with = "duration")]
    pub timeout: Option<u64>,
    /// Durable state it may keep for each organization, `"1MiB"`.
    #[serde(default, deserialize_with = "bytes")]
    pub state: Option<u64>,
    /// Whether it may read the value of the credentials it may use.
    #[serde(default)]
    pub reveal: bool,
    /// Whether it may run with less than its manifest asks for.
    #[serde(default)]
    pub partial: bool,
    /// What the plugin reads as its configuration; never a secret.
    #[serde(default)]
    pub config: toml::Table,
}

/// A credential a plugin may use: the hosts it may go to, and its name in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "CredentialForm")]
#[non_exhaustive]
pub struct CredentialGrant {
    /// Hosts it may go to (and that the credential itself lists).
    pub hosts: Vec<HostPattern>,
    /// Its name in the vault, where the document gives none.
    pub vault: Option<String>,
}

/// `["slack.com"]`, or `{ hosts = ["slack.com"], vault = "slack-main" }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of hosts, or { hosts = [..], vault = \"..\" }")]
enum CredentialForm {
    Hosts(Vec<HostPattern>),
    Full(CredentialFull),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialFull {
    hosts: Vec<HostPattern>,
    vault: Option<String>,
}

impl From<CredentialForm> for CredentialGrant {
    fn from(form: CredentialForm) -> Self {
        match form {
            CredentialForm::Hosts(hosts) => Self { hosts, vault: None },
            CredentialForm::Full(CredentialFull { hosts, vault }) => Self { hosts, vault },
        }
    }
}

/// Why `plugins.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or not grants; the text shows the line.
    #[error("the grants cannot be read: {0}")]
    Parse(String),
}

impl GrantError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "grant.read",
            Self::Parse(_) => "grant.parse",
        }
    }
}

impl Grants {
    /// The grants in `text`.
    ///
    /// # Errors
    /// [`GrantError::Parse`] with the line that is wrong; unknown keys are errors.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        toml::from_str(text).map_err(|e| GrantError::Parse(e.to_string()))
    }

    /// The grants in the file `path`; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn load(path: &Path) -> Result<Self, GrantError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text)
                .map_err(|e| GrantError::Parse(format!("{}: {e}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(GrantError::Read { path: path.display().to_string(), source }),
        }
    }

    /// The grant of one plugin.
    #[must_use]
    pub fn get(&self, plugin: &str) -> Option<&Grant> {
        self.grant.get(plugin)
    }

    /// Adds or replaces a grant, for embedders that have no file.
    #[must_use]
    pub fn with(mut self, plugin: impl Into<String>, grant: Grant) -> Self {
        self.grant.insert(plugin.into(), grant);
        self
    }

    /// Names of the plugins with a grant.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.grant.keys().map(String::as_str)
    }
}

fn digest<'de, D: Deserializer<'de>>(d: D) -> Result<Option<ContentHash>, D::Error> {
    let text = String::deserialize(d)?;
    let text = text.strip_prefix("sha256:").unwrap_or(&text).to_ascii_lowercase();
    let wrong = |_| serde::de::Error::custom("sha256 is 64 hexadecimal digits");
    text.parse().map(Some).map_err(wrong)
}

fn networks<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let wrong = |_| {
            serde::de::Error::custom(format!(
                "private: `{text}` is no network; write \"10.0.0.0/8\""
            ))
        };
        text.parse().map_err(wrong)
    };
    Vec::<String>::deserialize(d)?.into_iter().map(read).collect()
}

fn bytes<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(d)?;
    let wrong = || serde::de::Error::custom(format!("`{text}` is not a size; write \"64MiB\""));
    parse_bytes(&text).map(Some).ok_or_else(wrong)
}

fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(d)?;
    let wrong = || serde::de::Error::custom(format!("`{text}` is not a duration; write \"30s\""));
    parse_duration_ms(&text).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_written() {
        let grants = Grants::parse(
            r#"
            [grant.mine]
            sha256 = "SHA"
            hosts = ["a.com", "*.b.com", "127.0.0.1:*"]
            ports = [8443]
            http = true
            private = ["127.0.0.0/8", "::1/128"]
            credentials = { one = ["a.com"], two = { hosts = ["b.com"], vault = "b-main" } }
            memory = "32MiB"
            timeout = "1m30s"
            state = "1MiB"
            reveal = true
            partial = true
            config = { base = "https://a.com", n = 3 }
            "#
            .replace("SHA", &"ab".repeat(32))
            .as_str(),
        )
        .unwrap();
        let grant = grants.get("mine").unwrap();
        assert_eq!(
            (grant.memory, grant.timeout, grant.state),
            (Some(32 << 20), Some(90_000), Some(1 << 20))
        );
        assert_eq!(grant.credentials.as_ref().unwrap()["two"].vault.as_deref(), Some("b-main"));
        assert!(grants.get("other").is_none());
    }

    #[test]
    fn mistakes_are_errors_that_name_them() {
        let table = [
            ("[grant.a]\nhost = []", "host"),
            ("[grants.a]", "grants"),
            ("[grant.a]\nmemory = \"lots\"", "64MiB"),
            ("[grant.a]\ntimeout = \"30\"", "30s"),
            ("[grant.a]\nhosts = [\"https://a.com\"]", "not a host"),
            ("[grant.a]\nprivate = [\"10.0.0.0/99\"]", "private"),
            ("[grant.a]\nsha256 = \"abc\"", "64 hexadecimal"),
            ("[grant.a]\ncredentials = { x = 1 }", "hosts"),
            ("[grant.a", "line 1"),
        ];
        for (text, needle) in table {
            let error = Grants::parse(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }

    #[test]
    fn no_file_is_no_grant() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Grants::load(&dir.path().join("plugins.toml")).unwrap(), Grants::default());
        assert!(matches!(Grants::load(dir.path()), Err(GrantError::Read { .. })));
    }
}
