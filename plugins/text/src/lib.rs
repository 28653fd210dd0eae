//! `text`: small pure tools for text. No host, no credential, nothing to grant; every action is
//! safe to repeat and free of charge.

use std::collections::BTreeMap;

use levqor_plugin_sdk::prelude::*;
use regex_lite::{Regex, RegexBuilder};

/// Bytes a compiled pattern may take: bounds what one expression can cost.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Matches returned where the step does not say.
const MATCHES_DEFAULT: usize = 100;

export_connector!(connector);

/// The connector, as the host sees it.
pub fn connector() -> Connector {
    let free = |action: Action, title| action.title(title).safe().price(0).timeout_ms(5_000);
    Connector::new("text", env!("CARGO_PKG_VERSION"))
        .description("Small tools for text: case, split, join, replace, expressions, templates")
        .action(free(Action::new("upper", upper), "Make a text upper case"))
        .action(free(Action::new("lower", lower), "Make a text lower case"))
        .action(free(Action::new("split", split), "Split a text into a list"))
        .action(free(Action::new("join", join), "Join a list into a text"))
        .action(free(Action::new("replace", replace), "Replace a text by another"))
        .action(free(Action::new("truncate", truncate), "Cut a text to a number of characters"))
        .action(free(Action::new("template", template), "Fill {placeholders} in a text"))
        .action(free(Action::new("regex_match", regex_match), "Find what an expression matches"))
        .action(free(
            Action::new("regex_replace", regex_replace),
            "Replace what an expression matches",
        ))
}

/// A text in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

/// A text out.
#[derive(Serialize, JsonSchema)]
struct Changed {
    text: String,
}

fn changed(text: impl Into<String>) -> Result<Changed> {
    Ok(Changed { text: text.into() })
}

fn upper(_: &Ctx, input: Text) -> Result<Changed> {
    changed(input.text.to_uppercase())
}

fn lower(_: &Ctx, input: Text) -> Result<Changed> {
    changed(input.text.to_lowercase())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Split {
    text: String,
    /// What stands between the parts; any white space where absent
    separator: Option<String>,
    /// Remove white space around each part, and empty parts
    #[serde(default)]
    trim: bool,
    /// At most this many parts; the last one keeps the rest
    #[schemars(range(min = 1))]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Parts {
    parts: Vec<String>,
}

fn split(_: &Ctx, input: Split) -> Result<Parts> {
    let limit = input.limit.unwrap_or(usize::MAX);
    let parts: Vec<&str> = match input.separator.as_deref() {
        Some("") => return Err(TaskError::invalid_input("the separator is empty")),
        Some(separator) => input.text.splitn(limit, separator).collect(),
        None => input.text.trim().splitn(limit, char::is_whitespace).collect(),
    };
    let words = input.separator.is_none() || input.trim;
    let parts = parts.into_iter().map(|part| if words { part.trim() } else { part });
    Ok(Parts {
        parts: parts.filter(|part| !words || !part.is_empty()).map(str::to_owned).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Join {
    /// Texts and numbers
    parts: Vec<Value>,
    /// What to put between them; nothing where absent
    #[serde(default)]
    separator: String,
}

fn join(_: &Ctx, input: Join) -> Result<Changed> {
    let parts: Vec<String> = input.parts.iter().map(show).collect();
    changed(parts.join(&input.separator))
}

/// Texts as they are, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Replace {
    text: String,
    /// The text to look for, as it is
    from: String,
    to: String,
}

fn replace(_: &Ctx, input: Replace) -> Result<Changed> {
    if input.from.is_empty() {
        return Err(TaskError::invalid_input("`from` is empty"));
    }
    changed(input.text.replace(&input.from, &input.to))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Truncate {
    text: String,
    /// Characters to keep, the ending included
    max: usize,
    /// Put at the end of a text that was cut
    #[serde(default = "ellipsis")]
    ending: String,
}

fn ellipsis() -> String {
    "…".to_owned()
}

fn truncate(_: &Ctx, input: Truncate) -> Result<Changed> {
    if input.text.chars().count() <= input.max {
        return changed(input.text);
    }
    let keep = input.max.saturating_sub(input.ending.chars().count());
    let kept: String = input.text.chars().take(keep).collect();
    let ending: String = input.ending.chars().take(input.max).collect();
    changed(kept.trim_end().to_owned() + &ending)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Template {
    /// Text with `{name}` where a value goes; `{{` and `}}` are braces
    template: String,
    values: BTreeMap<String, Value>,
}

fn template(_: &Ctx, input: Template) -> Result<Changed> {
    let mut out = String::with_capacity(input.template.len());
    let mut rest = input.template.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.split_once('}').filter(|_| brace == "{") else {
            return Err(TaskError::invalid_input(format!("`{brace}` has no partner")));
        };
        let value = input.values.get(name.trim()).ok_or_else(|| {
            TaskError::invalid_input(format!("no value for `{}`", name.trim()))
                .code("missing_value")
        })?;
        out.push_str(&show(value));
        rest = after;
    }
    out.push_str(rest);
    changed(out)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegexMatch {
    text: String,
    /// Regular expression; it takes linear time, so there is no look-around and no back-reference
    pattern: String,
    #[serde(default)]
    ignore_case: bool,
    /// At most this many matches
    #[serde(default = "matches_default")]
    max_matches: usize,
}

fn matches_default() -> usize {
    MATCHES_DEFAULT
}

#[derive(Serialize, JsonSchema)]
struct Matches {
    matched: bool,
    matches: Vec<Match>,
}

#[derive(Serialize, JsonSchema)]
struct Match {
    text: String,
    /// The groups in order; null where one took no part
    groups: Vec<Option<String>>,
    /// The groups that have a name
    named: BTreeMap<String, String>,
}

fn regex_match(_: &Ctx, input: RegexMatch) -> Result<Matches> {
    let regex = compile(&input.pattern, input.ignore_case)?;
    let found = regex.captures_iter(&input.text).take(input.max_matches);
    let matches: Vec<Match> = found
        .map(|captures| Match {
            text: captures.get(0).map_or("", |m| m.as_str()).to_owned(),
            groups: captures.iter().skip(1).map(|g| g.map(|g| g.as_str().to_owned())).collect(),
            named: regex
                .capture_names()
                .flatten()
                .filter_map(|n| Some((n.to_owned(), captures.name(n)?.as_str().to_owned())))
                .collect(),
        })
        .collect();
    Ok(Matches { matched: !matches.is_empty(), matches })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegexReplace {
    text: String,
    /// Regular expression
    pattern: String,
    /// What to put there; `$1` and `${name}` are groups
    to: String,
    #[serde(default)]
    ignore_case: bool,
}

fn regex_replace(_: &Ctx, input: RegexReplace) -> Result<Changed> {
    let regex = compile(&input.pattern, input.ignore_case)?;
    changed(regex.replace_all(&input.text, input.to.as_str()))
}

fn compile(pattern: &str, ignore_case: bool) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    let built = builder.case_insensitive(ignore_case).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|e| TaskError::invalid_input(format!("pattern: {e}")).code("bad_pattern"))
}
