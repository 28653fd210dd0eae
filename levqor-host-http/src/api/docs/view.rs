//! The description as its page needs it: chapters of operations, flat tables of members.

use std::collections::BTreeMap;

use levqor_core::explain;
use serde::Serialize;
use serde_json::Value;

use crate::route::openapi;

/// How deep members of members are listed; deeper ones are in the description itself.
const DEPTH_MAX: usize = 3;

/// The whole page.
#[derive(Debug, Serialize)]
pub(super) struct Api {
    title: String,
    version: String,
    about: Vec<Vec<Piece>>,
    chapters: Vec<Chapter>,
    shapes: Vec<Shape>,
}

#[derive(Debug, Serialize)]
struct Chapter {
    name: String,
    about: Vec<Piece>,
    operations: Vec<Operation>,
}

#[derive(Debug, Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: Vec<Piece>,
    scope: Option<String>,
    open: bool,
    parameters: Vec<Member>,
    body: Option<Body>,
    answers: Vec<AnswerRow>,
}

#[derive(Debug, Serialize)]
struct Body {
    media: String,
    shape: TypeText,
    example: Option<String>,
}

#[derive(Debug, Serialize)]
struct AnswerRow {
    status: String,
    about: Vec<Piece>,
    shape: TypeText,
    headers: Vec<String>,
    leads_to: Vec<String>,
}

/// A named schema.
#[derive(Debug, Serialize)]
struct Shape {
    name: String,
    about: Vec<Piece>,
    kind: TypeText,
    members: Vec<Member>,
    values: Vec<Member>,
}

/// A member of a shape, or a parameter.
#[derive(Debug, Serialize)]
struct Member {
    name: String,
    place: String,
    kind: TypeText,
    required: bool,
    about: Vec<Piece>,
}

/// A type in words, with the shape that it names.
#[derive(Debug, Default, Serialize)]
struct TypeText {
    text: String,
    shape: Option<String>,
    after: String,
}

/// A piece of prose: text, or what stood between backticks.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Piece {
    text: String,
    code: bool,
}

/// A family of codes: `store` has `store.locked`.
#[derive(Debug, Serialize)]
pub(super) struct Family {
    name: String,
    codes: Vec<Code>,
}

#[derive(Debug, Serialize)]
struct Code {
    code: &'static str,
    cause: Vec<Piece>,
    next: Vec<Piece>,
}

/// Every code by family, in alphabetical order.
pub(super) fn families() -> Vec<Family> {
    let mut all: BTreeMap<&str, Vec<Code>> = BTreeMap::new();
    for found in explain::all() {
        let family = found.code.split('.').next().unwrap_or_default();
        let (cause, next) = (prose(found.cause), prose(found.next));
        all.entry(family).or_default().push(Code { code: found.code, cause, next });
    }
    all.into_iter().map(|(name, codes)| Family { name: name.to_owned(), codes }).collect()
}

/// Splits a text at its backticks.
pub(super) fn prose(text: &str) -> Vec<Piece> {
    let pieces = text.split('`').enumerate();
    pieces
        .filter(|(_, text)| !text.is_empty())
        .map(|(at, text)| Piece { text: text.to_owned(), code: at % 2 == 1 })
        .collect()
}

/// The page's view of the description.
pub(super) fn api() -> Api {
    let document = openapi::document();
    let chapters = list(&document["tags"]).map(|tag| Chapter {
        name: text(&tag["name"]),
        about: prose(&text(&tag["description"])),
        operations: operations(document, &tag["name"]),
    });
    let shapes = entries(&document["components"]["schemas"]);
    Api {
        title: text(&document["info"]["title"]),
        version: text(&document["info"]["version"]),
        about: text(&document["info"]["description"]).split("\n\n").map(prose).collect(),
        chapters: chapters.collect(),
        shapes: shapes.map(|(name, schema)| shape(name, schema)).collect(),
    }
}

fn operations(document: &Value, tag: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            if operation["tags"][0] == *tag {
                all.push(one(path, method, operation));
            }
        }
    }
    all
}

fn one(path: &str, method: &str, operation: &Value) -> Operation {
    let parameters = list(&operation["parameters"]).map(|p| Member {
        name: text(&p["name"]),
        place: text(&p["in"]),
        kind: type_of(&p["schema"]),
        required: p["required"] == true,
        about: prose(&text(&p["description"])),
    });
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: prose(&text(&operation["summary"])),
        scope: operation["x-scope"].as_str().map(str::to_owned),
        open: list(&operation["security"]).next().is_none(),
        parameters: parameters.collect(),
        body: entries(&operation["requestBody"]["content"]).next().map(|(media, content)| {
            let example = &content["examples"]["usual"]["value"];
            let pretty = || serde_json::to_string_pretty(example).unwrap_or_default();
            Body {
                media: media.to_owned(),
                shape: type_of(&content["schema"]),
                example: (!example.is_null()).then(pretty),
            }
        }),
        answers: entries(&operation["responses"]).map(|(s, r)| answer(s, r)).collect(),
    }
}

