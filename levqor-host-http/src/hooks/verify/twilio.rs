//! Twilio: `X-Twilio-Signature: <base64 HMAC-SHA1>` over the URL and the form's fields by name.
//!
//! A body that is no form is bound by its SHA-256 in the URL (`bodySHA256`), which is signed. Twilio
//! counts the port to the URL or not, so both spellings are tried. There is no time in it.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::mac::{Keys, base64, hex};
use super::{Algorithm, Arrived, Proof, Refusal, hash_of, header};

pub(super) fn check(keys: &Keys, arrived: &Arrived<'_>) -> Result<Proof, Refusal> {
    let tag = base64(header(arrived, "x-twilio-signature")?).ok_or(Refusal::Malformed)?;
    let fields = if is_form(arrived) || arrived.body.is_empty() {
        fields_text(arrived.body)?
    } else {
        bound_by_url(arrived)?;
        String::new()
    };
    let tags = [tag];
    let mut proof = Err(Refusal::Wrong);
    for url in spellings(arrived.url) {
        let signed = [url.as_bytes(), fields.as_bytes()];
        if keys.hold(Algorithm::Sha1, &signed, &tags) {
            let canonical = [arrived.url.as_bytes(), fields.as_bytes()];
            proof = Ok(Proof { id: None, signed: hash_of(&canonical) });
        }
    }
    proof
}

fn is_form(arrived: &Arrived<'_>) -> bool {
    let media = header(arrived, "content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Names and values one after the other, by name; a name that is there twice has each of its
/// different values once. Nothing stands between them: `a=b` and `ab=` give one text.
pub(super) fn fields_text(body: &[u8]) -> Result<String, Refusal> {
    let mut fields = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        // What is no text would be read as another text, and that one's signature hold for it.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(Refusal::Malformed);
        }
        fields.push((name, value));
    }
    fields.sort();
    fields.dedup();
    Ok(fields.iter().map(|(name, value)| format!("{name}{value}")).collect())
}

/// The body's hash must stand in the URL, once.
fn bound_by_url(arrived: &Arrived<'_>) -> Result<(), Refusal> {
    let query = arrived.url.split_once('?').map_or("", |(_, query)| query);
    let mut hashes = query.split('&').filter_map(|part| part.strip_prefix("bodySHA256="));
    let (Some(text), None) = (hashes.next(), hashes.next()) else { return Err(Refusal::Missing) };
    let said = hex(text).ok_or(Refusal::Malformed)?;
    let is = Sha256::digest(arrived.body);
    if bool::from(is.as_slice().ct_eq(&said)) { Ok(()) } else { Err(Refusal::Wrong) }
}

/// The URL as it is, and with its port written or left out.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Ok(parsed) = Url::parse(url)
        && let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default())
    {
        let scheme = parsed.scheme();
        let start = format!("{scheme}://");
        let rest = url.strip_prefix(&start).unwrap_or_default();
        let rest = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        all.push(format!("{start}{host}:{port}{rest}"));
        all.push(format!("{start}{host}{rest}"));
    }
    all.dedup();
    all
}
