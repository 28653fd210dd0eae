//! A step's `with`: from what the goal quotes, from the step before, else from an input that the
//! person gives.

use serde_json::{Map, Value, json};

use super::goal::{Literal, Part};
use super::matching::Candidate;

/// Names of members that take text that a person would quote or a step before would yield.
const CONTENT: [&str; 9] =
    ["text", "message", "body", "content", "prompt", "html", "markdown", "description", "query"];
/// Members of an output that hold its text.
const YIELDS: [&str; 8] =
    ["text", "summary", "content", "answer", "body", "message", "html", "markdown"];

/// Inputs that the document asks for, so far.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) properties: Map<String, Value>,
}

impl Inputs {
    /// An input for this member of this step; a name that is taken gets the step's before it.
    fn ask(&mut self, step: &str, member: &str, schema: &Value) -> Value {
        let plain = identifier(member);
        let mut name = plain.clone();
        if self.properties.contains_key(&name) {
            name = format!("{step}_{plain}");
        }
        self.properties.insert(name.clone(), simple(schema));
        json!(format!("${{{{ input.{name} }}}}"))
    }
}

/// A step that was made, for the next one to refer to.
pub(super) struct Made<'a> {
    pub(super) id: String,
    pub(super) connector: &'a str,
    pub(super) output: &'a Value,
}

/// The `with` of a step for `part`.
pub(super) fn with(
    candidate: &Candidate<'_>,
    part: &Part,
    step: &str,
    before: Option<&Made<'_>>,
    inputs: &mut Inputs,
) -> Map<String, Value> {
    let mut with = Map::new();
    let schema = &candidate.action.input_schema;
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return with;
    };
    let listed = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| listed.is_some_and(|l| l.iter().any(|v| v.as_str() == Some(name)));
    let mut quotes = Quotes::of(part);
    let has_content = properties.keys().any(|n| required(n) && is_content(n));
    // Required members first: they get what is quoted.
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| (!required(name), rank(name)));
    let mut content = has_content;
    for name in names {
        let schema = &properties[name];
        if let Some(literal) = literal_for(name, schema, part) {
            with.insert(name.clone(), literal);
            continue;
        }
        // One optional member for the text is filled where no required one takes it.
        let wanted = required(name) || !content && is_content(name) && takes_text(schema);
        if !wanted {
            continue;
        }
        content |= is_content(name);
        let value = quotes
            .take(name, schema)
            .or_else(|| prompt(name, part, before))
            .or_else(|| before.and_then(|made| chained(name, schema, made)))
            .or_else(|| schema.get("const").cloned());
        let value = value.unwrap_or_else(|| inputs.ask(step, name, schema));
        with.insert(name.clone(), value);
    }
    with
}

/// Quoted texts of a part, to be used once each.
struct Quotes {
    left: Vec<String>,
}

impl Quotes {
    fn of(part: &Part) -> Self {
        let quoted = part.literals().filter_map(|literal| match literal {
            // What would be read as an expression is left to the person.
            Literal::Quoted(text) if !text.contains("${{") => Some(text.clone()),
            _ => None,
        });
        Self { left: quoted.collect() }
    }

    fn take(&mut self, name: &str, schema: &Value) -> Option<Value> {
        let asks_for_address = is_address(name) || is_channel(name) || is_url(name);
        if self.left.is_empty() || !takes_text(schema) || asks_for_address {
            return None;
        }
        Some(Value::String(self.left.remove(0)))
    }
}

/// What a person would type into this member, found in the part by its shape.
fn literal_for(name: &str, schema: &Value, part: &Part) -> Option<Value> {
    let found = part.literals().find_map(|literal| match literal {
        Literal::Channel(text) if is_channel(name) => Some(text.clone()),
        Literal::Email(text) if is_address(name) => Some(text.clone()),
        Literal::Url(text) if is_url(name) => Some(text.clone()),
        _ => None,
    })?;
    if found.contains("${{") {
        return None;
    }
    if takes_text(schema) {
        return Some(Value::String(found));
    }
    (schema.get("type").and_then(Value::as_str) == Some("array")).then(|| json!([found]))
}

/// The prompt of a model is the part itself, and what the step before yielded.
fn prompt(name: &str, part: &Part, before: Option<&Made<'_>>) -> Option<Value> {
    if name != "prompt" {
        return None;
    }
    let order = part.text().replace("${{", "$ {{");
    Some(Value::String(match before {
        Some(made) => format!("{order}\n\n${{{{ steps.{}.output | json }}}}", made.id),
        None => order,
    }))
}

/// What the step before yields, where it fits.
fn chained(name: &str, schema: &Value, made: &Made<'_>) -> Option<Value> {
    let properties = made.output.get("properties").and_then(Value::as_object);
    let member = |wanted: &str| {
        let found = properties?.get(wanted)?;
        let same = found.get("type").is_some() && found.get("type") == schema.get("type");
        same.then(|| json!(format!("${{{{ steps.{}.output.{wanted} }}}}", made.id)))
    };
    let plain = identifier(name) == name;
    if let Some(value) = plain.then(|| member(name)).flatten() {
        return Some(value);
    }
    if !is_content(name) || !takes_text(schema) {
        return None;
    }
    let text = YIELDS.iter().find_map(|wanted| member(wanted));
    Some(text.unwrap_or_else(|| json!(format!("${{{{ steps.{}.output | json }}}}", made.id))))
}

/// Members that get what is quoted before others do: titles, then texts.
const TITLES: [&str; 4] = ["subject", "title", "summary", "name"];
const RANKED: usize = TITLES.len() + CONTENT.len();

/// Order in which members of equal need get what is quoted: titles, then texts, then the rest.
fn rank(name: &str) -> usize {
    let content = || CONTENT.iter().position(|c| *c == name).map(|i| i + TITLES.len());
    TITLES.iter().position(|t| *t == name).or_else(content).unwrap_or(RANKED)
}

fn is_content(name: &str) -> bool {
    CONTENT.contains(&name)
}

/// Whether a member of this name takes such a value.
pub(super) fn takes(name: &str, literal: &Literal) -> bool {
    match literal {
        Literal::Channel(_) => is_channel(name),
        Literal::Email(_) => is_address(name),
        Literal::Url(_) => is_url(name),
        Literal::Quoted(_) => rank(name) < RANKED,
    }
}

fn is_channel(name: &str) -> bool {
    matches!(name, "channel" | "channel_id" | "channel_name" | "room")
}

fn is_address(name: &str) -> bool {
    matches!(name, "to" | "email" | "email_address" | "recipient" | "recipients" | "address")
}

fn is_url(name: &str) -> bool {
    matches!(name, "url" | "uri" | "endpoint" | "link" | "address" | "href")
}

fn takes_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string" && schema.get("enum").is_none(),
        Some(Value::Array(kinds)) => {
            kinds.iter().any(|k| k == "string") && schema.get("enum").is_none()
        }
        // No type: anything goes.
        _ => schema.get("$ref").is_none() && schema.get("enum").is_none(),
    }
}

/// The part of a member's schema that stands alone; references into the action's do not.
fn simple(schema: &Value) -> Value {
    const KEPT: [&str; 6] = ["type", "description", "enum", "format", "minimum", "maximum"];
    let members = schema.as_object().into_iter().flatten();
    let kept = members.filter(|(name, _)| KEPT.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A name that expressions can refer to: small letters, digits and `_`, no digit first.
pub(super) fn identifier(name: &str) -> String {
    let mut made: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .take(40)
        .collect();
    if made.is_empty() || made.starts_with(|c: char| c.is_ascii_digit()) {
        made.insert(0, '_');
    }
    made
}
