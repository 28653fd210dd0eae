//! Entity tags: a representation's digest, and what `If-Match` says about it.

use axum::http::{HeaderMap, StatusCode, header};
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Problem;

/// Bytes of the digest that are shown: no two versions of one thing meet by chance.
const TAG_BYTES: usize = 16;

/// The tag of what is answered, without quotes: the same for the same JSON.
pub(crate) fn of(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(&bytes)[..TAG_BYTES])
}

/// Whether a change that names a version may be made of the one with this tag.
///
/// # Errors
/// 428 `request.if_match_missing` where none is named, 412 `request.if_match` where another is.
pub(crate) fn check(headers: &HeaderMap, tag: &str) -> Result<(), Problem> {
    let all = headers.get_all(header::IF_MATCH);
    let named: Vec<&str> =
        all.iter().flat_map(|v| v.to_str().unwrap_or_default().split(',')).map(str::trim).collect();
    if named.is_empty() {
        let detail = "send the ETag that you read as `If-Match`";
        let status = StatusCode::PRECONDITION_REQUIRED;
        return Err(Problem::new(status, "request.if_match_missing", detail));
    }
    let wanted = format!("\"{tag}\"");
    if named.iter().any(|one| *one == "*" || *one == wanted) {
        return Ok(());
    }
    let detail = "it has changed since you read it";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "request.if_match", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_version_that_it_is_of() {
        for (sent, code) in [
            (None, "request.if_match_missing"),
            (Some("\"t\""), ""),
            (Some("*"), ""),
            (Some("\"s\", \"t\""), ""),
            (Some("\"s\""), "request.if_match"),
            (Some("t"), "request.if_match"),
            (Some("W/\"t\""), "request.if_match"),
            (Some(""), "request.if_match"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(text) = sent {
                headers.insert(header::IF_MATCH, text.parse().unwrap());
            }
            let refused = check(&headers, "t").err().map_or(String::new(), |p| p.code().to_owned());
            assert_eq!(refused, code, "{sent:?}");
        }
        assert_eq!(of(&1), of(&1));
        assert_ne!(of(&1), of(&2));
    }
}
