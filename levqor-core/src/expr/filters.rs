//! Filters and functions of our own. Each charges fuel for what it makes.

use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Value};

use super::ExprError;
use super::convert::{Budget, view};
use crate::limits;

/// Most numbers one `range` makes: templates build lists of pages, not of the world.
const RANGE_MAX: i64 = 10_000;

/// Bytes of produced text that one unit of fuel pays for, as in minijinja for serialised text.
const BYTES_PER_FUEL: u64 = 4;

fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes as u64 / BYTES_PER_FUEL + 1)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn carry(error: ExprError) -> Error {
    let kind = match error.code {
        "expr.undefined" => ErrorKind::UndefinedError,
        "expr.too_large" => ErrorKind::OutOfFuel,
        _ => ErrorKind::InvalidOperation,
    };
    Error::new(kind, error.message)
}

fn read(value: &Value) -> Result<serde_json::Value, Error> {
    Budget::new(limits::EXPRESSION_OUTPUT_BYTES_MAX).read(value).map_err(carry)
}

/// A value inside of text: nothing for null, texts as they are, the rest as compact JSON.
pub(super) fn print(out: &mut Output, value: &Value) -> Result<(), Error> {
    let text = match read(value)? {
        serde_json::Value::Null => return Ok(()),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    out.write_str(&text).map_err(|e| Error::new(ErrorKind::WriteFailure, e.to_string()))
}

/// `x | json`: compact JSON text. No indentation on purpose: its width would be unbounded.
pub(super) fn json(state: &State, value: &Value) -> Result<String, Error> {
    let text = read(value)?.to_string();
    charge(state, text.len())?;
    Ok(text)
}

/// `text | from_json`: the value of a JSON text.
pub(super) fn from_json(state: &State, text: &str) -> Result<Value, Error> {
    charge(state, text.len())?;
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|_| invalid("the text is not JSON"))?;
    view(Arc::new(value), &[]).ok_or_else(|| invalid("the text is not JSON"))
}

/// `object | keys`.
pub(super) fn keys(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    members(state, value)
}

/// `object | values`.
pub(super) fn values(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    members(state, value)?.iter().map(|key| value.get_item(key)).collect()
}

fn members(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    if value.kind() != ValueKind::Map {
        return Err(invalid(format!("expected an object, found a {}", value.kind())));
    }
    charge(state, value.len().unwrap_or(0).saturating_mul(16))?;
    Ok(value.try_iter()?.collect())
}

/// `text | urlencode`: percent-encoded except for `A-Z a-z 0-9 - _ . ~`.
pub(super) fn urlencode(state: &State, value: &Value) -> Result<String, Error> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let text = match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => value.to_string(),
        kind => return Err(invalid(format!("expected a text, found a {kind}"))),
    };
    charge(state, text.len().saturating_mul(3))?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    Ok(out)
}

/// `range(end)`, `range(start, end, step)`: at most 10,000 numbers.
pub(super) fn range(
    state: &State,
    first: i64,
    end: Option<i64>,
    step: Option<i64>,
) -> Result<Vec<i64>, Error> {
    let (start, end) = end.map_or((0, first), |end| (first, end));
    let step = step.unwrap_or(1);
    let span = i128::from(end) - i128::from(start);
    let count = match i128::from(step) {
        0 => return Err(invalid("the step of a range cannot be 0")),
        step if (span > 0) != (step > 0) => 0,
        step => (span.abs() + step.abs() - 1) / step.abs(),
    };
    if count > i128::from(RANGE_MAX) {
        return Err(invalid(format!("a range has at most {RANGE_MAX} numbers")));
    }
    let count = i64::try_from(count).unwrap_or(0);
    charge(state, usize::try_from(count).unwrap_or(0).saturating_mul(16))?;
    Ok((0..count).map(|i| start + i * step).collect())
}
