//! GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body, `X-GitHub-Delivery` as the id.
//!
//! The SHA-1 header beside it is not looked at. GitHub signs neither a time nor the delivery's id:
//! who holds a signed body can send it again under another id. Two deliveries can honestly have
//! equal bodies, so the id decides; what must happen once only is the pipeline's `dedupe_key`.

use super::mac::{Keys, hex};
use super::{Algorithm, Arrived, Proof, Refusal, checked_id, hash_of, header};

pub(super) fn check(keys: &Keys, arrived: &Arrived<'_>) -> Result<Proof, Refusal> {
    let signature = header(arrived, "x-hub-signature-256")?;
    let id = header(arrived, "x-github-delivery")?;
    let tag = signature.strip_prefix("sha256=").and_then(hex).ok_or(Refusal::Malformed)?;
    if !keys.hold(Algorithm::Sha256, &[arrived.body], &[tag]) {
        return Err(Refusal::Wrong);
    }
    Ok(Proof { id: Some(checked_id(id)?), signed: hash_of(&[arrived.body]) })
}
