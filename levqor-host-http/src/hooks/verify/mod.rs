//! Whether a webhook was signed by who its endpoint says. Pure: bytes, secrets and a moment in, a
//! [`Proof`] or a [`Refusal`] out.
//!
//! ```text
//!  raw body, headers, URL ──scheme──▶ what was signed ──every live secret──▶ Proof | Refusal
//! ```
//! What always holds:
//! - The bytes are checked as they came; nothing is parsed before its signature holds, except the
//!   fields of a form, which are what Twilio signs.
//! - The scheme is the endpoint's. Nothing in a request chooses it, or an algorithm.
//! - A header that is missing, is there twice, or is written in another way than its vendor writes
//!   it is a refusal. So is an endpoint without a secret.
//! - Every live secret is tried to the end and compared in constant time.
//! - Where a scheme has a time, it is within the tolerance in both directions.

mod generic;
mod github;
mod mac;
mod slack;
mod standard;
mod stripe;
mod telegram;
mod twilio;

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;

use axum::http::HeaderMap;
use levqor_core::ids::ContentHash;
use levqor_core::time::Timestamp;

use generic::Algorithm;
pub(crate) use generic::Generic;
pub(crate) use mac::Keys;
pub(crate) use standard::sign as sign_standard;

use super::Scheme;
use crate::caller::secret::Plain;

/// Signatures of one header that are looked at: a sender that rotates sends two.
const SIGNATURES_MAX: usize = 8;
/// Longest id of a delivery.
const ID_LEN_MAX: usize = 128;

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Where the sender sent it: scheme, host, path and query as the vendor knows them.
    pub(crate) url: &'a str,
    pub(crate) now: Timestamp,
}

/// What a signature that holds says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The delivery's id where the scheme has one; a repetition carries the same.
    pub(crate) id: Option<String>,
    /// Hash of what was signed: the same for a repetition, whatever was done to its headers.
    pub(crate) signed: ContentHash,
}

/// Why a request is not believed. Words go into the endpoint's list, never to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    #[error("a header that the scheme needs is missing, or is there twice")]
    Missing,
    #[error("the signature is not written as the scheme writes it")]
    Malformed,
    #[error("no live secret gives this signature")]
    Wrong,
    #[error("the time it was signed at is further away than the tolerance")]
    Stale,
    #[error("the delivery's id has a character that no id has")]
    BadId,
    #[error("the endpoint has no secret that is live")]
    NoSecret,
}

impl Refusal {
    /// Stable word, for the list of what an endpoint received.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Malformed => "signature_malformed",
            Self::Wrong => "signature_wrong",
            Self::Stale => "timestamp_stale",
            Self::BadId => "id_invalid",
            Self::NoSecret => "no_secret",
        }
    }
}

/// Checks a request against every live secret of its endpoint.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn verify(
    scheme: &Scheme,
    secrets: &[Plain],
    tolerance_ms: u64,
    arrived: &Arrived<'_>,
) -> Result<Proof, Refusal> {
    let keys = Keys::of(scheme, secrets);
    if keys.is_empty() {
        return Err(Refusal::NoSecret);
    }
    match scheme {
        Scheme::Stripe => stripe::check(&keys, tolerance_ms, arrived),
        Scheme::Slack => slack::check(&keys, tolerance_ms, arrived),
        Scheme::Telegram => telegram::check(&keys, arrived),
        Scheme::Github => github::check(&keys, arrived),
        Scheme::Standard => standard::check(&keys, tolerance_ms, arrived),
        Scheme::Twilio => twilio::check(&keys, arrived),
        Scheme::Hmac(options) => generic::check(options, &keys, tolerance_ms, arrived),
    }
}

/// A header that is there once and is text.
fn header<'a>(arrived: &Arrived<'a>, name: &str) -> Result<&'a str, Refusal> {
    let mut values = arrived.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Missing),
    }
}

/// Seconds since the epoch as senders write them: digits alone, no sign, no leading zero.
fn seconds(text: &str) -> Result<u64, Refusal> {
    let plain = (1..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if !plain {
        return Err(Refusal::Malformed);
    }
    text.parse().map_err(|_| Refusal::Malformed)
}

/// Whether a moment is near enough, before or after now.
fn fresh(signed_ms: u64, tolerance_ms: u64, now: Timestamp) -> Result<(), Refusal> {
    let now = u64::try_from(now.as_millis()).unwrap_or(0);
    if now.abs_diff(signed_ms) > tolerance_ms { Err(Refusal::Stale) } else { Ok(()) }
}

/// An id that a sender chose; without the separators that signed texts are put together with.
fn checked_id(text: &str) -> Result<String, Refusal> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if (1..=ID_LEN_MAX).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::BadId)
    }
}

/// Hash of a signed text given in pieces.
fn hash_of(parts: &[&[u8]]) -> ContentHash {
    ContentHash::of(&parts.concat())
}
