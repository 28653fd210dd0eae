//! Types as JSON Schema, and JSON as types: the two ends of an action.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::error::{Result, TaskError};

/// Reads an action's input; what [`Action::raw`] starts with.
///
/// # Errors
/// [`TaskError::InvalidInput`] when it does not fit `T`.
pub fn parse<T: DeserializeOwned>(input: &str) -> Result<T> {
    serde_json::from_str(input)
        .map_err(|e| TaskError::invalid_input(format!("the input: {e}")).code("invalid_input"))
}

/// The JSON Schema (2020-12) of `T` as an input: defaults are optional, subschemas are inline.
#[must_use]
pub fn input_schema<T: JsonSchema>() -> Schema {
    generator(false).into_root_schema_for::<T>()
}

/// The JSON Schema (2020-12) of `T` as an output.
#[must_use]
pub fn output_schema<T: JsonSchema>() -> Schema {
    generator(true).into_root_schema_for::<T>()
}

fn generator(output: bool) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    // Forms and models read one schema at a time: a `$ref` would send them elsewhere.
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let settings = if output { settings.for_serialize() } else { settings };
    settings.into_generator()
}
