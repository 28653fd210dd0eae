//! [`Line`]: an event as one JSON object, its texts bounded and harmless.

use std::fmt;

use serde_json::{Map, Value};
use tracing::Metadata;
use tracing::field::{Field, Visit};

/// Characters of one field's text; a log is no place for payloads.
const FIELD_CHARS_MAX: usize = 2_048;
/// Fields of one line.
const FIELDS_MAX: usize = 64;

/// What an event or a span says.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Fields(Map<String, Value>);

impl Fields {
    /// Takes over what it does not say itself.
    pub(super) fn under(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        if self.0.len() < FIELDS_MAX {
            self.0.insert(field.name().to_owned(), value);
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        self.put(field, Value::String(bounded(text)));
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(FIELD_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }
}

/// An event's line.
#[derive(Clone, Debug)]
pub(in super::super) struct Line(Map<String, Value>);

impl Line {
    pub(super) fn new(metadata: &Metadata<'_>, fields: Fields) -> Self {
        let mut line = Map::new();
        let now = jiff::Timestamp::now();
        line.insert("at".to_owned(), format!("{now:.3}").into());
        line.insert("level".to_owned(), metadata.level().as_str().to_lowercase().into());
        line.insert("target".to_owned(), metadata.target().into());
        for (name, value) in fields.0 {
            line.entry(name).or_insert(value);
        }
        Self(line)
    }

    /// The members.
    pub(in super::super) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The line, with its end.
    pub(super) fn text(&self) -> String {
        let mut text = harmless(&serde_json::to_string(&self.0).unwrap_or_default());
        text.push('\n');
        text
    }
}

/// JSON escapes control characters of ASCII. Terminals and people are also misled by those of
/// Latin-1, by line separators, and by what turns the direction of writing or is not seen.
pub(in super::super) fn harmless(json: &str) -> String {
    let misleads = |c: char| {
        matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
    };
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if misleads(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}
