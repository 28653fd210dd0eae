//! Signing secrets: made, sealed in the vault, opened to check a signature.
//!
//! They stand in their organization's part of the vault under a reserved name and list no host, so
//! that no connector can send one anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use levqor_connectors::credential::{Credential, CredentialValue, Secret, VaultError};
use levqor_connectors::vault::FileVault;
use levqor_core::ids::Organization;
use zeroize::Zeroizing;

use super::Scheme;
use super::endpoint::SealedSecret;
use crate::caller::secret::{Plain, Random};
use crate::http::Problem;

/// What the vault's names of signing secrets begin with.
pub(crate) const RESERVED: &str = "webhook.";
/// Fewest characters of a secret that somebody brings: what can be guessed signs nothing.
pub(crate) const SECRET_LEN_MIN: usize = 16;
/// Most: Telegram's own limit, over everybody else's.
pub(crate) const SECRET_LEN_MAX: usize = 256;
/// Bytes of a secret of Standard Webhooks: the specification has 24 to 64.
const STANDARD_BYTES: usize = 32;
const STANDARD_BYTES_MIN: usize = 16;

/// Whether a name in the vault is a signing secret's, and nobody else's to read or set.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// A new secret, written as senders of this scheme take it.
pub(crate) fn make(scheme: &Scheme) -> Plain {
    match scheme {
        Scheme::Standard => {
            let bytes = Zeroizing::new(Random::bytes::<STANDARD_BYTES>());
            let text = Zeroizing::new(format!("whsec_{}", STANDARD.encode(bytes.as_slice())));
            Plain::of(&text)
        }
        _ => Plain::make(),
    }
}

/// Whether somebody's own secret can be used.
pub(crate) fn check(scheme: &Scheme, secret: &str) -> Result<(), Problem> {
    let invalid = |why: &str| Err(Problem::invalid("webhook.secret", why));
    let length = SECRET_LEN_MIN..=SECRET_LEN_MAX;
    if !length.contains(&secret.len()) || !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return invalid("a secret is 16 to 256 visible characters");
    }
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match scheme {
        Scheme::Telegram if !secret.bytes().all(token) => {
            invalid("a Telegram secret is made of A-Z a-z 0-9 _ -")
        }
        Scheme::Standard => {
            let body = secret.strip_prefix("whsec_").unwrap_or(secret);
            match STANDARD.decode(body) {
                Ok(bytes) if bytes.len() >= STANDARD_BYTES_MIN => Ok(()),
                _ => invalid(
                    "a secret of Standard Webhooks is `whsec_` and base 64 of 16 bytes or more",
                ),
            }
        }
        _ => Ok(()),
    }
}

/// Seals a secret; durable on `Ok`.
pub(crate) fn seal(
    vault: &FileVault,
    organization: &Organization,
    id: &str,
    secret: &Plain,
) -> Result<(), Problem> {
    let name = format!("{RESERVED}{id}");
    let credential = Credential::api_key(name, Secret::new(secret.reveal()), Vec::new());
    vault.set(organization, &credential).map_err(unavailable)
}

/// Removes secrets that no record names any more. What stays behind by accident is sealed still.
pub(crate) fn forget(vault: &FileVault, organization: &Organization, secrets: &[SealedSecret]) {
    for secret in secrets {
        if let Err(error) = vault.remove(organization, &format!("{RESERVED}{}", secret.id)) {
            tracing::warn!(code = error.code(), "a signing secret stays in the vault");
        }
    }
}

/// Opens a sealed secret.
pub(crate) fn open(
    vault: &FileVault,
    organization: &Organization,
    id: &str,
) -> Result<Option<Plain>, Problem> {
    named(vault, organization, &format!("{RESERVED}{id}"))
}

/// The value of the organization's vault entry of this name.
pub(crate) fn named(
    vault: &FileVault,
    organization: &Organization,
    name: &str,
) -> Result<Option<Plain>, Problem> {
    let found = vault.get(organization, name).map_err(unavailable)?;
    Ok(found.and_then(|credential| match credential.value {
        CredentialValue::ApiKey { key } => Some(Plain::of(key.expose())),
        CredentialValue::Basic { password, .. } => Some(Plain::of(password.expose())),
        _ => None,
    }))
}

fn unavailable(error: VaultError) -> Problem {
    tracing::error!(code = error.code(), %error, "the vault cannot be used");
    let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, error.code(), "the vault cannot be used; nothing was changed")
        .retry_after(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_are_made_can_be_used_and_weak_ones_cannot() {
        for scheme in [Scheme::Standard, Scheme::Telegram, Scheme::Github] {
            let made = make(&scheme);
            check(&scheme, made.reveal()).unwrap();
            assert_ne!(made.reveal(), make(&scheme).reveal());
        }
        assert!(make(&Scheme::Standard).reveal().starts_with("whsec_"));
        let long = "x".repeat(257);
        for (scheme, secret, good) in [
            (Scheme::Stripe, "whsec_0123456789abcdef", true),
            (Scheme::Stripe, "short", false),
            (Scheme::Stripe, &*long, false),
            (Scheme::Stripe, "0123456789 abcdef", false),
            (Scheme::Telegram, "0123456789abcde.", false),
            (Scheme::Standard, "whsec_not base 64 at all", false),
            (Scheme::Standard, "whsec_c2hvcnQtb25lLi4=", false),
            (Scheme::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            (Scheme::Standard, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
        ] {
            assert_eq!(check(&scheme, secret).is_ok(), good, "{secret}");
        }
    }
}
