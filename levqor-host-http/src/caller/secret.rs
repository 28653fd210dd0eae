//! Secrets that the host makes: 256 random bits, stored as their SHA-256, compared in constant time.
//!
//! A digest without salt or stretching is right here and wrong for passwords: nobody guesses 256
//! random bits.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The host's source of chance for whatever is secret; ids, which are not, have the engine's.
pub(crate) struct Random;

impl Random {
    /// `N` random bytes from the operating system.
    #[expect(clippy::expect_used, reason = "without the system's random source nothing is safe")]
    pub(crate) fn bytes<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}

/// A secret in plain text, shown once. Never printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct Plain(Zeroizing<String>);

impl Plain {
    /// A new one: 43 characters of `A-Z a-z 0-9 - _`.
    #[must_use]
    pub fn make() -> Self {
        let bytes = Zeroizing::new(Random::bytes::<32>());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// One that somebody sent.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text. Hand it to the one it is for, and to nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

/// What is stored of a secret: its SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// The digest of a secret's text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(text.as_bytes())))
    }

    /// Whether `text` is the secret; takes the same time whatever differs.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.equals(&Self::of(text))
    }

    /// Whether both are digests of the same secret; takes the same time whatever differs.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The digest's text: also a key to look a secret up by, where it is its own id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_digest_only() {
        let secret = Plain::make();
        assert_eq!(secret.reveal().len(), 43);
        assert!(secret.digest().matches(secret.reveal()));
        assert!(!secret.digest().matches(Plain::make().reveal()));
        assert!(!format!("{secret:?}").contains(secret.reveal()));
        assert!(!secret.digest().as_str().contains(secret.reveal()));
    }
}
