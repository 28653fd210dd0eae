//! [`Expr`]: one expression, parsed once, evaluated often.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ValueKind};
use serde_json::Value;

use super::convert::{Budget, view};
use super::environment::environment;
use super::path::{Found, Path, Refs, walk};
use super::scan::{Scanned, scan, variable};
use super::template::whole_expression;
use super::{ExprError, Scope};
use crate::limits;

/// A parsed expression (without braces).
#[derive(Debug)]
pub struct Expr {
    refs: Refs,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// No path in it: evaluated when it was parsed.
    Constant(Value),
    /// `input.v`: no minijinja at all.
    Path(Path),
    /// The rest.
    Program(Box<Program>),
}

struct Program {
    compiled: minijinja::Expression<'static, 'static>,
    paths: Vec<Path>,
    names: Arc<[String]>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Expr {
    /// Parses; braces around the whole are optional.
    ///
    /// # Errors
    /// [`ExprError`] with the offset.
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        let trimmed = source.trim();
        let leading = source.len() - source.trim_start().len();
        let (inner, base) = match whole_expression(trimmed)? {
            Some(range) => (&trimmed[range.clone()], leading + range.start),
            None if trimmed.contains("${{") => {
                let message = "write one expression: the braces go around all of it, or nowhere";
                return Err(ExprError::new("expr.syntax", message));
            }
            None => (trimmed, leading),
        };
        Self::parse_bare(inner).map_err(|mut e| {
            e.offset = e.offset.map(|o| o + base);
            e
        })
    }

    /// An expression that is this value.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self { refs: Refs::default(), kind: Kind::Constant(value) }
    }

    /// Parses a source that has no braces around it.
    pub(super) fn parse_bare(source: &str) -> Result<Self, ExprError> {
        if source.len() > limits::EXPRESSION_BYTES_MAX {
            let message =
                format!("an expression has at most {} bytes", limits::EXPRESSION_BYTES_MAX);
            return Err(ExprError::new("expr.too_long", message));
        }
        if source.trim().is_empty() {
            return Err(ExprError::new("expr.syntax", "the expression is empty"));
        }
        let Scanned { rewritten, mut paths, plain } = scan(source)?;
        let mut refs = Refs::default();
        paths.iter().for_each(|path| refs.add(path));
        if plain && let Some(path) = paths.pop() {
            return Ok(Self { refs, kind: Kind::Path(path) });
        }
        let compiled =
            environment().compile_expression_owned(rewritten).map_err(|e| from_jinja(&e))?;
        let names = (0..paths.len()).map(variable).collect();
        let program = Program { compiled, paths, names };
        let kind = if program.paths.is_empty() {
            Kind::Constant(program.eval(().into()).and_then(|v| bounded().read(&v))?)
        } else {
            Kind::Program(Box::new(program))
        };
        Ok(Self { refs, kind })
    }

    /// What it refers to.
    #[must_use]
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// Its value where it refers to nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// [`ExprError`] when undefined, out of fuel or too large.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        self.eval_within(scope, &mut Budget::new(limits::OUTPUT_BYTES_MAX))
    }

    /// Its value, paid from `budget`. What a path names was bounded when it was made; what an
    /// expression makes is bounded here.
    pub(super) fn eval_within(
        &self,
        scope: &dyn Scope,
        budget: &mut Budget,
    ) -> Result<Value, ExprError> {
        match &self.kind {
            Kind::Constant(value) => budget.copy(value),
            Kind::Path(path) => match path.find(scope) {
                Some(Found::Made(value)) => budget.copy(&value),
                Some(Found::In(root)) if path.keys.is_empty() => {
                    budget.charge(&root)?;
                    Ok(Arc::unwrap_or_clone(root))
                }
                Some(Found::In(root)) => {
                    walk(&root, &path.keys).map_or(Ok(Value::Null), |v| budget.copy(v))
                }
                None => Err(undefined([path], scope)),
            },
            Kind::Program(program) => {
                let made = program
                    .run(scope)
                    .and_then(|value| bounded().read(&value))
                    .map_err(|e| explain(e, &program.paths, scope))?;
                budget.charge(&made)?;
                Ok(made)
            }
        }
    }

    /// Its value, which must be a boolean.
    ///
    /// # Errors
    /// As [`Expr::eval`], and `expr.type`.
    pub fn eval_bool(&self, scope: &dyn Scope) -> Result<bool, ExprError> {
        if let Kind::Program(program) = &self.kind {
            let value = program.run(scope).map_err(|e| explain(e, &program.paths, scope))?;
            if value.kind() == ValueKind::Bool {
                return Ok(value.is_true());
            }
        }
        match self.eval(scope)? {
            Value::Bool(b) => Ok(b),
            other => Err(not_boolean(&other)),
        }
    }
}

