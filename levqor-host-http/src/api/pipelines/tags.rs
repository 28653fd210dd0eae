//! Entity tags: `If-Match` and `If-None-Match` to what the engine expects.

use axum::http::{HeaderMap, StatusCode};
use levqor_core::engine::{Error as EngineError, VersionExpected};

use crate::http::Problem;

/// What a change expects to find. What is there may only be changed by who says that it was read.
///
/// # Errors
/// `request.precondition_required` and `request.precondition_failed`.
pub(super) fn expected(headers: &HeaderMap, is_there: bool) -> Result<VersionExpected, Problem> {
    if let Some(tags) = tags(headers, "if-match") {
        let tag = match &tags[..] {
            [tag] => tag,
            _ => return Err(failed()),
        };
        if tag == "*" {
            return Ok(VersionExpected::Present);
        }
        // A tag that is no version of ours, or a weak one, matches nothing.
        let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let version = version.and_then(|text| text.parse().ok());
        return version.map(VersionExpected::At).ok_or_else(failed);
    }
    match tags(headers, "if-none-match") {
        Some(tags) if tags == ["*"] => Ok(VersionExpected::Absent),
        Some(_) => Err(failed()),
        None if is_there => {
            let status = StatusCode::PRECONDITION_REQUIRED;
            let detail = "it is there: send its ETag as `If-Match`";
            Err(Problem::new(status, "request.precondition_required", detail))
        }
        None => Ok(VersionExpected::Absent),
    }
}

/// Whether the client has this version already.
pub(super) fn none_match(headers: &HeaderMap, version: &str) -> bool {
    let known = tags(headers, "if-none-match").unwrap_or_default();
    known.iter().any(|tag| {
        // The comparison is the weak one here.
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.trim_matches('"') == version
    })
}

/// The engine's refusal in HTTP's words.
pub(super) fn refused(error: EngineError) -> Problem {
    match error.code() {
        "pipeline.changed" => failed(),
        _ => error.into(),
    }
}

fn failed() -> Problem {
    let status = StatusCode::PRECONDITION_FAILED;
    Problem::new(status, "request.precondition_failed", "it has changed since it was read")
}

fn tags(headers: &HeaderMap, name: &str) -> Option<Vec<String>> {
    let mut all = headers.get_all(name).iter().peekable();
    all.peek()?;
    let texts = all.filter_map(|value| value.to_str().ok());
    Some(texts.flat_map(|text| text.split(',')).map(|tag| tag.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use levqor_core::ids::ContentHash;

    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_there_is_changed_only_by_who_read_it() {
        let version = ContentHash::of(b"x");
        let quoted = format!("\"{version}\"");
        let weak = format!("W/{quoted}");
        let at = Ok(VersionExpected::At(version));
        for (headers, is_there, wanted) in [
            (vec![], false, Ok(VersionExpected::Absent)),
            (vec![], true, Err(428)),
            (vec![("if-none-match", "*")], false, Ok(VersionExpected::Absent)),
            (vec![("if-none-match", "*")], true, Ok(VersionExpected::Absent)),
            (vec![("if-match", "*")], true, Ok(VersionExpected::Present)),
            (vec![("if-match", quoted.as_str())], true, at),
            (vec![("if-match", quoted.as_str()), ("if-none-match", "*")], true, at),
            (vec![("if-match", weak.as_str())], true, Err(412)),
            (vec![("if-match", "\"old\"")], true, Err(412)),
            (vec![("if-match", "")], true, Err(412)),
        ] {
            let found = expected(&of(&headers), is_there).map_err(|p| p.status().as_u16());
            assert_eq!(found, wanted, "{headers:?}");
        }
        let known = |tag: &str| none_match(&of(&[("if-none-match", tag)]), &version.to_string());
        assert!(known(&quoted) && known(&weak) && known("*"));
        assert!(known(&format!("\"a\", {quoted}")) && !known("\"a\""));
        assert!(!none_match(&HeaderMap::new(), "x"));
    }
}
