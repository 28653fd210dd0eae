//! Paths such as `input.items[0].name` and `steps.a.output.v`, resolved straight on JSON values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Scope, StepView};

/// Names an expression refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// Root names other than `steps`.
    pub roots: BTreeSet<String>,
    /// Step ids after `steps.`.
    pub steps: BTreeSet<String>,
}

impl Refs {
    pub(super) fn add(&mut self, path: &Path) {
        match &path.root {
            Root::Name(name) => self.roots.insert(name.to_string()),
            Root::Step(id, _) => self.steps.insert(id.to_string()),
        };
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.roots.extend(other.roots.iter().cloned());
        self.steps.extend(other.steps.iter().cloned());
    }
}

/// A root and the constant keys after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// `input`, `vars`, …
    Name(Arc<str>),
    /// `steps.<id>`, whole or one of its parts.
    Step(Arc<str>, Option<Field>),
}

/// The parts of a finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Status,
    Output,
    Error,
}

impl Field {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "status" => Some(Self::Status),
            "output" => Some(Self::Output),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// One key of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Name(Arc<str>),
    Index(usize),
}

/// Where a path leads.
pub(super) enum Found {
    /// A place inside a shared value.
    In(Arc<Value>),
    /// A value made for the question (a step's status, a whole step).
    Made(Value),
}

impl Path {
    /// What the path leads to; `None` is undefined, whichever part is missing.
    ///
    /// For [`Found::In`] the rest of the way are `self.keys`, and it exists.
    pub(super) fn find(&self, scope: &dyn Scope) -> Option<Found> {
        let shared = match &self.root {
            Root::Name(name) => scope.root(name)?,
            Root::Step(id, field) => {
                let step = scope.step(id)?;
                match field {
                    Some(Field::Output) => step.output?,
                    Some(Field::Error) => step.error?,
                    Some(Field::Status) if self.keys.is_empty() => {
                        return Some(Found::Made(Value::from(step.status)));
                    }
                    Some(Field::Status) => return None,
                    None => return Some(Found::Made(whole(&step))),
                }
            }
        };
        walk(&shared, &self.keys)?;
        Some(Found::In(shared))
    }
}

/// A step as one object: only the parts that exist.
fn whole(step: &StepView) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("status".to_owned(), Value::from(step.status));
    for (name, part) in [("output", &step.output), ("error", &step.error)] {
        if let Some(part) = part {
            object.insert(name.to_owned(), Value::clone(part));
        }
    }
    Value::Object(object)
}

/// The value at `keys` inside `value`.
pub(super) fn walk<'a>(value: &'a Value, keys: &[Key]) -> Option<&'a Value> {
    keys.iter().try_fold(value, |at, key| match (key, at) {
        (Key::Name(name), Value::Object(map)) => map.get(&**name),
        (Key::Index(index), Value::Array(list)) => list.get(*index),
        _ => None,
    })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Name(name) => f.write_str(name)?,
            Root::Step(id, field) => {
                f.write_str("steps")?;
                write_key(f, id)?;
                match field {
                    Some(Field::Status) => f.write_str(".status")?,
                    Some(Field::Output) => f.write_str(".output")?,
                    Some(Field::Error) => f.write_str(".error")?,
                    None => {}
                }
            }
        }
        self.keys.iter().try_for_each(|key| match key {
            Key::Name(name) => write_key(f, name),
            Key::Index(index) => write!(f, "[{index}]"),
        })
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && !name.is_empty() { write!(f, ".{name}") } else { write!(f, "[{name:?}]") }
}
