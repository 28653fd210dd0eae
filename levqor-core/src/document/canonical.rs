//! Canonical JSON of a document, its version hash, and its JSON Schema.

use serde_json::Value;

use super::PipelineDocument;
use crate::ids::ContentHash;

impl PipelineDocument {
    /// The document as JSON with sorted keys, `ui` included.
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        canonical(&self.to_value())
    }

    /// The version: hash of the canonical JSON without `ui`. A compiled pipeline's hash also
    /// covers the sub-pipelines it pins.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        ContentHash::of(canonical(&self.without_ui()).as_bytes())
    }

    /// The document as a JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Nothing in a document can fail to be JSON: keys are texts, numbers are finite.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    pub(crate) fn without_ui(&self) -> Value {
        let mut value = self.to_value();
        if let Value::Object(map) = &mut value {
            map.remove("ui");
        }
        value
    }
}

/// JSON Schema (2020-12) of pipeline documents, made from the types.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(PipelineDocument).to_value()
}

/// Compact JSON with sorted keys, whatever order the map type keeps.
pub(crate) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, item)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
