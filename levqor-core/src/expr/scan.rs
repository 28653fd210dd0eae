//! Finds every path in an expression, before minijinja sees it.
//!
//! Paths are replaced by short names (`_0`, `_1`, …), so that they are resolved on JSON directly,
//! a missing middle part is as undefined as a missing end, and what an expression refers to is
//! known at once. This reads tokens only; grammar is minijinja's business.

use std::ops::Range;
use std::sync::Arc;

use super::path::{Field, Key, Path, Root};
use super::{ExprError, FILTERS, FUNCTIONS, TESTS};
use crate::nearest::nearest;

/// An expression with its paths taken out.
pub(super) struct Scanned {
    /// The expression to compile; offsets are as in the source wherever the names fit.
    pub(super) rewritten: String,
    /// What `_0`, `_1`, … stand for.
    pub(super) paths: Vec<Path>,
    /// The whole expression is one path.
    pub(super) plain: bool,
}

const WORDS: &[&str] = &[
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None",
];

pub(super) fn scan(source: &str) -> Result<Scanned, ExprError> {
    let mut paths = Vec::new();
    let (rewritten, plain) = scan_within(source, &[], &mut paths)?;
    Ok(Scanned { rewritten, paths, plain })
}

/// Scans a part of something larger: `locals` are names of its own, `paths` those found so far.
/// Yields the rewritten part and whether all of it is one path.
pub(super) fn scan_within(
    source: &str,
    locals: &[&str],
    paths: &mut Vec<Path>,
) -> Result<(String, bool), ExprError> {
    let mut scan = Scan { source, at: 0, out: String::with_capacity(source.len()), paths, locals };
    let mut only = None;
    let mut tokens = 0_usize;
    while scan.skip_space() {
        let start = scan.at;
        let path = scan.token()?;
        tokens += 1;
        let end = scan.at;
        match path {
            Some(path) => {
                scan.write_name(path, start..end);
                only = Some(());
            }
            None => scan.out.push_str(&source[start..end]),
        }
    }
    Ok((scan.out, tokens == 1 && only.is_some()))
}

/// The name of path number `index` in the rewritten expression.
pub(super) fn variable(index: usize) -> String {
    format!("_{index}")
}

struct Scan<'a, 'p> {
    source: &'a str,
    at: usize,
    out: String,
    paths: &'p mut Vec<Path>,
    locals: &'p [&'p str],
}

