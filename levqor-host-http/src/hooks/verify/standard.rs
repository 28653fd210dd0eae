//! Standard Webhooks: `v1,<base64>` in a list, over `id.timestamp.body`.
//!
//! The headers are `webhook-id`, `webhook-timestamp`, `webhook-signature`, or the same under `svix-`,
//! as Svix named them first. One family is read, never a mixture.

use super::mac::{Keys, base64};
use super::{
    Algorithm, Arrived, Proof, Refusal, SIGNATURES_MAX, checked_id, fresh, hash_of, header, seconds,
};
use crate::caller::secret::Plain;
use crate::hooks::Scheme;

const NAMES: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX_NAMES: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

pub(super) fn check(
    keys: &Keys,
    tolerance_ms: u64,
    arrived: &Arrived<'_>,
) -> Result<Proof, Refusal> {
    let ours = NAMES.iter().any(|name| arrived.headers.contains_key(*name));
    let [id, time, signatures] = if ours { NAMES } else { SVIX_NAMES };
    let (id, time) = (header(arrived, id)?, header(arrived, time)?);
    let signatures = header(arrived, signatures)?;
    let (id, signed_s) = (checked_id(id)?, seconds(time)?);
    // Other versions (`v1a` is asymmetric) are another scheme and no help to this one.
    let ours = signatures.split(' ').filter_map(|item| item.strip_prefix("v1,"));
    let tags = ours.map(base64).collect::<Option<Vec<_>>>().ok_or(Refusal::Malformed)?;
    if tags.is_empty() || tags.len() > SIGNATURES_MAX {
        return Err(Refusal::Malformed);
    }
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", arrived.body];
    if !keys.hold(Algorithm::Sha256, &signed, &tags) {
        return Err(Refusal::Wrong);
    }
    fresh(signed_s.saturating_mul(1_000), tolerance_ms, arrived.now)?;
    Ok(Proof { signed: hash_of(&signed), id: Some(id) })
}

/// The value of `webhook-signature` under these secrets: one signature for each, newest first.
pub(crate) fn sign(secrets: &[Plain], id: &str, time: &str, body: &[u8]) -> String {
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    let tags = Keys::of(&Scheme::Standard, secrets).tags_sha256(&signed);
    tags.iter().map(|tag| format!("v1,{tag}")).collect::<Vec<_>>().join(" ")
}
