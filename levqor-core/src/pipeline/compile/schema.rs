//! JSON Schemas: compiled without reaching out, with linear-time patterns, errors without values.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::Compiler;
use crate::document::join;

/// Compiles a schema. References to other documents are refused: nothing is ever fetched.
pub(crate) fn validator(schema: &Value) -> Result<jsonschema::Validator, String> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Err("a JSON Schema is an object, true or false".to_owned());
    }
    jsonschema::meta::validate(schema).map_err(|e| format!("not a JSON Schema: {e}"))?;
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|e| format!("not a usable JSON Schema: {e}"))
}

/// Keywords whose verdict does not depend on the values inside of what they judge.
const SHALLOW: [&str; 9] = [
    "type",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "propertyNames",
    "unevaluatedProperties",
];

impl Compiler<'_> {
    /// Checks the constant parts of a call's `with` against the action's input schema.
    ///
    /// A text with an expression may become anything, so whatever is judged by it is not reported.
    pub(super) fn check_with(&mut self, uses: &str, schema: &Value, with: &Value, at: &str) {
        let cached = self.schemas.entry(uses.to_owned());
        let validator = cached.or_insert_with(|| validator(schema).ok().map(Arc::new)).clone();
        let Some(validator) = validator else { return };
        let mut computed = Computed::default();
        computed.gather(with, "");
        for error in validator.iter_errors(with) {
            if self.is_full() {
                return;
            }
            let place = error.instance_path().as_str();
            let shallow = SHALLOW.contains(&error.kind().keyword());
            if computed.covers(place) || (computed.around.contains(place) && !shallow) {
                continue;
            }
            let (place, suggestion) = self.unexpected(&error, schema, place);
            let message = error.masked().to_string();
            self.suggest("document.with", &format!("{at}{place}"), message, suggestion);
        }
    }

    /// For an unexpected property: its own place, and the property that was meant.
    fn unexpected(
        &self,
        error: &jsonschema::ValidationError<'_>,
        schema: &Value,
        place: &str,
    ) -> (String, Option<String>) {
        use jsonschema::error::ValidationErrorKind::AdditionalProperties;
        let AdditionalProperties { unexpected } = error.kind() else {
            return (place.to_owned(), None);
        };
        let [only, ..] = unexpected.as_slice() else { return (place.to_owned(), None) };
        let known =
            schema.get("properties").and_then(Value::as_object).filter(|_| place.is_empty());
        let guess = known
            .and_then(|known| crate::nearest::nearest(only, known.keys().map(String::as_str)))
            .map(|n| format!("`{n}`"));
        (join(place, only), guess)
    }
}

/// Texts with expressions in them, by pointer.
#[derive(Default)]
struct Computed {
    texts: HashSet<String>,
    /// Every value around one of them.
    around: HashSet<String>,
}

impl Computed {
    /// Whether there is one inside of `value`.
    fn gather(&mut self, value: &Value, at: &str) -> bool {
        let mut found = false;
        match value {
            Value::String(text) if text.contains("${{") => {
                self.texts.insert(at.to_owned());
                return true;
            }
            Value::Array(list) => {
                for (i, item) in list.iter().enumerate() {
                    found |= self.gather(item, &format!("{at}/{i}"));
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    found |= self.gather(item, &join(at, key));
                }
            }
            _ => {}
        }
        if found {
            self.around.insert(at.to_owned());
        }
        found
    }

    /// Whether the place is in one of them.
    fn covers(&self, place: &str) -> bool {
        let mut at = Some(place);
        while let Some(here) = at {
            if self.texts.contains(here) {
                return true;
            }
            at = here.rsplit_once('/').map(|(outer, _)| outer);
        }
        false
    }
}
