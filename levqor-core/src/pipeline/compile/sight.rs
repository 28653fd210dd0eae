//! What an expression at some place may refer to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Compiler;
use crate::document::{Condition, Issue};
use crate::expr::{Expr, ExprError, Refs, Template, not_boolean};

/// Names that are there everywhere in a run.
const ROOTS: [&str; 4] = ["input", "vars", "run", "now"];
/// Names that are there in some places.
const PLACED: [&str; 4] = ["item", "index", "event", "error"];

/// Steps that have certainly run, and root names that are known.
#[derive(Clone, Debug)]
pub(super) struct Sight<'a> {
    steps: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
}

impl<'a> Sight<'a> {
    /// At the top of a document.
    pub(super) fn top() -> Self {
        Self { steps: BTreeSet::new(), names: ROOTS.into() }
    }

    /// Outside of any run: only these names.
    pub(super) fn only(names: &[&'a str]) -> Self {
        Self { steps: BTreeSet::new(), names: names.iter().copied().collect() }
    }

    pub(super) fn with_name(&self, name: &'a str) -> Self {
        let mut sight = self.clone();
        sight.names.insert(name);
        sight
    }

    pub(super) fn with_steps(&self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sight = self.clone();
        sight.steps.extend(ids);
        sight
    }

    pub(super) fn add_step(&mut self, id: &'a str) {
        self.steps.insert(id);
    }
}

/// Whether a loop's `as` can be called so.
pub(super) fn is_free_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let words = [
        "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False",
        "None", "range", "dict", "steps", "index", "event", "error",
    ];
    first
        && name.len() <= crate::limits::ID_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !words.contains(&name)
        && !ROOTS.contains(&name)
}

impl<'a> Compiler<'a> {
    /// A template whose references are checked.
    pub(super) fn template(
        &mut self,
        value: &Value,
        at: &str,
        sight: &Sight<'a>,
    ) -> Option<Template> {
        let template = match Template::parse_all(value) {
            Ok(template) => template,
            Err(faults) => {
                for fault in faults {
                    let text = value.pointer(&fault.pointer).and_then(Value::as_str);
                    self.expression_fault(&format!("{at}{}", fault.pointer), text, &fault.error);
                }
                return None;
            }
        };
        let mut found = Vec::new();
        template.each(&mut |pointer, expr| found.push((pointer.to_owned(), expr.refs().clone())));
        for (pointer, refs) in found {
            let text = value.pointer(&pointer).and_then(Value::as_str);
            self.check_refs(&format!("{at}{pointer}"), text, &refs, sight);
        }
        Some(template)
    }

    /// A template of a text.
    pub(super) fn text(&mut self, text: &str, at: &str, sight: &Sight<'a>) -> Option<Template> {
        self.template(&Value::from(text), at, sight)
    }

    /// A text with blocks whose references are checked.
    pub(super) fn page(&mut self, text: &str, at: &str, sight: &Sight<'a>) -> Option<Template> {
        match Template::parse_page(text) {
            Ok(template) => {
                self.check_refs(at, Some(text), template.refs(), sight);
                Some(template)
            }
            Err(error) => {
                self.expression_fault(at, Some(text), &error);
                None
            }
        }
    }

    /// A condition whose references are checked.
    pub(super) fn condition(
        &mut self,
        condition: &Condition,
        at: &str,
        sight: &Sight<'a>,
    ) -> Option<Expr> {
        match condition {
            Condition::Constant(constant) => Some(Expr::from_value(Value::Bool(*constant))),
            Condition::Expression(text) => self.expression(text, at, sight),
        }
    }

    pub(super) fn expression(&mut self, text: &str, at: &str, sight: &Sight<'a>) -> Option<Expr> {
        let expr = match Expr::parse(text) {
            Ok(expr) => expr,
            Err(error) => {
                self.expression_fault(at, Some(text), &error);
                return None;
            }
        };
        if let Some(constant) = expr.constant().filter(|c| !c.is_boolean()) {
            self.expression_fault(at, Some(text), &not_boolean(constant));
            return None;
        }
        self.check_refs(at, Some(text), expr.refs(), sight);
        Some(expr)
    }

