//! [`Issue`]: one thing wrong with a document, placed in its source.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spans;

/// One thing wrong with a document (or with a run's input).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Issue {
    /// Stable, one of [`CODES`] or an expression's code.
    pub code: Cow<'static, str>,
    /// Whether it stops the document from being used.
    pub severity: Severity,
    /// JSON Pointer to the value: `/steps/0/with/email`.
    pub pointer: String,
    /// Line in the source, from 1, where the source is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1, where the source is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Bytes of the source, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Range<usize>>,
    /// For people.
    pub message: String,
    /// What to write instead, where that can be guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// How bad an [`Issue`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The document cannot be used.
    #[default]
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// Every code of documents with what it means. Append-only. Expressions have codes of their own,
/// `expr.*`.
pub const CODES: &[(&str, &str)] = &[
    ("document.too_large", "the document's source is over 256 KiB"),
    ("document.syntax", "the text is not YAML or JSON"),
    ("document.duplicate_key", "an object has the same key twice"),
    ("document.alias", "YAML anchors and aliases are not part of the format"),
    ("document.tag", "YAML tags are not part of the format"),
    ("document.multiple", "the text holds more than one document"),
    ("document.depth", "values are nested more than 64 deep"),
    ("document.number", "a number does not fit into 64 bits; quote it"),
    ("document.key", "the key of an object is not a text"),
    ("document.type", "a value has the wrong type"),
    ("document.unknown_key", "an object has a key that it cannot have"),
    ("document.missing_key", "an object lacks a key that it must have"),
    ("document.misplaced_key", "a step has a key that belongs to another kind of step"),
    ("document.value", "a value is out of its range or not one of those allowed"),
    ("document.duration", "a text is not a duration such as `30s` or `1h30m`"),
    ("document.time", "a text is not an RFC 3339 time"),
    ("document.schema_version", "`schema` names a version this engine does not know"),
    ("document.id", "an id is empty, too long or has a character outside `a-z A-Z 0-9 _ - .`"),
    ("document.duplicate_id", "two steps, branches or triggers have the same id"),
    ("document.step_kind", "a step does not have exactly one thing to do"),
    ("document.too_many_steps", "the document has more than 500 steps"),
    ("document.nesting", "steps are nested more than 16 deep"),
    ("document.empty", "a list that must not be empty is"),
    ("document.unknown_connector", "`uses` names a connector that is not there"),
    ("document.unknown_action", "`uses` names an action that the connector does not have"),
    ("document.unknown_pipeline", "`uses` names a pipeline that is not there"),
    ("document.recursion", "a pipeline uses itself, directly or through another"),
    ("document.with", "`with` does not fit the action's input schema"),
    ("document.unknown_step", "an expression or `needs` names a step that does not exist"),
    ("document.step_not_in_sight", "an expression names a step that need not have run before"),
    ("document.unknown_name", "an expression uses a name that is not known there"),
    ("document.needs_cycle", "steps need each other in a circle"),
    ("document.unknown_credential", "`credential` is not in the document's `credentials`"),
    ("document.json_schema", "a value is not a JSON Schema"),
    ("document.cron", "a schedule's `cron` is not valid or never fires"),
    ("document.timezone", "a time zone is not known"),
    ("document.no_expression", "an expression stands where only a constant can"),
    ("input.invalid", "a run's input does not fit the pipeline's `input_schema`"),
];

impl Issue {
    /// An error at `pointer`; the place in the source comes from `spans`.
    #[must_use]
    pub fn new(
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
        spans: Option<&Spans>,
    ) -> Self {
        let span = spans.and_then(|s| s.nearest(pointer));
        Self::at(code, pointer, message, spans, span)
    }

    /// The same, shown at the key rather than at the value.
    #[must_use]
    pub(crate) fn at_key(
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
        spans: Option<&Spans>,
    ) -> Self {
        let span = spans.and_then(|s| s.key(pointer).or_else(|| s.nearest(pointer)));
        Self::at(code, pointer, message, spans, span)
    }

    /// The same, shown at these bytes.
    pub(crate) fn at(
        code: &'static str,
        pointer: &str,
        message: impl Into<String>,
        spans: Option<&Spans>,
        span: Option<Range<usize>>,
    ) -> Self {
        let place = spans.zip(span.as_ref()).map(|(s, span)| s.line_column(span.start));
        Self {
            code: Cow::Borrowed(code),
            severity: Severity::Error,
            pointer: pointer.to_owned(),
            line: place.map(|p| p.0),
            column: place.map(|p| p.1),
            span,
            message: message.into(),
            suggestion: None,
        }
    }

    /// The same with a suggestion.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl fmt::Display for Issue {
    /// `3:5: /steps/0/uses: message (document.code); did you mean …?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        write!(f, "{} ({})", self.message, self.code)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Issue {}
