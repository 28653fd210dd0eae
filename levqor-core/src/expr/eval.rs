//! Parsing and evaluation on minijinja.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ExprError, Scope};

/// Names an expression refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// Root names other than `steps`.
    pub roots: BTreeSet<String>,
    /// Step ids after `steps.`.
    pub steps: BTreeSet<String>,
}

/// A parsed expression (without braces).
#[derive(Debug)]
pub struct Expr {
    refs: Refs,
}

impl Expr {
    /// Parses; braces around the whole are optional.
    ///
    /// # Errors
    /// [`ExprError`] with the offset.
    pub fn parse(_source: &str) -> Result<Self, ExprError> {
        Ok(Self { refs: Refs::default() })
    }

    /// What it refers to.
    #[must_use]
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// Its value.
    ///
    /// # Errors
    /// [`ExprError`] when undefined, out of fuel or too large.
    pub fn eval(&self, _scope: &dyn Scope) -> Result<Value, ExprError> {
        Ok(Value::Null)
    }

    /// Its value, which must be a boolean.
    ///
    /// # Errors
    /// As [`Expr::eval`], and `expr.type`.
    pub fn eval_bool(&self, _scope: &dyn Scope) -> Result<bool, ExprError> {
        Ok(false)
    }
}

/// A JSON value with `${{ … }}` anywhere in its texts.
#[derive(Debug)]
pub struct Template {
    refs: Refs,
}

impl Template {
    /// Parses every text in `value`.
    ///
    /// # Errors
    /// The first [`ExprError`].
    pub fn parse(_value: &Value) -> Result<Self, ExprError> {
        Ok(Self { refs: Refs::default() })
    }

    /// What it refers to.
    #[must_use]
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// The value with every expression evaluated.
    ///
    /// # Errors
    /// [`ExprError`] when undefined, out of fuel or too large.
    pub fn render(&self, _scope: &dyn Scope) -> Result<Value, ExprError> {
        Ok(Value::Null)
    }
}