    fn expression_fault(&mut self, at: &str, text: Option<&str>, error: &ExprError) {
        if self.is_full() {
            return;
        }
        let span = self.spans.zip(text).and_then(|(spans, text)| {
            spans.within(at, text, error.offset.unwrap_or(0)).or_else(|| spans.nearest(at))
        });
        let span = span.or_else(|| self.spans.and_then(|s| s.nearest(at)));
        self.issues.push(Issue::at(error.code, at, error.message.clone(), self.spans, span));
    }

    fn check_refs(&mut self, at: &str, text: Option<&str>, refs: &Refs, sight: &Sight<'a>) {
        for id in refs.steps.iter().filter(|id| !sight.steps.contains(id.as_str())) {
            let (code, message, suggestion) = self.out_of_sight(id, sight);
            self.reference(code, at, text, id, message, suggestion);
        }
        for name in refs.roots.iter().filter(|name| !sight.names.contains(name.as_str())) {
            let (message, suggestion) = self.unknown_name(name, sight);
            self.reference("document.unknown_name", at, text, name, message, suggestion);
        }
    }

    fn reference(
        &mut self,
        code: &'static str,
        at: &str,
        text: Option<&str>,
        name: &str,
        message: String,
        suggestion: Option<String>,
    ) {
        if self.is_full() {
            return;
        }
        let span = self.spans.zip(text).and_then(|(spans, text)| {
            let start = spans.within(at, text, text.find(name)?)?.start;
            Some(start..start + name.len())
        });
        let span = span.or_else(|| self.spans.and_then(|s| s.nearest(at)));
        let issue = Issue::at(code, at, message, self.spans, span).suggest(suggestion);
        self.issues.push(issue);
    }

    fn out_of_sight(&self, id: &str, sight: &Sight<'a>) -> (&'static str, String, Option<String>) {
        let Some(around) = self.places.get(id) else {
            let all = self.places.keys().copied();
            // `steps.send-mail` without a part after it reads as `steps.send` minus `mail`.
            let hyphen = all.clone().find(|known| {
                known.strip_prefix(id).is_some_and(|rest| rest.starts_with(['-', '.']))
            });
            let guess = hyphen.map(|h| format!("`steps[\"{h}\"]`"));
            let guess = guess.or_else(|| self.guess(id, all).map(|n| format!("`steps.{n}`")));
            return ("document.unknown_step", format!("there is no step `{id}`"), guess);
        };
        let visible = around.iter().find(|composite| sight.steps.contains(*composite));
        if let Some(composite) = visible {
            let message =
                format!("step `{id}` is inside of `{composite}` and not in sight out here");
            let guess = format!("`steps.{composite}.output`");
            return ("document.step_not_in_sight", message, Some(guess));
        }
        let message = format!(
            "step `{id}` need not have run before this one: it must stand earlier in the same \
             list or in one around it (or be among its `needs`)"
        );
        ("document.step_not_in_sight", message, None)
    }

    fn unknown_name(&self, name: &str, sight: &Sight<'a>) -> (String, Option<String>) {
        if self.places.contains_key(name) {
            return (format!("`{name}` is a step"), Some(format!("`steps.{name}.output`")));
        }
        let message = match name {
            "env" | "secrets" | "secret" | "credentials" => {
                "secrets and the environment are never in expressions; name a `credential`".into()
            }
            "item" | "index" => format!("`{name}` is only there inside of a loop"),
            "error" => "`error` is only there in `catch`, `on_failure` and `retry.when`".into(),
            "event" => "`event` is only there in triggers and in `wait_event`".into(),
            _ => format!("`{name}` is not known here"),
        };
        let placed = PLACED.contains(&name);
        let guess = self.guess(name, sight.names.iter().copied()).filter(|_| !placed);
        (message, guess.map(|n| format!("`{n}`")))
    }

    /// Reports every expression inside of `value`, where only constants can stand.
    pub(super) fn refuse_expressions(&mut self, value: &Value, at: &str, why: &str) {
        match value {
            Value::String(text) if text.contains("${{") => {
                self.report("document.no_expression", at, format!("{why}, not expressions"));
            }
            Value::Array(list) => {
                for (i, item) in list.iter().enumerate() {
                    self.refuse_expressions(item, &format!("{at}/{i}"), why);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    self.refuse_expressions(item, &crate::document::join(at, key), why);
                }
            }
            _ => {}
        }
    }
}
