//! [`Page`]: a text with `{% for %}`, `{% if %}` and `{% set %}` around its `${{ … }}`.
//!
//! Only where a text is the point (`core/template`): anywhere else `{%` is just text. Bounded like
//! one expression; the names a page makes itself (of loops and `set`) hide those around it.

use std::fmt;
use std::sync::Arc;

use minijinja::Environment;

use super::environment::page_environment;
use super::eval::{context, explain, from_jinja};
use super::path::{Path, Refs};
use super::scan::{scan_within, variable};
use super::template::{closing, not_closed};
use super::{ExprError, Scope};
use crate::limits;
use crate::nearest::nearest;

/// Tags of pages. No include, import, macro, filter block or recursion.
const TAGS: [&str; 7] = ["for", "endfor", "if", "elif", "else", "endif", "set"];

/// Bytes of one page's source: a long newsletter. Expressions in it have their own limit.
const PAGE_BYTES_MAX: usize = 64 * 1024;

const NAME: &str = "page";

/// A text with blocks, compiled.
pub(super) struct Page {
    env: Environment<'static>,
    paths: Vec<Path>,
    names: Arc<[String]>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Page {
    pub(super) fn parse(text: &str) -> Result<Self, ExprError> {
        if text.len() > PAGE_BYTES_MAX {
            let message = format!("a template has at most {PAGE_BYTES_MAX} bytes");
            return Err(ExprError::new("expr.too_long", message));
        }
        let parts = split(text)?;
        let locals = locals(&parts);
        if let Some(name) = locals.iter().find(|name| **name == "steps") {
            return Err(ExprError::new("expr.syntax", format!("`{name}` cannot be set")));
        }
        let mut paths = Vec::new();
        let mut source = String::with_capacity(text.len());
        for part in &parts {
            match part.kind {
                Kind::Text => source.push_str(part.text),
                Kind::Expr | Kind::Tag => {
                    let (open, inner, close) = part.inside();
                    if inner.len() > limits::EXPRESSION_BYTES_MAX {
                        let most = limits::EXPRESSION_BYTES_MAX;
                        let message = format!("an expression has at most {most} bytes");
                        return Err(ExprError::new("expr.too_long", message).at(part.at));
                    }
                    let base = part.at + open.len();
                    let (word, rest) = part.tag(inner)?;
                    let scanned = scan_within(rest, &locals, &mut paths).map_err(|mut e| {
                        e.offset = e.offset.map(|o| o + base + word.len());
                        e
                    })?;
                    [open, word, &scanned.0, close].iter().for_each(|s| source.push_str(s));
                }
            }
        }
        let mut env = page_environment();
        env.add_template_owned(NAME, source).map_err(|e| from_jinja(&e))?;
        let names = (0..paths.len()).map(variable).collect();
        Ok(Self { env, paths, names })
    }

    pub(super) fn refs(&self) -> Refs {
        let mut refs = Refs::default();
        self.paths.iter().for_each(|path| refs.add(path));
        refs
    }

    pub(super) fn render(&self, scope: &dyn Scope) -> Result<String, ExprError> {
        let values = context(&self.paths, &self.names, scope);
        let text = self
            .env
            .get_template(NAME)
            .and_then(|template| template.render(values))
            .map_err(|e| explain(from_jinja(&e), &self.paths, scope))?;
        if text.len() > limits::EXPRESSION_OUTPUT_BYTES_MAX {
            return Err(ExprError::new("expr.too_large", "the text is too large"));
        }
        Ok(text)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Text and comments.
    Text,
    /// `${{ … }}`
    Expr,
    /// `{% … %}`
    Tag,
}

struct Part<'t> {
    kind: Kind,
    text: &'t str,
    at: usize,
}

impl<'t> Part<'t> {
    /// The opening delimiter, what is inside, and the closing one; both with white-space marks.
    fn inside(&self) -> (&'t str, &'t str, &'t str) {
        let (open, close) = if self.kind == Kind::Tag { (2, 2) } else { (3, 2) };
        let bytes = self.text.as_bytes();
        let mark = |b: Option<&u8>| usize::from(matches!(b, Some(b'-' | b'+')));
        let open = open + if self.kind == Kind::Tag { mark(bytes.get(open)) } else { 0 };
        let before = bytes.len().checked_sub(close + 1);
        let close = close
            + if self.kind == Kind::Tag { mark(before.and_then(|i| bytes.get(i))) } else { 0 };
        let end = bytes.len().saturating_sub(close).max(open);
        (&self.text[..open], &self.text[open..end], &self.text[end..])
    }

    /// A tag's word and what follows; nothing and everything for an expression.
    fn tag(&self, inner: &'t str) -> Result<(&'t str, &'t str), ExprError> {
        if self.kind != Kind::Tag {
            return Ok(("", inner));
        }
        let start = inner.len() - inner.trim_start().len();
        let length = inner[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let end = length.map_or(inner.len(), |l| start + l);
        let word = &inner[start..end];
        if TAGS.contains(&word) {
            return Ok(inner.split_at(end));
        }
        let hint =
            nearest(word, TAGS).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        let shown: String = word.chars().take(32).collect();
        let message = format!("there is no tag `{shown}`{hint}");
        Err(ExprError::new("expr.unknown_tag", message).at(self.at))
    }
}

fn split(text: &str) -> Result<Vec<Part<'_>>, ExprError> {
    let mut parts = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(at) = text[from..].find(['$', '{']).map(|i| from + i) {
        let rest = &text[at..];
        let (kind, end) = if rest.starts_with("${{") {
            (Kind::Expr, closing(text, at + 3).ok_or_else(|| not_closed(at))? + 2)
        } else if rest.starts_with("{%") {
            (Kind::Tag, tag_end(text, at)?)
        } else if rest.starts_with("{#") {
            let end = rest.find("#}").map(|i| at + i + 2);
            let open = || ExprError::new("expr.syntax", "`{#` is not closed by `#}`").at(at);
            (Kind::Text, end.ok_or_else(open)?)
        } else {
            from = at + 1;
            continue;
        };
        parts.push(Part { kind: Kind::Text, text: &text[done..at], at: done });
        parts.push(Part { kind, text: &text[at..end], at });
        (done, from) = (end, end);
    }
    parts.push(Part { kind: Kind::Text, text: &text[done..], at: done });
    Ok(parts)
}

/// Behind the `%}` that closes the tag at `start`: not one in a text.
fn tag_end(text: &str, start: usize) -> Result<usize, ExprError> {
    let bytes = text.as_bytes();
    let (mut at, mut quote) = (start + 2, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'%') if bytes.get(at + 1) == Some(&b'}') => return Ok(at + 2),
            _ => {}
        }
        at += 1;
    }
    Err(ExprError::new("expr.syntax", "`{%` is not closed by `%}`").at(start))
}

/// Names that the page makes: targets of `for` and `set`, and `loop`.
fn locals<'t>(parts: &[Part<'t>]) -> Vec<&'t str> {
    let mut names = vec!["loop"];
    for part in parts.iter().filter(|p| p.kind == Kind::Tag) {
        let Ok((word, rest)) = part.tag(part.inside().1) else { continue };
        let targets = match word.trim() {
            "for" => rest.split(" in ").next(),
            "set" => rest.split('=').next(),
            _ => None,
        };
        let words =
            targets.unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.filter(|word| !word.is_empty()));
    }
    names
}