impl<'a> Scan<'a, '_> {
    fn peek(&self) -> u8 {
        self.source.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn peek_after_space(&self) -> (u8, u8) {
        let rest = self.source[self.at..].trim_ascii_start().as_bytes();
        (rest.first().copied().unwrap_or(0), rest.get(1).copied().unwrap_or(0))
    }

    /// Copies white space; false at the end.
    fn skip_space(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
        self.out.push_str(&self.source[start..self.at]);
        self.at < self.source.len()
    }

    /// Reads one token; a path's tokens count as one.
    fn token(&mut self) -> Result<Option<Path>, ExprError> {
        match self.peek() {
            b'"' | b'\'' => self.text().map(|_| None),
            b'0'..=b'9' => {
                self.number();
                Ok(None)
            }
            b'|' => {
                self.at += 1;
                self.checked_name(FILTERS, "expr.unknown_filter", "filter").map(|()| None)
            }
            b'.' => {
                // The attribute of something that is not a path, as in `(a or b).name`.
                self.at += 1;
                self.spaces();
                self.name();
                Ok(None)
            }
            b if is_name_start(b) => self.word(),
            _ => {
                self.at += self.source[self.at..].chars().next().map_or(1, char::len_utf8);
                Ok(None)
            }
        }
    }

    fn spaces(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn name(&mut self) -> &'a str {
        let start = self.at;
        while is_name_start(self.peek()) || (self.at > start && self.peek().is_ascii_digit()) {
            self.at += 1;
        }
        &self.source[start..self.at]
    }

    fn number(&mut self) {
        loop {
            let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
            match self.peek() {
                b if b.is_ascii_alphanumeric() || b == b'_' => self.at += 1,
                b'.' if digit(self.source.as_bytes().get(self.at + 1)) => self.at += 1,
                _ => return,
            }
        }
    }

    /// A quoted text; its content where it has no escapes.
    fn text(&mut self) -> Result<Option<&'a str>, ExprError> {
        let (start, quote) = (self.at, self.peek());
        let mut plain = true;
        self.at += 1;
        loop {
            match self.peek() {
                b if b == quote => break,
                0 if self.at >= self.source.len() => {
                    let error = ExprError::new("expr.syntax", "the text is not closed");
                    return Err(error.at(start));
                }
                b'\\' => {
                    plain = false;
                    self.at = (self.at + 2).min(self.source.len());
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(plain.then(|| &self.source[start + 1..self.at - 1]))
    }

    /// The name after `|` or `is`, which must be one we have.
    fn checked_name(
        &mut self,
        known: &[&str],
        code: &'static str,
        what: &str,
    ) -> Result<(), ExprError> {
        self.spaces();
        let start = self.at;
        let name = self.name();
        if name.is_empty() || known.contains(&name) {
            return Ok(());
        }
        let hint = nearest(name, known.iter().copied())
            .map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        Err(ExprError::new(code, format!("there is no {what} `{name}`{hint}")).at(start))
    }

    fn word(&mut self) -> Result<Option<Path>, ExprError> {
        let start = self.at;
        let name = self.name();
        if name == "is" {
            self.spaces();
            let before = self.at;
            if self.name() != "not" {
                self.at = before;
            }
            return self.checked_name(TESTS, "expr.unknown_test", "test").map(|()| None);
        }
        if WORDS.contains(&name) {
            return Ok(None);
        }
        match self.peek_after_space() {
            // A keyword argument's name.
            (b'=', next) if next != b'=' => return Ok(None),
            (b'(', _) => {
                self.at = start;
                return self
                    .checked_name(FUNCTIONS, "expr.unknown_function", "function")
                    .map(|()| None);
            }
            _ => {}
        }
        if self.locals.contains(&name) {
            return Ok(None);
        }
        let path = if name == "steps" { self.step(start)? } else { self.rooted(name)? };
        if self.peek_after_space().0 == b'(' {
            let message = "values have no methods; use a filter, as in `x | length`";
            return Err(ExprError::new("expr.unknown_function", message).at(start));
        }
        Ok(Some(path))
    }

    fn rooted(&mut self, name: &str) -> Result<Path, ExprError> {
        let mut keys = Vec::new();
        while let Some(key) = self.key(false)? {
            keys.push(key);
        }
        Ok(Path { root: Root::Name(name.into()), keys })
    }

    fn step(&mut self, start: usize) -> Result<Path, ExprError> {
        let Some(Key::Name(id)) = self.key(true)? else {
            let message = "`steps` is followed by a step's id, as in `steps.lookup.output`; \
                           the id cannot be computed";
            return Err(ExprError::new("expr.dynamic_step", message).at(start));
        };
        let before = self.at;
        let field = match self.key(false)? {
            None => None,
            Some(Key::Name(name)) => match Field::parse(&name) {
                Some(field) => Some(field),
                None => return Err(step_field(&id, &name).at(before)),
            },
            Some(Key::Index(_)) => return Err(step_field(&id, "[…]").at(before)),
        };
        if field.is_none() && self.peek_after_space().0 == b'[' {
            return Err(step_field(&id, "[…]").at(before));
        }
        let mut keys = Vec::new();
        while field.is_some() {
            let Some(key) = self.key(false)? else { break };
            keys.push(key);
        }
        Ok(Path { root: Root::Step(id, field), keys })
    }

    /// One constant key: `.name`, `["name"]` or `[3]`. Leaves anything else where it is.
    fn key(&mut self, step_id: bool) -> Result<Option<Key>, ExprError> {
        let before = self.at;
        self.spaces();
        let key = match self.peek() {
            b'.' => self.dotted(step_id),
            b'[' => self.subscript()?,
            _ => None,
        };
        if key.is_none() {
            self.at = before;
        }
        Ok(key)
    }

    fn dotted(&mut self, step_id: bool) -> Option<Key> {
        self.at += 1;
        self.spaces();
        let name = self.name();
        if name.is_empty() {
            return None;
        }
        if step_id {
            let start = self.at - name.len();
            self.hyphens();
            return Some(Key::Name(self.source[start..self.at].into()));
        }
        Some(Key::Name(name.into()))
    }

    /// `steps.send-mail.output`: a step cannot be subtracted, so the hyphen is part of the id.
    fn hyphens(&mut self) {
        let rest = &self.source[self.at..];
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = rest.find(|c| !is_id(c)).unwrap_or(rest.len());
        let (tail, after) = rest.split_at(length);
        let known = ["output", "status", "error"];
        let field = after.strip_prefix('.').is_some_and(|a| known.iter().any(|k| a.starts_with(k)));
        if tail.starts_with('-') && !tail.ends_with('-') && field {
            self.at += length;
        }
    }

    fn subscript(&mut self) -> Result<Option<Key>, ExprError> {
        self.at += 1;
        self.spaces();
        let key = match self.peek() {
            b'"' | b'\'' => self.text()?.map(|name| Key::Name(name.into())),
            b'0'..=b'9' => {
                let start = self.at;
                self.number();
                self.source[start..self.at].parse().ok().map(Key::Index)
            }
            _ => None,
        };
        self.spaces();
        let closed = self.peek() == b']';
        self.at += usize::from(closed);
        Ok(key.filter(|_| closed))
    }

    fn write_name(&mut self, path: Path, source: Range<usize>) {
        let index = self.paths.iter().position(|p| *p == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        let name = variable(index);
        let width = source.len();
        self.out.push_str(&format!("{name:width$}"));
    }
}

fn step_field(id: &Arc<str>, found: &str) -> ExprError {
    let hint = format!("`steps.{id}.output` has what the step returned");
    ExprError::new(
        "expr.step_field",
        format!("a step has `status`, `output` and `error`, not `{found}`; {hint}"),
    )
}

fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}
