//! [`PipelineDocument`]: what people and planners write, in YAML or JSON.
//!
//! Here a text becomes a typed document, and everything that is wrong with its *shape* becomes an
//! [`Issue`] with its place in the text, all of them at once. What its parts mean together (ids,
//! references, actions, schemas) is checked by [`crate::pipeline::compile`].
//!
//! - Plain YAML words follow JSON's rules: `NO` is a text, `007` is a text, `~` is a text.
//! - Anchors, aliases, tags, merge keys, duplicate keys and several documents are refused.
//! - The version of a document is the hash of its canonical JSON: sorted keys, normalised
//!   durations, without `ui`. YAML and JSON of the same pipeline have the same version.
//!
//! ```
//! use levqor_core::document::{Format, parse};
//! let text = "
//! schema: levqor/v1
//! name: hello
//! stpes: []
//! ";
//! let issues = parse(text, Format::Auto).unwrap_err();
//! assert_eq!(issues[1].suggestion.as_deref(), Some("`steps`"));
//! assert_eq!(issues[1].line, Some(4));
//! ```

mod build;
mod canonical;
mod duration;
mod issue;
mod json;
pub(crate) mod reader;
mod spans;
mod step;
#[cfg(test)]
mod tests;
mod types;
mod yaml;

use serde_json::Value;

pub use canonical::schema;
pub use duration::{Duration, InvalidDuration};
pub use issue::{CODES, Issue, Severity};
pub use spans::Spans;
pub(crate) use spans::join;
pub use step::{Backoff, Branch, Case, Catch, Condition, Join, OnItemError, Retry, Step};
pub use types::{
    Concurrency, Limits, OnExceed, OnLimit, PipelineDocument, SchemaVersion, Trigger, TriggerKind,
};

use crate::limits;
use reader::{Read, Reader};

/// How a document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// JSON where it reads as JSON, else YAML.
    #[default]
    Auto,
}

/// A document and where its values stand in the text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parsed {
    /// The document.
    pub document: PipelineDocument,
    /// Where its values stand.
    pub spans: Spans,
}

/// Reads a document.
///
/// # Errors
/// Every [`Issue`] of its shape; only the first where the text is not YAML or JSON at all.
pub fn parse(text: &str, format: Format) -> Result<Parsed, Vec<Issue>> {
    let (parsed, issues) = parse_on(text, format)?;
    if issues.is_empty() { Ok(parsed) } else { Err(issues) }
}

/// The same, with the document also where what is wrong with its shape leaves one: a key too many,
/// an optional member that is not what it should be.
pub(crate) fn parse_on(text: &str, format: Format) -> Result<(Parsed, Vec<Issue>), Vec<Issue>> {
    let (value, spans) = parse_value(text, format).map_err(|issue| vec![*issue])?;
    let (document, issues) = PipelineDocument::read_on(&value, Some(&spans))?;
    Ok((Parsed { document, spans }, issues))
}

/// Reads any YAML or JSON text by the document's rules, with spans.
///
/// # Errors
/// The first [`Issue`].
pub fn parse_value(text: &str, format: Format) -> Result<(Value, Spans), Box<Issue>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits::DOCUMENT_BYTES_MAX {
        let message = format!("a document has at most {} bytes", limits::DOCUMENT_BYTES_MAX);
        return Err(Box::new(Issue::new("document.too_large", "", message, None)));
    }
    match format {
        Format::Json => json::read(text),
        Format::Yaml => yaml::read(text),
        Format::Auto if !text.trim_start().starts_with('{') => yaml::read(text),
        Format::Auto => match json::read(text) {
            // YAML's flow style begins with a brace as well.
            Err(issue) if issue.code == "document.syntax" => yaml::read(text).map_err(|yaml| {
                let flow =
                    yaml.span.as_ref().map(|s| s.start) > issue.span.as_ref().map(|s| s.start);
                if flow { yaml } else { issue }
            }),
            other => other,
        },
    }
}

impl PipelineDocument {
    /// Reads a document that is JSON already.
    ///
    /// # Errors
    /// Every [`Issue`] of its shape, without places in a text.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Issue>> {
        let (document, issues) = Self::read_on(value, None)?;
        if issues.is_empty() { Ok(document) } else { Err(issues) }
    }

    /// As [`parse_on`].
    pub(crate) fn read_on(
        value: &Value,
        spans: Option<&Spans>,
    ) -> Result<(Self, Vec<Issue>), Vec<Issue>> {
        let mut reader = Reader { spans, issues: Vec::new() };
        let document = Self::read(value, "", &mut reader);
        let issues = in_order(reader.issues);
        match document {
            Some(document) => Ok((document, issues)),
            None => Err(issues),
        }
    }
}

impl<'de> serde::Deserialize<'de> for PipelineDocument {
    /// Reads by the document's own rules; the error lists every issue.
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        Self::from_value(&value).map_err(|issues| {
            let all: Vec<String> = issues.iter().map(ToString::to_string).collect();
            serde::de::Error::custom(all.join("; "))
        })
    }
}

/// Issues in the order of the text.
pub(crate) fn in_order(mut issues: Vec<Issue>) -> Vec<Issue> {
    issues.sort_by_key(|issue| issue.span.as_ref().map_or(usize::MAX, |span| span.start));
    issues
}
