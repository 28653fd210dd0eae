//! The OpenAPI 3.1 document, made from the route table.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Access, Route, table};
use crate::http::ProblemDocument;

/// Statuses that a route with a body may refuse with, beside the general ones.
const OF_BODY: [(u16, &str); 3] = [
    (413, "the body is too large"),
    (415, "the body has another media type"),
    (422, "the body does not fit, or cannot be carried out"),
];

/// The document as JSON text, for files and for `levqor-host-http openapi`.
#[must_use]
pub fn document_text() -> String {
    serde_json::to_string_pretty(&document()).unwrap_or_default()
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<ProblemDocument>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in table() {
        let operation = operation(route, &problem, &mut generator);
        let methods = paths.entry(route.path).or_default();
        methods.insert(route.method.as_str().to_lowercase(), operation);
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Levqor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Pipelines that run durably, metered in credits.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "`lvq_<id>_<secret>`" },
            },
        },
    })
}

fn operation(route: &Route, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag.as_str()],
        "summary": route.summary,
        "parameters": parameters(route, generator),
        "responses": responses(route, problem, generator),
    });
    if let Some((media, schema)) = (route.body)(generator) {
        operation["requestBody"] =
            json!({ "required": true, "content": { media: { "schema": schema } } });
    }
    operation["security"] = match route.access {
        Access::Public | Access::Signed => json!([]),
        _ => json!([{ "key": [] }]),
    };
    if let Access::Scope(scope) = route.access {
        operation["x-scope"] = json!(scope);
    }
    operation
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut all: Vec<Value> = parts(route.path)
        .map(|name| {
            let schema = part_schema(name);
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    if let Some(schema) = (route.query)(generator) {
        let required = schema.get("required").cloned().unwrap_or_default();
        let is_required =
            |name: &str| required.as_array().is_some_and(|all| all.iter().any(|r| r == name));
        let members = schema.get("properties").and_then(Value::as_object).cloned();
        for (name, mut schema) in members.unwrap_or_default() {
            let about = schema.as_object_mut().and_then(|s| s.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "schema": schema });
            parameter["required"] = is_required(&name).into();
            parameter["description"] = about.unwrap_or_default();
            all.push(parameter);
        }
    }
    for (name, about) in &route.headers {
        all.push(json!({
            "name": name, "in": "header", "description": about, "schema": { "type": "string" },
        }));
    }
    all
}

/// Names of the parts of a path: `run` of `/runs/{run}`.
pub(crate) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// What a path's part looks like, by its name.
fn part_schema(name: &str) -> Value {
    match name {
        "run" => json!({ "type": "string", "pattern": "^run_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
        _ => json!({ "type": "string", "minLength": 1, "maxLength": 128 }),
    }
}

fn responses(route: &Route, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut all = Map::new();
    for answer in &route.answers {
        let mut response = json!({ "description": answer.about });
        if let Some(schema) = answer.schema {
            response["content"] = json!({ answer.media: { "schema": schema(generator) } });
        } else if !answer.media.is_empty() {
            response["content"] = json!({ answer.media: { "schema": { "type": "string" } } });
        }
        all.insert(answer.status.as_u16().to_string(), response);
    }
    let refusal = |about: &str| {
        json!({
            "description": about,
            "content": { "application/problem+json": { "schema": problem } },
        })
    };
    let mut refusals = vec![(400, "the request is not understood"), (429, "too many requests")];
    if !matches!(route.access, Access::Public) {
        refusals.push((401, "no credential that is accepted"));
        refusals.push((403, "the credential lacks the scope"));
    }
    if route.path.contains('{') {
        refusals.push((404, "there is no such thing"));
    }
    if (route.body)(generator).is_some() {
        refusals.extend(OF_BODY);
    }
    for (status, about) in refusals {
        all.entry(status.to_string()).or_insert_with(|| refusal(about));
    }
    all.insert("default".to_owned(), refusal("any other refusal"));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_nothing_else_is() {
        let document = document();
        let mut described: Vec<String> = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut routed: Vec<String> =
            table().iter().map(|r| format!("{} {}", r.method, r.path)).collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_route_says_what_it_is_for_and_what_it_answers() {
        for route in table() {
            assert!(!route.summary.is_empty(), "{route:?}");
            assert!(!route.answers.is_empty(), "{route:?}");
        }
    }
}