/// The error of a condition that is not true or false.
pub(crate) fn not_boolean(value: &Value) -> ExprError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ExprError::new("expr.type", format!("the condition must be true or false, it is {kind}"))
}

fn bounded() -> Budget {
    Budget::new(limits::EXPRESSION_OUTPUT_BYTES_MAX)
}

impl Program {
    fn run(&self, scope: &dyn Scope) -> Result<minijinja::Value, ExprError> {
        self.eval(context(&self.paths, &self.names, scope))
    }

    fn eval(&self, context: minijinja::Value) -> Result<minijinja::Value, ExprError> {
        self.compiled.eval(context).map_err(|e| from_jinja(&e))
    }
}

/// What `paths` lead to, under `names`.
pub(super) fn context(
    paths: &[Path],
    names: &Arc<[String]>,
    scope: &dyn Scope,
) -> minijinja::Value {
    let values = paths.iter().map(|path| resolve(path, scope)).collect();
    minijinja::Value::from_object(Context { names: Arc::clone(names), values })
}

/// Names what is missing, where something is.
pub(super) fn explain(error: ExprError, paths: &[Path], scope: &dyn Scope) -> ExprError {
    let missing: Vec<&Path> = paths.iter().filter(|path| path.find(scope).is_none()).collect();
    let about_undefined = error.code == "expr.undefined" || error.message.contains("undefined");
    if missing.is_empty() || !about_undefined {
        return error;
    }
    undefined(missing, scope)
}

fn resolve(path: &Path, scope: &dyn Scope) -> Option<minijinja::Value> {
    match path.find(scope)? {
        Found::In(root) => view(root, &path.keys),
        Found::Made(value) => view(Arc::new(value), &[]),
    }
}

fn undefined<'a>(paths: impl IntoIterator<Item = &'a Path>, scope: &dyn Scope) -> ExprError {
    use super::path::Root;
    let mut names = Vec::new();
    let mut why = String::new();
    for path in paths {
        names.push(format!("`{path}`"));
        if let Root::Step(id, _) = &path.root {
            why = match scope.step(id) {
                None => format!(" (step `{id}` has not run)"),
                Some(step) if step.status != "succeeded" => format!(" (step `{id}` {})", {
                    if step.status == "skipped" { "was skipped" } else { step.status }
                }),
                Some(_) => why,
            };
        }
    }
    let message = format!("{} is undefined{why}", names.join(", "));
    ExprError::new("expr.undefined", message)
}

/// The variables of one evaluation.
#[derive(Debug)]
struct Context {
    names: Arc<[String]>,
    values: Vec<Option<minijinja::Value>>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        let index = self.names.iter().position(|name| name == key)?;
        self.values.get(index)?.clone()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// minijinja's error in our codes.
pub(super) fn from_jinja(error: &minijinja::Error) -> ExprError {
    use minijinja::ErrorKind;
    let code = match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => "expr.syntax",
        ErrorKind::UndefinedError => "expr.undefined",
        ErrorKind::OutOfFuel => "expr.fuel",
        ErrorKind::UnknownFilter => "expr.unknown_filter",
        ErrorKind::UnknownTest => "expr.unknown_test",
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => "expr.unknown_function",
        _ => "expr.value",
    };
    let message = match (code, error.detail()) {
        ("expr.fuel", _) => "the expression does too much work".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (_, None) => error.kind().to_string(),
    };
    ExprError { code, message, offset: None }
}
