//! Links: from an answer that names a thing to the operations that take it.
//!
//! Two rules make all of them. What answers an `id` (or whose path has the part already) leads to
//! every operation on that thing; a page leads to the operations on its first item. A thing is known
//! by its part of the path, and the operation that makes one stands at the path before it.

use serde_json::{Map, Value, json};

/// Where a thing is made, where that is not the path before its part.
const MADE_AT: [(&str, &str); 2] =
    [("/api/v1/run", "/api/v1/runs"), ("/api/v1/intake", "/api/v1/runs")];

/// One operation, as far as links are about it.
struct Operation {
    path: String,
    method: String,
    id: String,
}

/// Adds every link to the document.
pub(super) fn add(document: &mut Value) {
    let all = operations(document);
    for from in &all {
        let place = MADE_AT.iter().find(|(made, _)| *made == from.path);
        let place = place.map_or(from.path.as_str(), |(_, collection)| collection);
        let statuses = document["paths"][&from.path][&from.method]["responses"].clone();
        for (status, response) in statuses.as_object().into_iter().flatten() {
            let Some(expression) = expression(document, from, response) else { continue };
            let links: Map<String, Value> = all
                .iter()
                .filter_map(|to| Some((to.id.clone(), link(place, to, &expression)?)))
                .collect();
            if status.starts_with('2') && !links.is_empty() {
                let place = &mut document["paths"][&from.path][&from.method]["responses"][status];
                place["links"] = Value::Object(links);
            }
        }
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            all.push(Operation { path: path.clone(), method: method.clone(), id });
        }
    }
    all
}

/// What in an answer names the thing; `None` where nothing does.
fn expression(document: &Value, from: &Operation, response: &Value) -> Option<String> {
    let schema = resolved(document, &response["content"]["application/json"]["schema"]);
    let has_id = |schema: &Value| !schema["properties"]["id"].is_null();
    if let Some((_, part)) = from.path.rsplit_once("/{") {
        let part = part.strip_suffix('}')?;
        return (from.method == "put").then(|| format!("$request.path.{part}"));
    }
    let items = resolved(document, &schema["properties"]["data"]["items"]);
    match from.method.as_str() {
        "post" if has_id(&schema) => Some("$response.body#/id".to_owned()),
        "get" if has_id(&items) => Some("$response.body#/data/0/id".to_owned()),
        _ => None,
    }
}

fn resolved(document: &Value, schema: &Value) -> Value {
    let reference = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema).clone()
}

/// The link to an operation whose path is `place/{part}` or goes on from there with fixed words.
fn link(place: &str, to: &Operation, expression: &str) -> Option<Value> {
    let rest = match place.rsplit_once("/{") {
        // From the thing itself: not to itself.
        Some((before, _)) if to.path != place || to.method != "put" => to.path.strip_prefix(before),
        Some(_) => None,
        None => to.path.strip_prefix(place),
    };
    let (part, after) = rest?.strip_prefix("/{")?.split_once('}')?;
    if after.contains('{') {
        return None;
    }
    Some(json!({ "operationId": to.id, "parameters": { part: expression } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        let answer =
            json!({ "content": { "application/json": { "schema": { "$ref": "#/made" } } } });
        let page = json!({ "content": { "application/json": { "schema": { "properties": {
            "data": { "items": { "$ref": "#/made" } } } } } } });
        let mut document = json!({
            "made": { "properties": { "id": {} } },
            "paths": {
                "/keys": {
                    "post": { "operationId": "make", "responses": { "201": answer, "400": answer } },
                    "get": { "operationId": "list", "responses": { "200": page } },
                },
                "/keys/{key}": { "get": { "operationId": "show", "responses": { "200": answer } } },
                "/keys/{key}/rotate": { "post": { "operationId": "rotate", "responses": {} } },
                "/keys/{key}/uses/{use}": { "get": { "operationId": "use", "responses": {} } },
                "/keysets/{set}": { "get": { "operationId": "other", "responses": {} } },
                "/notes/{note}": {
                    "put": { "operationId": "put", "responses": { "201": answer } },
                    "get": { "operationId": "read", "responses": {} },
                },
            },
        });
        add(&mut document);
        document
    }

    #[test]
    fn what_is_made_leads_to_what_takes_it() {
        let document = document();
        let links = &document["paths"]["/keys"]["post"]["responses"]["201"]["links"];
        let names: Vec<&String> = links.as_object().unwrap().keys().collect();
        assert_eq!(names, ["rotate", "show"]);
        assert_eq!(links["show"]["parameters"]["key"], "$response.body#/id");
        let refused = &document["paths"]["/keys"]["post"]["responses"]["400"];
        assert!(refused["links"].is_null());
    }

    #[test]
    fn a_page_leads_to_its_first_item_and_a_name_to_what_it_names() {
        let document = document();
        let page = &document["paths"]["/keys"]["get"]["responses"]["200"]["links"];
        assert_eq!(page["show"]["parameters"]["key"], "$response.body#/data/0/id");
        let put = &document["paths"]["/notes/{note}"]["put"]["responses"]["201"]["links"];
        assert_eq!(put["read"]["parameters"]["note"], "$request.path.note");
        assert!(put["put"].is_null());
    }
}
