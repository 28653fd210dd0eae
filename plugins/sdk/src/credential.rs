//! [`Credential`]: what requests name and the host fills in.

use crate::manifest::{CredentialKind, CredentialManifest};

/// A credential requests can name: `Credential::api_key("bot_token").required()`.
#[derive(Clone, Debug)]
pub struct Credential(pub(crate) CredentialManifest);

impl Credential {
    /// One secret string: a token or an API key.
    #[must_use]
    pub fn api_key(name: &'static str) -> Self {
        Self::of(name, CredentialKind::ApiKey)
    }

    /// A user name and a password.
    #[must_use]
    pub fn basic(name: &'static str) -> Self {
        Self::of(name, CredentialKind::Basic)
    }

    /// An OAuth 2 access token; the host refreshes it.
    #[must_use]
    pub fn oauth2(name: &'static str) -> Self {
        Self::of(name, CredentialKind::Oauth2)
    }

    /// The scopes it needs, shown to the one who connects it.
    #[must_use]
    pub fn scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.0.scopes = scopes;
        self
    }

    /// Calls fail without it, before anything is sent.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.0.required = true;
        self
    }

    fn of(name: &'static str, kind: CredentialKind) -> Self {
        Self(CredentialManifest { name, kind, scopes: &[], required: false })
    }
}
