//! [`Nonce`]: what a page's own scripts carry, and a script that was smuggled in does not.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller::secret::Random;

/// 128 random bits, for one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one.
    #[must_use]
    pub fn make() -> Self {
        Self(URL_SAFE_NO_PAD.encode(Random::bytes::<16>()))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
