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

/// Why an expression does not parse or evaluate.
///
/// Codes, append-only: `expr.syntax`, `expr.too_long`, `expr.unknown_filter`, `expr.unknown_test`,
/// `expr.unknown_function`, `expr.dynamic_step`, `expr.step_field`, `expr.key`, `expr.undefined`,
/// `expr.fuel`, `expr.too_large`, `expr.depth`, `expr.number`, `expr.type`, `expr.value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stable: `expr.syntax`, `expr.undefined`, `expr.fuel`, `expr.too_large`, `expr.type`, …
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