fn answer(status: &str, response: &Value) -> AnswerRow {
    let content = entries(&response["content"]).next();
    let shape = match content {
        Some((_, content)) if !content["schema"]["$ref"].is_null() => type_of(&content["schema"]),
        Some(("application/json", content)) => type_of(&content["schema"]),
        Some((media, _)) => TypeText { text: media.to_owned(), ..TypeText::default() },
        None => TypeText::default(),
    };
    AnswerRow {
        status: status.to_owned(),
        about: prose(&text(&response["description"])),
        shape,
        headers: entries(&response["headers"]).map(|(name, _)| name.to_owned()).collect(),
        leads_to: entries(&response["links"]).map(|(name, _)| name.to_owned()).collect(),
    }
}

fn shape(name: &str, schema: &Value) -> Shape {
    let mut members = Vec::new();
    add_members(&mut members, "", schema, 1);
    let alternatives = list(&schema["oneOf"]).filter(|one| !one["const"].is_null());
    let mut values: Vec<Member> =
        alternatives.map(|one| value(&one["const"], &text(&one["description"]))).collect();
    values.extend(list(&schema["enum"]).map(|one| value(one, "")));
    let about = prose(&text(&schema["description"]));
    Shape { name: name.to_owned(), about, kind: type_of(schema), members, values }
}

fn value(of: &Value, about: &str) -> Member {
    let (name, about) = (text(of), prose(about));
    Member { name, place: String::new(), kind: TypeText::default(), required: false, about }
}

fn add_members(into: &mut Vec<Member>, before: &str, schema: &Value, depth: usize) {
    for (name, inner) in entries(&schema["properties"]) {
        let path = format!("{before}{name}");
        into.push(Member {
            name: path.clone(),
            place: String::new(),
            kind: type_of(inner),
            required: list(&schema["required"]).any(|r| r == name),
            about: prose(&text(&inner["description"])),
        });
        if depth < DEPTH_MAX {
            add_members(into, &format!("{path}."), inner, depth + 1);
            add_members(into, &format!("{path}[]."), &inner["items"], depth + 1);
        }
    }
}

/// A schema's type in words.
fn type_of(schema: &Value) -> TypeText {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        let (text, after) = (String::new(), String::new());
        return TypeText { text, shape: Some(name.to_owned()), after };
    }
    if !schema["items"].is_null() {
        let inner = type_of(&schema["items"]);
        let text = format!("array of {}", inner.text);
        return TypeText { text, ..inner };
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        let mut parts = list(&schema[union]).filter(|one| one["type"] != "null");
        if let (Some(only), None) = (parts.next(), parts.next()) {
            let may_be_null = list(&schema[union]).any(|one| one["type"] == "null");
            let inner = type_of(only);
            let after = if may_be_null { format!("{} or null", inner.after) } else { inner.after };
            return TypeText { after, ..inner };
        }
    }
    let mut words = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(one) => one.clone(),
        _ if schema["const"].is_string() => format!("“{}”", text(&schema["const"])),
        _ if schema["oneOf"].is_array() || schema["enum"].is_array() => "one of".to_owned(),
        _ => "any".to_owned(),
    };
    words.push_str(&bounds(schema));
    TypeText { text: words, ..TypeText::default() }
}

fn bounds(schema: &Value) -> String {
    let mut parts = Vec::new();
    for (low, high, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ] {
        match (schema[low].as_u64(), schema[high].as_u64()) {
            (Some(a), Some(b)) => parts.push(format!("{a} to {b}{unit}")),
            (None, Some(b)) => parts.push(format!("at most {b}{unit}")),
            (Some(a), None) if a > 0 => parts.push(format!("at least {a}{unit}")),
            _ => {}
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        parts.push(pattern.to_owned());
    }
    if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(schema: Value) -> String {
        let TypeText { text, shape, after } = type_of(&schema);
        format!("{text}{}{after}", shape.unwrap_or_default())
    }

    #[test]
    fn types_read_as_words() {
        for (schema, wanted) in [
            (json!({ "type": "integer", "minimum": 1, "maximum": 200 }), "integer, 1 to 200"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (json!({ "type": "array", "items": { "$ref": "#/x/Run" } }), "array of Run"),
            (json!({ "anyOf": [{ "$ref": "#/x/Run" }, { "type": "null" }] }), "Run or null"),
            (json!(true), "any"),
        ] {
            assert_eq!(words(schema.clone()), wanted, "{schema}");
        }
    }

    #[test]
    fn prose_is_cut_at_its_backticks() {
        let pieces = prose("send `a` or `b`");
        let codes: Vec<&str> = pieces.iter().filter(|p| p.code).map(|p| p.text.as_str()).collect();
        assert_eq!(codes, ["a", "b"]);
        assert_eq!(pieces.len(), 4);
    }
}
