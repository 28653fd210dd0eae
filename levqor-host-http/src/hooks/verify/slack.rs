//! Slack: `X-Slack-Signature: v0=<hex>` over `v0:timestamp:body`.

use super::mac::{Keys, hex};
use super::{Algorithm, Arrived, Proof, Refusal, fresh, hash_of, header, seconds};

pub(super) fn check(
    keys: &Keys,
    tolerance_ms: u64,
    arrived: &Arrived<'_>,
) -> Result<Proof, Refusal> {
    let signature = header(arrived, "x-slack-signature")?;
    let time = header(arrived, "x-slack-request-timestamp")?;
    let signed_s = seconds(time)?;
    let tag = signature.strip_prefix("v0=").and_then(hex).ok_or(Refusal::Malformed)?;
    let signed = [b"v0:", time.as_bytes(), b":", arrived.body];
    if !keys.hold(Algorithm::Sha256, &signed, &[tag]) {
        return Err(Refusal::Wrong);
    }
    fresh(signed_s.saturating_mul(1_000), tolerance_ms, arrived.now)?;
    Ok(Proof { id: None, signed: hash_of(&signed) })
}
