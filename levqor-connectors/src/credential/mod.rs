//! Credentials: values that the host fills into requests and plugins never see.
//!
//! ```text
//!  Vault ──find(organization, name)──▶ Credential { hosts, value } ──inject──▶ Outgoing ──▶ wire
//! ```
//! A credential only ever goes to hosts that *it* lists, whatever a plugin's manifest or grant say.
//! What it is not: a vault. Vaults are behind the [`Vault`] port; a file one is in [`crate::vault`].

mod inject;
mod oauth;
mod scan;
mod secret;

use std::fmt;

use async_trait::async_trait;
use levqor_core::connector::CredentialKind;
use levqor_core::ids::Organization;

pub(crate) use inject::inject;
pub(crate) use oauth::Refresher;
pub(crate) use scan::Forms;
pub use secret::Secret;

use crate::egress::HostPattern;

/// A named secret and the hosts it may go to.
#[non_exhaustive]
pub struct Credential {
    /// The vault's name of it, `slack-workspace`.
    pub name: String,
    /// Hosts it may be sent to; nowhere when empty.
    pub hosts: Vec<HostPattern>,
    /// Its value.
    pub value: CredentialValue,
}

/// What a credential consists of.
#[expect(missing_debug_implementations, reason = "it holds secrets")]
#[non_exhaustive]
pub enum CredentialValue {
    /// One secret string.
    ApiKey {
        /// The key, token or signing secret.
        key: Secret,
    },
    /// User name and password.
    Basic {
        /// The user, not secret.
        user: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth 2 access token and what is needed to get the next one.
    Oauth2(Oauth2),
}

/// An OAuth 2 access token and what is needed to get the next one.
#[expect(missing_debug_implementations, reason = "it holds secrets")]
#[non_exhaustive]
pub struct Oauth2 {
    /// The token in use; empty before the first refresh.
    pub access_token: Secret,
    /// When it ends, in milliseconds since the Unix epoch, where known.
    pub expires_at_ms: Option<u64>,
    /// Gets the next one; without it a token that ended stays ended.
    pub refresh_token: Option<Secret>,
    /// Where to get it.
    pub token_url: Option<String>,
    /// The client's id at the vendor.
    pub client_id: Option<String>,
    /// The client's secret at the vendor.
    pub client_secret: Option<Secret>,
}

impl Oauth2 {
    /// A token that cannot be refreshed. Set the other fields for one that can.
    #[must_use]
    pub fn new(access_token: Secret) -> Self {
        Self {
            access_token,
            expires_at_ms: None,
            refresh_token: None,
            token_url: None,
            client_id: None,
            client_secret: None,
        }
    }

    pub(crate) fn can_refresh(&self) -> bool {
        self.refresh_token.is_some() && self.token_url.is_some()
    }
}

impl Credential {
    /// A credential of one secret string.
    ///
    /// ```
    /// use levqor_connectors::credential::{Credential, Secret};
    /// let key = Credential::api_key("slack-main", Secret::new("xoxb-1"), vec!["slack.com".parse()?]);
    /// assert!(!format!("{key:?}").contains("xoxb"));
    /// # Ok::<(), levqor_connectors::egress::InvalidHostPattern>(())
    /// ```
    #[must_use]
    pub fn api_key(name: impl Into<String>, key: Secret, hosts: Vec<HostPattern>) -> Self {
        Self { name: name.into(), hosts, value: CredentialValue::ApiKey { key } }
    }

    /// A credential of user name and password.
    #[must_use]
    pub fn basic(
        name: impl Into<String>,
        user: impl Into<String>,
        password: Secret,
        hosts: Vec<HostPattern>,
    ) -> Self {
        let value = CredentialValue::Basic { user: user.into(), password };
        Self { name: name.into(), hosts, value }
    }

    /// An OAuth 2 credential.
    #[must_use]
    pub fn oauth2(name: impl Into<String>, value: Oauth2, hosts: Vec<HostPattern>) -> Self {
        Self { name: name.into(), hosts, value: CredentialValue::Oauth2(value) }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self.value {
            CredentialValue::ApiKey { .. } => CredentialKind::ApiKey,
            CredentialValue::Basic { .. } => CredentialKind::Basic,
            CredentialValue::Oauth2(_) => CredentialKind::Oauth2,
        }
    }

    /// The secret that goes into requests: key, password or access token.
    pub(crate) fn primary(&self) -> &Secret {
        match &self.value {
            CredentialValue::ApiKey { key } => key,
            CredentialValue::Basic { password, .. } => password,
            CredentialValue::Oauth2(token) => &token.access_token,
        }
    }

    /// Whether it may go to `host`.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.hosts.iter().any(|p| p.matches_host(host))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("kind", &self.kind())
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Why a vault could not answer. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault's file or service cannot be reached.
    #[error("the vault cannot be reached: {0}")]
    Unavailable(String),
    /// The key is missing or is not the one the vault was written with.
    #[error("the vault's key is wrong: {0}")]
    Key(String),
    /// What stands in the vault is not what was written.
    #[error("the vault is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer version.
    #[error("the vault has format {0}, this version reads 1")]
    Format(u32),
    /// The credential itself cannot be stored.
    #[error("the credential cannot be stored: {0}")]
    Invalid(String),
}

impl VaultError {
    /// Stable code, for `levqor explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "vault.unavailable",
            Self::Key(_) => "vault.key",
            Self::Corrupt(_) => "vault.corrupt",
            Self::Format(_) => "vault.format",
            Self::Invalid(_) => "vault.invalid",
        }
    }
}

/// Where credentials are kept.
///
/// After `save` returned `Ok`, every later `find` of the same organization and name gives the new
/// value, also after a crash. Organizations never see each other's credentials.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync + 'static {
    /// The credential of this name; `None` when there is none.
    async fn find(
        &self,
        organization: &Organization,
        name: &str,
    ) -> Result<Option<Credential>, VaultError>;
    /// Stores a credential under its name, replacing what was there: refreshed tokens.
    async fn save(
        &self,
        organization: &Organization,
        credential: Credential,
    ) -> Result<(), VaultError>;
}

/// A vault with nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVault;

#[async_trait]
impl Vault for NoVault {
    async fn find(&self, _: &Organization, _: &str) -> Result<Option<Credential>, VaultError> {
        Ok(None)
    }

    async fn save(&self, _: &Organization, _: Credential) -> Result<(), VaultError> {
        Err(VaultError::Unavailable("no vault is set up".to_owned()))
    }
}
