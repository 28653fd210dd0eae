//! Between JSON and minijinja values: in without copying, out with a budget.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use serde_json::{Map, Number, Value};

use super::ExprError;
use super::path::{Key, walk};
use crate::limits;

/// A list or object inside a shared JSON value. Copies nothing until it is part of a result.
pub(super) struct Lazy {
    root: Arc<Value>,
    keys: Vec<Key>,
}

impl Lazy {
    fn node(&self) -> &Value {
        walk(&self.root, &self.keys).unwrap_or(&Value::Null)
    }

    fn child(&self, key: Key) -> Option<minijinja::Value> {
        let found = walk(self.node(), std::slice::from_ref(&key))?;
        let nested = || {
            let mut keys = Vec::with_capacity(self.keys.len() + 1);
            keys.extend(self.keys.iter().cloned());
            keys.push(key.clone());
            Self { root: Arc::clone(&self.root), keys }
        };
        Some(simple(found).unwrap_or_else(|| minijinja::Value::from_object(nested())))
    }
}

/// What `keys` inside `root` are for minijinja.
pub(super) fn view(root: Arc<Value>, keys: &[Key]) -> Option<minijinja::Value> {
    let found = walk(&root, keys)?;
    Some(match simple(found) {
        Some(simple) => simple,
        None => minijinja::Value::from_object(Lazy { root, keys: keys.to_vec() }),
    })
}

fn simple(value: &Value) -> Option<minijinja::Value> {
    Some(match value {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(b) => minijinja::Value::from(*b),
        Value::Number(n) => number_in(n),
        Value::String(s) => minijinja::Value::from(s.as_str()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn number_in(n: &Number) -> minijinja::Value {
    if let Some(i) = n.as_i64() {
        minijinja::Value::from(i)
    } else if let Some(u) = n.as_u64() {
        minijinja::Value::from(u)
    } else {
        minijinja::Value::from(n.as_f64().unwrap_or(f64::NAN))
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node())
    }
}

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.node() {
            Value::Array(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        match self.node() {
            Value::Array(_) => self.child(Key::Index(key.as_usize()?)),
            _ => self.child(Key::Name(key.as_str()?.into())),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.node() {
            Value::Array(list) => Enumerator::Seq(list.len()),
            Value::Object(map) => {
                Enumerator::Values(map.keys().map(|k| minijinja::Value::from(k.as_str())).collect())
            }
            _ => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.node() {
            Value::Array(list) => Some(list.len()),
            Value::Object(map) => Some(map.len()),
            _ => Some(0),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node())
    }
}

/// Bytes a result may still take, counted roughly as JSON.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ExprError> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            ExprError::new("expr.too_large", "the result of the expression is too large")
        })?;
        Ok(())
    }

    /// A copy of `value`, paid for.
    pub(super) fn copy(&mut self, value: &Value) -> Result<Value, ExprError> {
        self.charge(value)?;
        Ok(value.clone())
    }

    pub(super) fn charge(&mut self, value: &Value) -> Result<(), ExprError> {
        match value {
            Value::Null | Value::Bool(_) => self.take(5),
            Value::Number(_) => self.take(8),
            Value::String(s) => self.take(s.len() + 3),
            Value::Array(list) => {
                self.take(2)?;
                list.iter().try_for_each(|v| self.charge(v))
            }
            Value::Object(map) => {
                self.take(2)?;
                map.iter().try_for_each(|(k, v)| {
                    self.take(k.len() + 4)?;
                    self.charge(v)
                })
            }
        }
    }

    /// A minijinja value as JSON, paid for.
    pub(super) fn read(&mut self, value: &minijinja::Value) -> Result<Value, ExprError> {
        self.read_at(value, 0)
    }

    fn read_at(&mut self, value: &minijinja::Value, depth: usize) -> Result<Value, ExprError> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(ExprError::new("expr.depth", "the result is nested too deeply"));
        }
        if let Some(lazy) = value.downcast_object_ref::<Lazy>() {
            return self.copy(lazy.node());
        }
        match value.kind() {
            ValueKind::Undefined => Err(ExprError::new("expr.undefined", "the value is undefined")),
            ValueKind::None => self.take(5).map(|()| Value::Null),
            ValueKind::Bool => self.take(5).map(|()| Value::Bool(value.is_true())),
            ValueKind::Number => self.take(8).and_then(|()| number_out(value)),
            ValueKind::String => {
                let text = value.as_str().unwrap_or_default();
                self.take(text.len() + 3)?;
                Ok(Value::from(text))
            }
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth),
            ValueKind::Map => self.object(value, depth),
            other => Err(ExprError::new("expr.type", format!("a {other} is not a JSON value"))),
        }
    }

    fn list(&mut self, value: &minijinja::Value, depth: usize) -> Result<Value, ExprError> {
        self.take(2)?;
        let items = value.try_iter().map_err(|e| super::eval::from_jinja(&e))?;
        let mut list = Vec::new();
        for item in items {
            list.push(self.read_at(&item, depth + 1)?);
            self.take(1)?;
        }
        Ok(Value::Array(list))
    }

    fn object(&mut self, value: &minijinja::Value, depth: usize) -> Result<Value, ExprError> {
        self.take(2)?;
        let keys = value.try_iter().map_err(|e| super::eval::from_jinja(&e))?;
        let mut map = Map::new();
        for key in keys {
            let name = match key.kind() {
                ValueKind::String | ValueKind::Number | ValueKind::Bool => key.to_string(),
                other => {
                    let message = format!("a {other} cannot be the key of an object");
                    return Err(ExprError::new("expr.type", message));
                }
            };
            self.take(name.len() + 4)?;
            let item = value.get_item(&key).map_err(|e| super::eval::from_jinja(&e))?;
            map.insert(name, self.read_at(&item, depth + 1)?);
        }
        Ok(Value::Object(map))
    }
}

fn number_out(value: &minijinja::Value) -> Result<Value, ExprError> {
    if value.is_integer() {
        if let Ok(i) = i64::try_from(value.clone()) {
            return Ok(Value::from(i));
        }
        return u64::try_from(value.clone()).map(Value::from).map_err(|_| {
            ExprError::new("expr.number", "the whole number does not fit into 64 bits")
        });
    }
    let float = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
    float
        .map(Value::Number)
        .ok_or_else(|| ExprError::new("expr.number", "the number is infinite or not a number"))
}
