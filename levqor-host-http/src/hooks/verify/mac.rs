//! Keyed hashes under every live secret at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Algorithm, Scheme};
use crate::caller::secret::Plain;

/// What the secrets of Standard Webhooks begin with; what follows is base 64.
const STANDARD_PREFIX: &str = "whsec_";

/// The live secrets of an endpoint as bytes. Wiped when dropped.
pub(crate) struct Keys(Vec<Zeroizing<Vec<u8>>>);

impl Keys {
    /// The secrets as their scheme uses them; those that are empty or cannot be read are left out.
    pub(crate) fn of(scheme: &Scheme, secrets: &[Plain]) -> Self {
        let keys = secrets.iter().filter_map(|secret| key(scheme, secret.reveal()));
        Self(keys.filter(|key| !key.is_empty()).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the keys gives one of the tags over the parts. All are tried, whichever fits.
    pub(super) fn hold(&self, algorithm: Algorithm, parts: &[&[u8]], tags: &[Vec<u8>]) -> bool {
        let mut fits = false;
        for key in &self.0 {
            for tag in tags {
                fits |= match algorithm {
                    Algorithm::Sha256 => tagged::<Hmac<Sha256>>(key, parts, tag),
                    Algorithm::Sha1 => tagged::<Hmac<Sha1>>(key, parts, tag),
                    Algorithm::Sha512 => tagged::<Hmac<Sha512>>(key, parts, tag),
                };
            }
        }
        fits
    }

    /// The HMAC-SHA-256 of the parts under each key, in base 64.
    pub(super) fn tags_sha256(&self, parts: &[&[u8]]) -> Vec<String> {
        let tag = |key: &Zeroizing<Vec<u8>>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            parts.iter().for_each(|part| mac.update(part));
            Some(STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().filter_map(tag).collect()
    }

    /// Whether one of the keys is this text itself.
    pub(super) fn are(&self, text: &str) -> bool {
        let mut fits = false;
        for key in &self.0 {
            fits |= bool::from(key.as_slice().ct_eq(text.as_bytes()));
        }
        fits
    }
}

fn key(scheme: &Scheme, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    match scheme {
        Scheme::Standard => {
            let body = text.strip_prefix(STANDARD_PREFIX).unwrap_or(text);
            STANDARD.decode(body).ok().map(Zeroizing::new)
        }
        _ => Some(Zeroizing::new(text.as_bytes().to_vec())),
    }
}

fn tagged<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}

/// Hexadecimal in small letters, as vendors write it; another spelling is another text.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let small = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(small) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Base 64 with padding, in its one canonical spelling.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}
