//! One sealed credential as it stands in the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use levqor_core::connector::CredentialKind;
use levqor_core::ids::Organization;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::VaultKey;
use crate::credential::{Credential, CredentialValue, Oauth2, Secret, VaultError};
use crate::egress::HostPattern;

/// What everybody may read, and what nobody may change without the seal breaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    pub(super) organization: Organization,
    pub(super) name: String,
    /// Counts the values this name has had.
    pub(super) version: u64,
    pub(super) kind: CredentialKind,
    pub(super) hosts: Vec<HostPattern>,
}

/// A label and the sealed value under it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    pub(super) label: Label,
    nonce: String,
    sealed: String,
}

/// The value inside, borrowed for writing.
#[derive(Serialize, Deserialize)]
struct Inside<'a> {
    #[serde(borrow)]
    secret: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_url: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<std::borrow::Cow<'a, str>>,
}

impl Envelope {
    /// Seals `credential` as this version of its name.
    pub(super) fn seal(
        key: &VaultKey,
        organization: &Organization,
        version: u64,
        credential: &Credential,
    ) -> Result<Self, VaultError> {
        let label = Label {
            organization: organization.clone(),
            name: credential.name.clone(),
            version,
            kind: credential.kind(),
            hosts: credential.hosts.clone(),
        };
        let fail = |what: &str| VaultError::Unavailable(what.to_owned());
        let mut nonce = [0_u8; 24];
        getrandom::fill(&mut nonce).map_err(|_| fail("no random numbers"))?;
        let plain = write(credential).ok_or_else(|| fail("the value cannot be written"))?;
        let sealed = cipher(key, organization)?
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad(&label)? })
            .map_err(|_| fail("the value cannot be sealed"))?;
        Ok(Self { label, nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(sealed) })
    }

    /// Opens it; fails when label or value are not what was sealed.
    pub(super) fn open(&self, key: &VaultKey) -> Result<Credential, VaultError> {
        let label = &self.label;
        let broken =
            || VaultError::Corrupt(format!("`{}` does not open with this key", label.name));
        let nonce = STANDARD.decode(&self.nonce).map_err(|_| broken())?;
        let nonce = <[u8; 24]>::try_from(nonce.as_slice()).map_err(|_| broken())?;
        let sealed = STANDARD.decode(&self.sealed).map_err(|_| broken())?;
        let plain = cipher(key, &label.organization)?
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad(label)? })
            .map_err(|_| broken())?;
        read(label, &Zeroizing::new(plain)).ok_or_else(broken)
    }
}

fn cipher(key: &VaultKey, of: &Organization) -> Result<XChaCha20Poly1305, VaultError> {
    XChaCha20Poly1305::new_from_slice(&*key.for_organization(of))
        .map_err(|_| VaultError::Key("not 32 bytes".to_owned()))
}

/// The label as the bytes that the seal covers.
fn aad(label: &Label) -> Result<Vec<u8>, VaultError> {
    let bytes = serde_json::to_vec(&("levqor vault 1", label));
    bytes.map_err(|e| VaultError::Corrupt(e.to_string()))
}

fn write(credential: &Credential) -> Option<Zeroizing<Vec<u8>>> {
    let mut inside = Inside {
        secret: credential.primary().expose().into(),
        user: None,
        expires_at_ms: None,
        refresh_token: None,
        token_url: None,
        client_id: None,
        client_secret: None,
    };
    match &credential.value {
        CredentialValue::ApiKey { .. } => {}
        CredentialValue::Basic { user, .. } => inside.user = Some(user.into()),
        CredentialValue::Oauth2(token) => {
            inside.expires_at_ms = token.expires_at_ms;
            inside.refresh_token = token.refresh_token.as_ref().map(|s| s.expose().into());
            inside.token_url = token.token_url.as_ref().map(Into::into);
            inside.client_id = token.client_id.as_ref().map(Into::into);
            inside.client_secret = token.client_secret.as_ref().map(|s| s.expose().into());
        }
    }
    serde_json::to_vec(&inside).ok().map(Zeroizing::new)
}

fn read(label: &Label, plain: &[u8]) -> Option<Credential> {
    let inside: Inside<'_> = serde_json::from_slice(plain).ok()?;
    let secret = Secret::new(inside.secret);
    let value = match label.kind {
        CredentialKind::ApiKey => CredentialValue::ApiKey { key: secret },
        CredentialKind::Basic => {
            CredentialValue::Basic { user: inside.user?.into_owned(), password: secret }
        }
        CredentialKind::Oauth2 => CredentialValue::Oauth2(Oauth2 {
            access_token: secret,
            expires_at_ms: inside.expires_at_ms,
            refresh_token: inside.refresh_token.map(Secret::new),
            token_url: inside.token_url.map(Into::into),
            client_id: inside.client_id.map(Into::into),
            client_secret: inside.client_secret.map(Secret::new),
        }),
        _ => return None,
    };
    Some(Credential { name: label.name.clone(), hosts: label.hosts.clone(), value })
}
