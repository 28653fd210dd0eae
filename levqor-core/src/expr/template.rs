//! [`Template`]: a JSON value with `${{ … }}` anywhere in its texts.

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Map, Value};

use super::convert::Budget;
use super::eval::Expr;
use super::page::Page;
use super::path::Refs;
use super::{ExprError, Scope};
use crate::limits;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A JSON value with `${{ … }}` anywhere in its texts.
#[derive(Debug)]
pub struct Template {
    refs: Refs,
    node: Node,
}

/// An [`ExprError`] and where in the value it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer from the template's root: `/email`.
    pub pointer: String,
    /// What is wrong there; its offset is in that text.
    pub error: ExprError,
}

#[derive(Debug)]
enum Node {
    /// Nothing to evaluate in here.
    Constant(Value),
    /// Exactly one expression: keeps its type.
    One(Expr),
    Text(Vec<Piece>),
    Page(Box<Page>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Expr(Expr),
}

impl Template {
    /// Parses every text in `value`.
    ///
    /// # Errors
    /// The first [`ExprError`].
    pub fn parse(value: &Value) -> Result<Self, ExprError> {
        Self::parse_all(value).map_err(|faults| {
            faults.into_iter().next().map_or_else(
                || ExprError::new("expr.syntax", "the template is not valid"),
                |f| f.error,
            )
        })
    }

    /// Parses every text in `value`; reports everything that is wrong.
    ///
    /// # Errors
    /// Every [`Fault`], in document order.
    pub fn parse_all(value: &Value) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let node = parse_node(value, &mut String::new(), &mut faults);
        if faults.is_empty() { Ok(Self::of(node)) } else { Err(faults) }
    }

    /// Parses one text whose result is text even where it is exactly one expression.
    ///
    /// # Errors
    /// The first [`ExprError`].
    pub fn parse_text(text: &str) -> Result<Self, ExprError> {
        Ok(Self::of(Node::Text(parse_pieces(text)?)))
    }

    /// Parses one text that may also hold `{% for %}`, `{% if %}` and `{% set %}`; the result is
    /// text.
    ///
    /// # Errors
    /// The first [`ExprError`].
    pub fn parse_page(text: &str) -> Result<Self, ExprError> {
        if !text.contains("{%") && !text.contains("{#") {
            return Self::parse_text(text);
        }
        let page = Page::parse(text)?;
        Ok(Self { refs: page.refs(), node: Node::Page(Box::new(page)) })
    }

    /// An object of templates.
    pub(crate) fn object(members: Vec<(String, Self)>) -> Self {
        let mut refs = Refs::default();
        members.iter().for_each(|(_, template)| refs.merge(&template.refs));
        let node = members.into_iter().map(|(name, template)| (name, template.node)).collect();
        Self { refs, node: Node::Object(node) }
    }

    fn of(node: Node) -> Self {
        let mut refs = Refs::default();
        node.each(&mut String::new(), &mut |_, expr| refs.merge(expr.refs()));
        Self { refs, node }
    }

    /// What it refers to.
    #[must_use]
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// Its value where nothing has to be evaluated.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.node {
            Node::Constant(value) => Some(value),
            Node::One(expr) => expr.constant(),
            _ => None,
        }
    }

    /// How many items it has where it is written as a list.
    pub(crate) fn length(&self) -> Option<usize> {
        match &self.node {
            Node::List(nodes) => Some(nodes.len()),
            _ => None,
        }
    }

    /// Calls `visit` with every expression and the JSON Pointer of the text it stands in.
    pub fn each(&self, visit: &mut dyn FnMut(&str, &Expr)) {
        self.node.each(&mut String::new(), visit);
    }

    /// The value with every expression evaluated.
    ///
    /// # Errors
    /// [`ExprError`] when undefined, out of fuel or too large.
    pub fn render(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        match &self.node {
            Node::Constant(value) => Ok(value.clone()),
            node => {
                let value = node.render(scope, &mut Budget::new(limits::OUTPUT_BYTES_MAX))?;
                if crate::value::is_too_deep(&value) {
                    return Err(ExprError::new("expr.depth", "the result is nested too deeply"));
                }
                Ok(value)
            }
        }
    }
}

impl Node {
    fn render(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, ExprError> {
        match self {
            Self::Constant(value) => budget.copy(value),
            Self::One(expr) => expr.eval_within(scope, budget),
            Self::Text(pieces) => {
                let text = text(pieces, scope)?;
                budget.take(text.len())?;
                Ok(Value::String(text))
            }
            Self::Page(page) => {
                let text = page.render(scope)?;
                budget.take(text.len())?;
                Ok(Value::String(text))
            }
            Self::List(nodes) => {
                let list: Result<_, _> = nodes.iter().map(|n| n.render(scope, budget)).collect();
                list.map(Value::Array)
            }
            Self::Object(nodes) => {
                let mut map = Map::new();
                for (name, node) in nodes {
                    map.insert(name.clone(), node.render(scope, budget)?);
                }
                Ok(Value::Object(map))
            }
        }
    }

    fn each(&self, pointer: &mut String, visit: &mut dyn FnMut(&str, &Expr)) {
        match self {
            Self::Constant(_) | Self::Page(_) => {}
            Self::One(expr) => visit(pointer, expr),
            Self::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Expr(expr) = piece {
                        visit(pointer, expr);
                    }
                }
            }
            Self::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    within(pointer, &index.to_string(), |p| node.each(p, visit));
                }
            }
            Self::Object(nodes) => {
                for (name, node) in nodes {
                    within(pointer, name, |p| node.each(p, visit));
                }
            }
        }
    }
}

