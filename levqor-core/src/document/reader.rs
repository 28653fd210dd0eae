//! Reads JSON values into types by hand, so that every problem is reported, each at its place.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::spans::join;
use super::{Duration, Issue, Spans};
use crate::limits;
use crate::nearest::nearest;

/// Collects issues while values are read.
pub(super) struct Reader<'a> {
    pub(super) spans: Option<&'a Spans>,
    pub(super) issues: Vec<Issue>,
}

/// A type that is read from a JSON value.
pub(super) trait Read: Sized {
    /// `None` when an issue was reported.
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self>;
}

impl Reader<'_> {
    pub(super) fn report(&mut self, code: &'static str, at: &str, message: impl Into<String>) {
        self.push(|spans| Issue::new(code, at, message, spans));
    }

    /// Adds an issue, unless there are enough already; those are not even made.
    fn push(&mut self, issue: impl FnOnce(Option<&Spans>) -> Issue) {
        if self.issues.len() < limits::ISSUES_MAX {
            self.issues.push(issue(self.spans));
        }
    }

    pub(super) fn wrong_type(&mut self, at: &str, expected: &str, found: &Value) {
        let message = format!("expected {expected}, found {}", kind(found));
        self.report("document.type", at, message);
    }
}

/// What a value is, for people.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An object being read key by key.
pub(super) struct Object<'v> {
    map: &'v Map<String, Value>,
    at: &'v str,
    known: Vec<&'static str>,
}

impl<'v> Object<'v> {
    pub(super) fn of(value: &'v Value, at: &'v str, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { map, at, known: Vec::new() }),
            other => {
                reader.wrong_type(at, "an object", other);
                None
            }
        }
    }

    /// A member that may be absent. `null` is not absence.
    pub(super) fn optional<T: Read>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        self.known.push(key);
        T::read(self.map.get(key)?, &join(self.at, key), reader)
    }

    /// A member that must be there.
    pub(super) fn required<T: Read>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        if !self.map.contains_key(key) {
            let message = format!("`{key}` is missing");
            reader.push(|spans| Issue::at_key("document.missing_key", self.at, message, spans));
        }
        self.optional(key, reader)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) {
        for key in self.map.keys().filter(|k| !self.known.contains(&k.as_str())) {
            let pointer = join(self.at, key);
            let shown: String = key.chars().take(64).collect();
            let message = format!("`{shown}` is not a key that can stand here");
            let known = &self.known;
            reader.push(|spans| {
                let guess = nearest(key, known.iter().copied()).map(|k| format!("`{k}`"));
                Issue::at_key("document.unknown_key", &pointer, message, spans).suggest(guess)
            });
        }
    }
}

impl Read for Value {
    fn read(value: &Value, _: &str, _: &mut Reader<'_>) -> Option<Self> {
        Some(value.clone())
    }
}

impl Read for String {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            other => {
                reader.wrong_type(at, "a text", other);
                None
            }
        }
    }
}

impl Read for u64 {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let found = value.as_u64();
        if found.is_none() {
            reader.wrong_type(at, "a whole number, 0 or more", value);
        }
        found
    }
}

impl Read for u32 {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let number = u64::read(value, at, reader)?;
        let found = Self::try_from(number).ok();
        if found.is_none() {
            reader.report("document.value", at, "the number is too large");
        }
        found
    }
}

impl Read for f64 {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let found = value.as_f64();
        if found.is_none() {
            reader.wrong_type(at, "a number", value);
        }
        found
    }
}

impl Read for Duration {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::String(text) => {
                let found = text.parse().ok();
                if found.is_none() {
                    let message = format!("`{}` is not a duration", text.escape_debug());
                    reader.push(|spans| {
                        Issue::new("document.duration", at, message, spans)
                            .suggest(Some("\"30s\", \"15m\", \"1h30m\" or \"7d\""))
                    });
                }
                found
            }
            Value::Number(n) => {
                let message = "a duration is a text with a unit";
                reader.push(|spans| {
                    Issue::new("document.duration", at, message, spans)
                        .suggest(Some(format!("\"{n}s\"")))
                });
                None
            }
            other => {
                reader.wrong_type(at, "a duration such as \"30s\"", other);
                None
            }
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Array(list) = value else {
            reader.wrong_type(at, "a list", value);
            return None;
        };
        // Every item is read, so that every issue is reported.
        let items = list.iter().enumerate().map(|(i, v)| T::read(v, &format!("{at}/{i}"), reader));
        let items: Vec<Option<T>> = items.collect();
        items.into_iter().collect()
    }
}

impl<T: Read> Read for IndexMap<String, T> {
    fn read(value: &Value, at: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Object(map) = value else {
            reader.wrong_type(at, "an object", value);
            return None;
        };
        let members = map.iter().map(|(k, v)| Some((k.clone(), T::read(v, &join(at, k), reader)?)));
        let members: Vec<Option<(String, T)>> = members.collect();
        members.into_iter().collect()
    }
}

/// One of a few words.
pub(super) fn read_word<T: Copy>(
    value: &Value,
    at: &str,
    reader: &mut Reader<'_>,
    words: &[(&str, T)],
) -> Option<T> {
    let names = || words.iter().map(|(name, _)| *name);
    let list = || names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let Value::String(text) = value else {
        reader.wrong_type(at, &format!("one of {}", list()), value);
        return None;
    };
    let found = words.iter().find(|(name, _)| name == text).map(|(_, value)| *value);
    if found.is_none() {
        let shown: String = text.chars().take(64).collect();
        let message = format!("`{shown}` is not one of {}", list());
        reader.push(|spans| {
            let guess = nearest(text, names()).map(|n| format!("`{n}`"));
            Issue::new("document.value", at, message, spans).suggest(guess)
        });
    }
    found
}

/// Implements [`Read`] for a struct: `required` and `optional` members by their key.
macro_rules! read_object {
    ($name:ident { $($kind:ident $field:ident $key:literal),* $(,)? }) => {
        impl $crate::document::reader::Read for $name {
            fn read(
                value: &serde_json::Value,
                at: &str,
                reader: &mut $crate::document::reader::Reader<'_>,
            ) -> Option<Self> {
                let mut object = $crate::document::reader::Object::of(value, at, reader)?;
                $(read_object!(@read $kind $field $key, object, reader);)*
                object.finish(reader);
                Some(Self { $($field: read_object!(@take $kind $field)),* })
            }
        }
    };
    (@read required $field:ident $key:literal, $object:ident, $reader:ident) => {
        let $field = $object.required($key, $reader);
    };
    (@read optional $field:ident $key:literal, $object:ident, $reader:ident) => {
        let $field = $object.optional($key, $reader);
    };
    (@read default $field:ident $key:literal, $object:ident, $reader:ident) => {
        let $field = $object.optional($key, $reader).unwrap_or_default();
    };
    (@take required $field:ident) => { $field? };
    (@take optional $field:ident) => { $field };
    (@take default $field:ident) => { $field };
}

/// Implements [`Read`] for an enum of words.
macro_rules! read_words {
    ($name:ident { $($word:literal => $variant:ident),* $(,)? }) => {
        impl $crate::document::reader::Read for $name {
            fn read(
                value: &serde_json::Value,
                at: &str,
                reader: &mut $crate::document::reader::Reader<'_>,
            ) -> Option<Self> {
                let words = [$(($word, Self::$variant)),*];
                $crate::document::reader::read_word(value, at, reader, &words)
            }
        }
    };
}

pub(super) use {read_object, read_words};
