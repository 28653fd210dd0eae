//! A document as YAML, for people to go on with: block style, the document's own order of keys.
//!
//! It writes only what [`levqor_core::document::parse_value`] reads back as the same value; whoever
//! calls it checks that.

use std::fmt::Write;

use serde_json::Value;

/// Keys of documents in the order in which people read them; others follow.
const ORDER: &[&str] = &[
    "schema",
    "name",
    "description",
    "input_schema",
    "vars",
    "credentials",
    "triggers",
    "concurrency",
    "priority",
    "timeout",
    "limits",
    "retry",
    "id",
    "if",
    "needs",
    "uses",
    "with",
    "for_each",
    "while",
    "as",
    "steps",
    "on_failure",
    "output",
    "ui",
];

/// The value as YAML.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let place = |key: &String| ORDER.iter().position(|o| o == key).unwrap_or(ORDER.len());
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| place(key));
            for (n, key) in keys.into_iter().enumerate() {
                if n > 0 {
                    pad(indent, out);
                }
                out.push_str(&scalar(key));
                out.push(':');
                member(&map[key], indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    pad(indent, out);
                }
                out.push_str("- ");
                block(item, indent + 2, out);
            }
        }
        other => {
            let _ = writeln!(out, "{}", flat(other));
        }
    }
}

fn member(value: &Value, indent: usize, out: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        pad(indent + 2, out);
        block(value, indent + 2, out);
    } else {
        out.push(' ');
        block(value, indent, out);
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text, in quotes unless it is a plain word that can be nothing else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " _-./".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null"].contains(&text);
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levqor_core::document::{Format, parse_value};
    use serde_json::json;

    #[test]
    fn it_reads_back() {
        for value in [
            json!({ "schema": "levqor/v1", "name": "a", "steps": [
                { "with": { "text": "${{ input.x }}: \"y\"\n- z" }, "id": "b", "uses": "c/d" },
                { "id": "e", "needs": ["b"], "with": {}, "steps": [], "n": [[1, [2]], {"k": null}] },
            ] }),
            json!({ "no": "NO", "yes": "true", "n": "7", "f": 1.5, "empty": "", "#": "a #b", "~": "~" }),
        ] {
            let text = write(&value);
            let read = parse_value(&text, Format::Yaml).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(read.0, value, "{text}");
        }
    }
}
