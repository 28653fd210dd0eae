//! How large a JSON value is, in bytes and in nesting, and the refusal when it is too large.
//!
//! Values come from callers, connectors and templates. What is stored must be readable again: a
//! JSON reader stops at some depth, so what is nested deeper must never be written.

use serde_json::Value;

use crate::error::{ErrorKind, RunError};
use crate::limits::JSON_DEPTH_MAX;

/// About how many bytes a value takes as JSON, without writing it.
pub(crate) fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|v| json_bytes(v) + 1).sum::<usize>() + 2,
        Value::Object(map) => {
            map.iter().map(|(k, v)| k.len() + 4 + json_bytes(v)).sum::<usize>() + 2
        }
        _ => 8,
    }
}

/// Whether the value is nested more than [`JSON_DEPTH_MAX`] deep. Walks without recursion.
pub(crate) fn is_too_deep(value: &Value) -> bool {
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        if level > JSON_DEPTH_MAX {
            return true;
        }
        match value {
            Value::Array(items) => push(&mut open, items, level + 1),
            Value::Object(members) => push(&mut open, members.values(), level + 1),
            _ => {}
        }
    }
    false
}

/// Only what can hold something: a list of a million numbers is looked at, not copied.
fn push<'a>(
    open: &mut Vec<(&'a Value, usize)>,
    values: impl IntoIterator<Item = &'a Value>,
    level: usize,
) {
    let nested = values.into_iter().filter(|v| v.is_array() || v.is_object());
    open.extend(nested.map(|v| (v, level)));
}

/// Refuses a value that is too deep or over `bytes_max`, with these two codes in this order.
pub(crate) fn check(
    value: &Value,
    bytes_max: usize,
    what: &str,
    [too_deep, too_large]: [&str; 2],
) -> Result<(), RunError> {
    let refuse = |code: &str, message| Err(RunError::new(ErrorKind::InvalidInput, code, message));
    // First, because counting bytes recurses.
    if is_too_deep(value) {
        return refuse(too_deep, format!("{what} is nested more than {JSON_DEPTH_MAX} deep"));
    }
    if json_bytes(value) > bytes_max {
        return refuse(too_large, format!("{what} is over {bytes_max} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!([]), |inner, i| {
            if i % 2 == 0 { json!([1, inner]) } else { json!({"a": inner}) }
        })
    }

    #[test]
    fn the_limit_is_the_limit() {
        assert!(!is_too_deep(&nested(JSON_DEPTH_MAX)));
        assert!(is_too_deep(&nested(JSON_DEPTH_MAX + 1)));
        let code = |value: &Value| check(value, 20, "it", ["deep", "large"]).map_err(|e| e.code);
        assert_eq!(code(&json!([1, 2])), Ok(()));
        assert_eq!(code(&json!("x".repeat(20))), Err("large".to_owned()));
        assert_eq!(code(&nested(5_000)), Err("deep".to_owned()));
    }
}
