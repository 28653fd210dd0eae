//! Expressions: `${{ … }}` in documents, evaluated over a [`Scope`], pure and bounded.
//!
//! The language is minijinja's, one expression at a time. Not a programming language: no include,
//! import, macro, clock, randomness or secret; fuel and output are capped.
//!
//! - A text that is exactly one `${{ expr }}` keeps the value's type; otherwise the result is text
//!   (`null` is empty, texts are as they are, everything else is compact JSON).
//! - Undefined is an error (`expr.undefined`), but `| default(…)` and `is defined` work, however
//!   many parts of a path are missing: `${{ input.customer.city | default("") }}`.
//! - What an expression refers to is known when it is parsed, so `steps` cannot be indexed by
//!   computed names.
//!
//! ```
//! use levqor_core::expr::{Expr, MapScope};
//! use serde_json::json;
//! let scope = MapScope::new().with_root("input", json!({ "total": 3 }));
//! let more = Expr::parse("${{ input.total > 2 and input.kind | default('x') == 'x' }}")?;
//! assert!(more.eval_bool(&scope)?);
//! # Ok::<(), levqor_core::expr::ExprError>(())
//! ```

mod convert;
mod environment;
mod eval;
mod filters;
mod page;
mod path;
mod scan;
mod scope;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

pub use environment::{FILTERS, FUNCTIONS, TESTS};
pub use eval::Expr;
pub(crate) use eval::not_boolean;
pub use path::Refs;
pub use scope::MapScope;
pub use template::{Fault, Template};

/// What an expression can see. Implemented by the run's tree; by [`MapScope`] elsewhere.
pub trait Scope {
    /// The value of a root name other than `steps`: `input`, `vars`, `item`, `index`, `event`,
    /// `error`, `run`, `now` or a loop's `as` name.
    fn root(&self, name: &str) -> Option<Arc<Value>>;
    /// A finished step that is in sight, as `{status, output, error}` parts.
    fn step(&self, id: &str) -> Option<StepView>;
}

/// A finished step as expressions see it: `steps.<id>.status|output|error`.
#[derive(Clone, Debug)]
pub struct StepView {
    /// `succeeded`, `failed` or `skipped`.
    pub status: &'static str,
    /// Its output; `None` (undefined) where it was skipped or failed.
    pub output: Option<Arc<Value>>,
    /// Its error object where it failed.
    pub error: Option<Arc<Value>>,
}

/// Every code of expressions with what it means. Append-only.
pub const CODES: &[(&str, &str)] = &[
    ("expr.syntax", "the expression does not parse"),
    ("expr.too_long", "the expression is over 8 KiB; longer ones belong in a connector"),
    ("expr.unknown_filter", "there is no filter of this name"),
    ("expr.unknown_test", "there is no test of this name after `is`"),
    ("expr.unknown_function", "there is no function or method of this name"),
    ("expr.unknown_tag", "there is no `{% tag %}` of this name"),
    ("expr.dynamic_step", "`steps` is indexed by something other than a constant id"),
    ("expr.step_field", "a step has `status`, `output` and `error`, nothing else"),
    ("expr.key", "the key of an object holds an expression; only values can"),
    ("expr.undefined", "the expression needs something that is not there"),
    ("expr.fuel", "the expression does too much work"),
    ("expr.too_large", "the result is over its limit (1 MiB computed, 16 MiB copied)"),
    ("expr.depth", "the result is nested more than 64 deep"),
    ("expr.number", "a number is infinite, or a whole one does not fit into 64 bits"),
    ("expr.type", "the result has the wrong type, as a condition that is not true or false"),
    ("expr.value", "an operation cannot be done with these values, as a division by zero"),
];

/// Why an expression does not parse or evaluate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stable, one of [`CODES`].
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Byte offset within the text that was parsed, where known.
    pub offset: Option<usize>,
}

impl ExprError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), offset: None }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }
}