fn text(pieces: &[Piece], scope: &dyn Scope) -> Result<String, ExprError> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Expr(expr) => {
                let left = limits::EXPRESSION_OUTPUT_BYTES_MAX.saturating_sub(out.len());
                match expr.eval_within(scope, &mut Budget::new(left + 8))? {
                    Value::Null => {}
                    Value::String(text) => out.push_str(&text),
                    other => {
                        let _ = write!(out, "{other}");
                    }
                }
            }
        }
        if out.len() > limits::EXPRESSION_OUTPUT_BYTES_MAX {
            return Err(ExprError::new("expr.too_large", "the text is too large"));
        }
    }
    Ok(out)
}

fn parse_node(value: &Value, pointer: &mut String, faults: &mut Vec<Fault>) -> Node {
    match value {
        Value::String(text) => parse_string(text).unwrap_or_else(|error| {
            faults.push(Fault { pointer: pointer.clone(), error });
            Node::Constant(Value::Null)
        }),
        Value::Array(list) => {
            let nodes = list.iter().enumerate().map(|(i, v)| {
                let mut node = Node::Constant(Value::Null);
                within(pointer, &i.to_string(), |p| node = parse_node(v, p, faults));
                node
            });
            let nodes: Vec<Node> = nodes.collect();
            if nodes.iter().all(Node::is_constant) {
                return Node::Constant(value.clone());
            }
            Node::List(nodes)
        }
        Value::Object(map) => {
            let mut nodes = Vec::with_capacity(map.len());
            for (name, v) in map {
                within(pointer, name, |p| {
                    if name.contains(OPEN) {
                        let error = ExprError::new("expr.key", "keys cannot hold expressions");
                        faults.push(Fault { pointer: p.clone(), error });
                    }
                    nodes.push((name.clone(), parse_node(v, p, faults)));
                });
            }
            if nodes.iter().all(|(_, node)| node.is_constant()) {
                return Node::Constant(value.clone());
            }
            Node::Object(nodes)
        }
        other => Node::Constant(other.clone()),
    }
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

fn parse_string(text: &str) -> Result<Node, ExprError> {
    if !text.contains(OPEN) {
        return Ok(Node::Constant(Value::from(text)));
    }
    if let Some(range) = whole_expression(text)? {
        let expr = Expr::parse_bare(&text[range.clone()]).map_err(|e| moved(e, range.start))?;
        return Ok(Node::One(expr));
    }
    Ok(Node::Text(parse_pieces(text)?))
}

fn parse_pieces(text: &str) -> Result<Vec<Piece>, ExprError> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while let Some(start) = text[done..].find(OPEN).map(|i| done + i) {
        if start > done {
            pieces.push(Piece::Text(text[done..start].to_owned()));
        }
        let inner = start + OPEN.len();
        let end = closing(text, inner).ok_or_else(|| not_closed(start))?;
        let expr = Expr::parse_bare(&text[inner..end]).map_err(|e| moved(e, inner))?;
        pieces.push(Piece::Expr(expr));
        done = end + CLOSE.len();
    }
    if done < text.len() {
        pieces.push(Piece::Text(text[done..].to_owned()));
    }
    Ok(pieces)
}

fn moved(mut error: ExprError, base: usize) -> ExprError {
    error.offset = Some(error.offset.unwrap_or(0) + base);
    error
}

pub(super) fn not_closed(start: usize) -> ExprError {
    ExprError::new("expr.syntax", "`${{` is not closed by `}}`").at(start)
}

/// The inside of the braces where `text` is exactly one `${{ … }}`.
pub(super) fn whole_expression(text: &str) -> Result<Option<Range<usize>>, ExprError> {
    if !text.starts_with(OPEN) {
        return Ok(None);
    }
    let end = closing(text, OPEN.len()).ok_or_else(|| not_closed(0))?;
    Ok((end + CLOSE.len() == text.len()).then_some(OPEN.len()..end))
}

/// Where the `}}` is that closes an expression starting at `from`: not in a text, not in a map.
pub(super) fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
            }
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Runs `body` with `pointer` one key deeper.
fn within(pointer: &mut String, key: &str, body: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    body(pointer);
    pointer.truncate(length);
}
