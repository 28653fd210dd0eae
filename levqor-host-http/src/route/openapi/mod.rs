//! The OpenAPI 3.1 document, made from the route table once.
//!
//! ```text
//!  table() ─▶ operation: parts (ids), query, body + example, answers (headers, links), security
//!          └▶ tags, components
//! ```
//! What it is not: a second source of anything. What a route does not declare is not in it, and a
//! schema is what the type itself says.

mod answers;
mod examples;
mod links;
mod parts;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use levqor_core::explain;
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{Access, Route, table};
use crate::http::ProblemDocument;
use schemas::Schemas;

/// First words of codes that no answer of the API carries: they are of other hosts, or of a start.
const ELSEWHERE: [&str; 4] = ["backup", "cli", "config", "vault"];

/// What the description says before its routes.
const ABOUT: &str = "Pipelines that run durably, metered in credits.\n\n\
    Every request but the public ones carries a key: `Authorization: Bearer lvq_…`. The \
    organization that it acts for comes from the key alone; what belongs to another one answers \
    exactly like what is not there. Every refusal is `application/problem+json` with a stable \
    `code`, explained at `/docs/errors`. Lists are pages: `{ data, next_cursor }`. A `POST` with an \
    `Idempotency-Key` is done once, however often it is sent.";

/// The document as JSON text, for files and for `levqor-host-http openapi`.
#[must_use]
pub fn document_text() -> &'static Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
        let text = serde_json::to_string_pretty(document()).unwrap_or_default();
        Bytes::from(text)
    });
    &TEXT
}

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

fn make() -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.outgoing.subschema_for::<ProblemDocument>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in table() {
        let operation = operation(route, &problem, &mut schemas);
        let methods = paths.entry(route.path).or_default();
        methods.insert(route.method.as_str().to_lowercase(), operation);
    }
    let mut paths = json!(paths);
    let mut schemas = Value::Object(schemas.settle(&mut paths));
    schemas["Problem"]["properties"]["code"]["x-extensible-enum"] = codes();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Levqor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": answers::headers(),
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "`lvq_<id>_<secret>`" },
                "api_key": {
                    "type": "apiKey", "in": "header", "name": "X-API-Key",
                    "description": "the same key, for clients that cannot set `Authorization`",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-lvq",
                    "description": "a person's session, made by `POST /auth/session`; what changes \
                                    something also needs `X-Levqor-CSRF: 1`. On a plain loopback \
                                    address the cookie is `lvq`.",
                },
            },
        },
    });
    links::add(&mut document);
    schemas::bound(&mut document);
    document
}

/// Codes that a refusal may carry today. Clients take unknown ones: connectors bring their own.
fn codes() -> Value {
    let of = |code: &str| code.split('.').next().unwrap_or_default().to_owned();
    let here = explain::all().filter(|e| !ELSEWHERE.contains(&of(e.code).as_str()));
    here.map(|e| e.code).collect()
}

/// The chapters that have routes, in the order of the table.
fn tags() -> Value {
    let mut seen = BTreeSet::new();
    let used = table().iter().map(|route| route.tag).filter(|tag| seen.insert(*tag));
    used.map(|tag| json!({ "name": tag.as_str(), "description": tag.about() })).collect()
}

fn operation(route: &Route, problem: &Schema, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag.as_str()],
        "summary": route.summary,
        "parameters": parameters(route, schemas),
        "responses": answers::responses(route, problem, &mut schemas.outgoing),
    });
    if let Some((media, schema)) = (route.body)(&mut schemas.incoming) {
        let mut content = json!({ "schema": schema });
        if let Some(example) = examples::of(route.id) {
            content["examples"] = json!({ "usual": { "value": example } });
        }
        // Any bytes at all may be none.
        let is_required = media != "*/*";
        operation["requestBody"] =
            json!({ "required": is_required, "content": { media: content } });
    }
    operation["security"] = match route.access {
        Access::Public | Access::Signed => json!([]),
        _ => json!([{ "key": [] }, { "api_key": [] }, { "session": [] }]),
    };
    if let Access::Scope(scope) = route.access {
        operation["x-scope"] = json!(scope);
        operation["description"] = format!("Needs the scope `{scope}`.").into();
    }
    operation
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let mut all: Vec<Value> = parts::names(route.path).map(parts::parameter).collect();
    if let Some(schema) = (route.query)(&mut schemas.incoming) {
        let required = schema.get("required").cloned().unwrap_or_default();
        let is_required =
            |name: &str| required.as_array().is_some_and(|all| all.iter().any(|r| r == name));
        let members = schema.get("properties").and_then(Value::as_object).cloned();
        for (name, mut schema) in members.unwrap_or_default() {
            let about = schema.as_object_mut().and_then(|s| s.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "schema": not_null(schema) });
            parameter["required"] = is_required(&name).into();
            if let Some(example) = examples::parameter(&name) {
                parameter["example"] = example;
            }
            parameter["description"] = about.unwrap_or_default();
            all.push(parameter);
        }
    }
    for (name, about) in &route.headers {
        let schema = answers::request_header(name);
        all.push(json!({ "name": name, "in": "header", "description": about, "schema": schema }));
    }
    all
}

/// A parameter's schema without `null`: an absent parameter is not sent, and the text `null` is one.
fn not_null(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            members["type"] = only.clone();
        }
    }
    if let Some(Value::Array(any)) = members.get_mut("anyOf") {
        any.retain(|s| s["type"] != "null");
        if let [only] = any.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            members.extend(only.as_object().cloned().unwrap_or_default());
        }
    }
    members.remove("default");
    schema
}

#[cfg(test)]
mod tests;
