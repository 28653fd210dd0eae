//! Builds a JSON value and its spans from a reader's events; the rules that YAML and JSON share.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::{Issue, Spans, spans::join};
use crate::limits;

/// A value under construction.
pub(super) struct Builder {
    pub(super) spans: Spans,
    open: Vec<Open>,
    done: Option<Value>,
}

struct Open {
    pointer: String,
    start: usize,
    node: Node,
}

enum Node {
    List(Vec<Value>),
    Object { map: Map<String, Value>, key: Option<String> },
}

impl Builder {
    pub(super) fn new(source: &str) -> Self {
        Self { spans: Spans::new(source), open: Vec::new(), done: None }
    }

    /// An issue at these bytes of the source.
    pub(super) fn issue(&self, code: &'static str, at: Range<usize>, message: &str) -> Box<Issue> {
        let pointer = self.open.last().map_or("", |o| o.pointer.as_str());
        Box::new(Issue::at(code, pointer, message, Some(&self.spans), Some(at)))
    }

    /// The next value would be the key of an object.
    pub(super) fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node::Object { key: None, .. }, .. }))
    }

    /// A list or object is open.
    pub(super) fn is_nested(&self) -> bool {
        !self.open.is_empty()
    }

    /// The innermost open one is an object.
    pub(super) fn in_object(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node::Object { .. }, .. }))
    }

    pub(super) fn key(&mut self, name: String, at: Range<usize>) -> Result<(), Box<Issue>> {
        let duplicate = match self.open.last() {
            Some(Open { node: Node::Object { map, .. }, .. }) => map.contains_key(&name),
            _ => false,
        };
        if duplicate {
            let message = format!("the key `{}` is there twice", shorten(&name));
            return Err(self.issue("document.duplicate_key", at, &message));
        }
        if let Some(Open { node: Node::Object { key, .. }, pointer, .. }) = self.open.last_mut() {
            self.spans.add_key(&join(pointer, &name), at);
            *key = Some(name);
        }
        Ok(())
    }

    pub(super) fn scalar(&mut self, value: Value, at: Range<usize>) {
        let pointer = self.next_pointer();
        self.spans.add_value(&pointer, at);
        self.put(value);
    }

    pub(super) fn start(&mut self, object: bool, at: Range<usize>) -> Result<(), Box<Issue>> {
        if self.open.len() >= limits::JSON_DEPTH_MAX {
            let message = format!("values are nested more than {} deep", limits::JSON_DEPTH_MAX);
            return Err(self.issue("document.depth", at, &message));
        }
        let node = if object {
            Node::Object { map: Map::new(), key: None }
        } else {
            Node::List(Vec::new())
        };
        self.open.push(Open { pointer: self.next_pointer(), start: at.start, node });
        Ok(())
    }

    pub(super) fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        self.spans.add_value(&open.pointer, open.start..end.max(open.start));
        self.put(match open.node {
            Node::List(list) => Value::Array(list),
            Node::Object { map, .. } => Value::Object(map),
        });
    }

    fn next_pointer(&self) -> String {
        if self.spans.is_full() {
            return String::new();
        }
        match self.open.last() {
            None => String::new(),
            Some(Open { pointer, node: Node::List(list), .. }) => {
                format!("{pointer}/{}", list.len())
            }
            Some(Open { pointer, node: Node::Object { key, .. }, .. }) => {
                join(pointer, key.as_deref().unwrap_or_default())
            }
        }
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut().map(|o| &mut o.node) {
            None => self.done = Some(value),
            Some(Node::List(list)) => list.push(value),
            Some(Node::Object { map, key }) => {
                map.insert(key.take().unwrap_or_default(), value);
            }
        }
    }

    pub(super) fn finish(self) -> (Value, Spans) {
        (self.done.unwrap_or(Value::Null), self.spans)
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// What a word without quotes is by JSON's rules; `None` where it is no JSON word.
pub(super) enum Word {
    Value(Value),
    /// A number that 64 bits cannot hold.
    TooBig,
    Text,
}

pub(super) fn word(text: &str) -> Word {
    match text {
        "null" | "" => return Word::Value(Value::Null),
        "true" => return Word::Value(Value::Bool(true)),
        "false" => return Word::Value(Value::Bool(false)),
        _ => {}
    }
    if !is_number(text) {
        return Word::Text;
    }
    let whole = !text.contains(['.', 'e', 'E']);
    let number = text.parse::<Number>().ok().filter(|n| !whole || !n.is_f64() || text == "-0");
    number.map_or(Word::TooBig, |n| Word::Value(Value::Number(n)))
}

/// JSON's grammar of numbers.
fn is_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e.strip_prefix(['+', '-']).unwrap_or(e))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((w, f)) => (w, Some(f)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
