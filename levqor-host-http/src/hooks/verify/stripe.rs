//! Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]` over `t.body`.
//!
//! `v0` and every other version are left aside; any `v1` may be the one (their secret rotates too).
//! The event's id stands in the body and survives Stripe's own repetitions, which are signed anew.

use super::mac::{Keys, hex};
use super::{Algorithm, Arrived, Proof, Refusal, SIGNATURES_MAX, fresh, hash_of, header, seconds};

pub(super) fn check(
    keys: &Keys,
    tolerance_ms: u64,
    arrived: &Arrived<'_>,
) -> Result<Proof, Refusal> {
    let (mut time, mut tags) = (None, Vec::new());
    for item in header(arrived, "stripe-signature")?.split(',') {
        match item.split_once('=').ok_or(Refusal::Malformed)? {
            ("t", text) if time.is_none() => time = Some(text),
            ("t", _) => return Err(Refusal::Malformed),
            ("v1", text) => tags.push(hex(text).ok_or(Refusal::Malformed)?),
            _ => {}
        }
    }
    let time = time.ok_or(Refusal::Malformed)?;
    let signed_s = seconds(time)?;
    if tags.is_empty() || tags.len() > SIGNATURES_MAX {
        return Err(Refusal::Malformed);
    }
    let signed = [time.as_bytes(), b".", arrived.body];
    if !keys.hold(Algorithm::Sha256, &signed, &tags) {
        return Err(Refusal::Wrong);
    }
    fresh(signed_s.saturating_mul(1_000), tolerance_ms, arrived.now)?;
    Ok(Proof { id: None, signed: hash_of(&signed) })
}
