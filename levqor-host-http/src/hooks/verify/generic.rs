//! HMAC as its endpoint describes it: which header, which algorithm, how written, over what.

use jiff::Timestamp as Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mac::{Keys, base64, hex};
use super::{Arrived, Proof, Refusal, checked_id, fresh, hash_of, header};

/// Longest text of an option.
const TEXT_LEN_MAX: usize = 128;
/// A number over this is milliseconds: as seconds it would be the year 5138.
const SECONDS_MAX: u64 = 99_999_999_999;

/// Which hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Algorithm {
    /// HMAC-SHA-256.
    #[default]
    Sha256,
    /// HMAC-SHA-1, for vendors that have nothing else.
    Sha1,
    /// HMAC-SHA-512.
    Sha512,
}

/// How the signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// Hexadecimal, in small letters.
    #[default]
    Hex,
    /// Base 64 with padding.
    Base64,
}

/// How a sender signs that has no scheme of its own here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HmacOptions")]
pub(crate) struct Generic {
    /// The header that carries the signature.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) header: String,
    /// The hash.
    #[serde(default)]
    pub(crate) algorithm: Algorithm,
    /// How it is written.
    #[serde(default)]
    pub(crate) encoding: Encoding,
    /// What stands before it, such as `sha256=`.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub(crate) prefix: String,
    /// The header that carries the time: seconds or milliseconds since 1970, or RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) timestamp_header: Option<String>,
    /// What is signed, with `{body}` and, where there is a time, `{timestamp}`. `{body}` alone, or
    /// `{timestamp}.{body}`, where not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) signed: Option<String>,
    /// The header that carries the delivery's id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub(crate) id_header: Option<String>,
}

/// Which option cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` {why}")]
pub(crate) struct GenericError {
    pub(crate) option: &'static str,
    pub(crate) why: &'static str,
}

impl Generic {
    /// Whether the options make sense together.
    pub(crate) fn check(&self) -> Result<(), GenericError> {
        let refuse = |option, why| Err(GenericError { option, why });
        let names = [
            ("header", Some(&self.header)),
            ("timestamp_header", self.timestamp_header.as_ref()),
            ("id_header", self.id_header.as_ref()),
        ];
        for (option, name) in names {
            let good = |n: &String| {
                n.len() <= TEXT_LEN_MAX && axum::http::HeaderName::from_bytes(n.as_bytes()).is_ok()
            };
            if name.is_some_and(|n| !good(n)) {
                return refuse(option, "is no header's name");
            }
        }
        let visible = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if self.prefix.len() > TEXT_LEN_MAX || !visible(&self.prefix) {
            return refuse("prefix", "is a short visible text");
        }
        let signed = self.signed();
        if signed.len() > TEXT_LEN_MAX || !visible(signed) {
            return refuse("signed", "is a short visible text");
        }
        if signed.matches("{body}").count() != 1 {
            return refuse("signed", "holds `{body}` once");
        }
        match (signed.matches("{timestamp}").count(), &self.timestamp_header) {
            (0, None) | (1, Some(_)) => Ok(()),
            // A time that is not signed proves nothing.
            (_, Some(_)) => refuse("signed", "holds `{timestamp}` once: there is a header for it"),
            (_, None) => refuse("signed", "holds `{timestamp}`, and no header carries it"),
        }
    }

    fn signed(&self) -> &str {
        match (&self.signed, &self.timestamp_header) {
            (Some(text), _) => text,
            (None, Some(_)) => "{timestamp}.{body}",
            (None, None) => "{body}",
        }
    }
}

pub(super) fn check(
    options: &Generic,
    keys: &Keys,
    tolerance_ms: u64,
    arrived: &Arrived<'_>,
) -> Result<Proof, Refusal> {
    let text = header(arrived, &options.header)?;
    let text = text.strip_prefix(options.prefix.as_str()).ok_or(Refusal::Malformed)?;
    let tag = match options.encoding {
        Encoding::Hex => hex(text),
        Encoding::Base64 => base64(text),
    };
    let tag = tag.ok_or(Refusal::Malformed)?;
    let time = match &options.timestamp_header {
        Some(name) => Some(header(arrived, name)?),
        None => None,
    };
    let signed_ms = time.map(millis).transpose()?;
    let id = match &options.id_header {
        Some(name) => Some(checked_id(header(arrived, name)?)?),
        None => None,
    };
    let (before, after) = options.signed().split_once("{body}").ok_or(Refusal::Malformed)?;
    let filled = |part: &str| part.replace("{timestamp}", time.unwrap_or_default());
    let (before, after) = (filled(before), filled(after));
    let signed = [before.as_bytes(), arrived.body, after.as_bytes()];
    if !keys.hold(options.algorithm, &signed, &[tag]) {
        return Err(Refusal::Wrong);
    }
    if let Some(signed_ms) = signed_ms {
        fresh(signed_ms, tolerance_ms, arrived.now)?;
    }
    Ok(Proof { id, signed: hash_of(&signed) })
}

fn millis(text: &str) -> Result<u64, Refusal> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number: u64 = text.parse().map_err(|_| Refusal::Malformed)?;
        return Ok(if number > SECONDS_MAX { number } else { number * 1_000 });
    }
    let moment: Moment = text.parse().map_err(|_| Refusal::Malformed)?;
    u64::try_from(moment.as_millisecond()).map_err(|_| Refusal::Malformed)
}
