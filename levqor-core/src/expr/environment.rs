//! The one minijinja environment: what the language has, and nothing more.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::filters;
use crate::limits;

/// Filters of the language. Not here: anything that prints, escapes or indents without bound.
pub const FILTERS: &[&str] = &[
    "abs",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "from_json",
    "groupby",
    "int",
    "items",
    "join",
    "json",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "values",
    "zip",
];

/// Tests of the language (`x is defined`).
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Functions of the language.
pub const FUNCTIONS: &[&str] = &["dict", "range"];

/// Built in minijinja, but not in the language.
const REMOVED_FILTERS: &[&str] = &["attr", "e", "escape", "indent", "pprint", "safe"];
const REMOVED_TESTS: &[&str] = &["escaped", "filter", "safe", "sameas", "test"];
const REMOVED_GLOBALS: &[&str] = &["debug", "namespace"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(limits::EXPRESSION_FUEL));
    env.set_recursion_limit(64);
    REMOVED_FILTERS.iter().for_each(|name| env.remove_filter(name));
    REMOVED_TESTS.iter().for_each(|name| env.remove_test(name));
    REMOVED_GLOBALS.iter().for_each(|name| env.remove_global(name));
    env.add_filter("json", filters::json);
    env.add_filter("from_json", filters::from_json);
    env.add_filter("keys", filters::keys);
    env.add_filter("values", filters::values);
    env.add_filter("urlencode", filters::urlencode);
    env.add_function("range", filters::range);
    env
});

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = ENVIRONMENT.clone();
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("${{", "}}")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    // The delimiters are constants that minijinja takes; the tests would not pass otherwise.
    if let Ok(syntax) = syntax {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(|out, _, value| filters::print(out, value));
    env
});

/// An environment for one page of text with blocks.
pub(super) fn page_environment() -> Environment<'static> {
    PAGES.clone()
}

pub(super) fn environment() -> &'static Environment<'static> {
    &ENVIRONMENT
}
