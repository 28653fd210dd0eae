//! Expressions: `${{ … }}` in documents, evaluated over a [`Scope`], pure and bounded.
//!
//! Not a programming language: no include, import, macro, clock, randomness or secret; fuel and
//! output are capped. A value that is exactly one `${{ expr }}` keeps its type, otherwise the
//! result is text.

mod eval;

use std::sync::Arc;

use serde_json::Value;

pub use eval::{Expr, Refs, Template};

/// What an expression can see. Implemented by the run's tree; by maps in tests.
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Stable: `expr.syntax`, `expr.undefined`, `expr.fuel`, `expr.too_large`, `expr.type`, …
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Byte offset within the expression's source, where known.
    pub offset: Option<usize>,
}
