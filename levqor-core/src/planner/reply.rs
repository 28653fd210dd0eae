//! From a model's reply to a document: fences and chatter off, the JSON found, bounds kept.
//!
//! It judges nothing else; [`super::check`] and the document's own validation do.

use serde_json::{Deserializer, Value};

use super::{PlanError, REPLY_BYTES_MAX};
use crate::value::is_too_deep;

/// Places in a reply where JSON may begin that are tried.
const STARTS_MAX: usize = 64;

/// The pipeline document in a model's reply: the reply itself, or the first JSON object in it that
/// has `steps`, or one whose member `document` is such an object or its text.
///
/// # Errors
/// [`PlanError`] when there is none, or it is over a bound.
pub fn parse(reply: &str) -> Result<Value, PlanError> {
    if reply.len() > REPLY_BYTES_MAX {
        return Err(PlanError::ReplyTooLong);
    }
    let mut rest = reply;
    let mut too_deep = false;
    for _ in 0..STARTS_MAX {
        let Some(start) = rest.find('{') else { break };
        rest = rest.get(start..).unwrap_or_default();
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let length = values.byte_offset().max(1);
                match document_of(value) {
                    Some(document) if is_too_deep(&document) => too_deep = true,
                    Some(document) => return Ok(document),
                    None => {}
                }
                rest = rest.get(length..).unwrap_or_default();
            }
            Some(Err(e)) => {
                // serde_json stops at 128 levels; what is deeper than that is over our bound too.
                too_deep |= e.to_string().contains("recursion limit");
                rest = rest.get(1..).unwrap_or_default();
            }
            None => break,
        }
    }
    Err(if too_deep { PlanError::TooDeep } else { PlanError::NoDocument })
}

fn document_of(value: Value) -> Option<Value> {
    let Value::Object(mut object) = value else { return None };
    if object.get("steps").is_some_and(Value::is_array) {
        return Some(Value::Object(object));
    }
    let inner = match object.remove("document")? {
        // Structured replies carry the document as text: strict schemas know no free objects.
        Value::String(text) => serde_json::from_str(&text).ok()?,
        other => other,
    };
    inner.get("steps").is_some_and(Value::is_array).then_some(inner)
}
