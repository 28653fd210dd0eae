//! The document and the table say the same, and the document says enough.

use super::*;

/// Every operation with its path and method.
fn operations() -> Vec<(String, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, op)| (format!("{} {path}", method.to_uppercase()), op))
    });
    all.collect()
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let mut described: Vec<String> = operations().into_iter().map(|(place, _)| place).collect();
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

#[test]
fn every_json_body_has_an_example() {
    for (place, operation) in operations() {
        let content = &operation["requestBody"]["content"]["application/json"];
        assert!(
            content.is_null() || !content["examples"].is_null(),
            "{place}: add it to examples.rs"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let mut open = vec![document()];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(
                document().pointer(reference.strip_prefix('#').unwrap()).is_some(),
                "{reference}"
            );
            seen += 1;
        }
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(seen > 10);
}

#[test]
fn links_name_operations_and_their_parts() {
    let ids: Vec<&str> = table().iter().map(|r| r.id).collect();
    for (place, operation) in operations() {
        for response in operation["responses"].as_object().unwrap().values() {
            for link in response["links"].as_object().into_iter().flatten().map(|(_, link)| link) {
                let to = link["operationId"].as_str().unwrap();
                assert!(ids.contains(&to), "{place}: {to}");
                let path = table().iter().find(|r| r.id == to).unwrap().path;
                for part in link["parameters"].as_object().unwrap().keys() {
                    assert!(parts::names(path).any(|name| name == part), "{place}: {to} {part}");
                }
            }
        }
    }
}

#[test]
fn a_parameter_is_never_null() {
    let optional = json!({ "type": ["integer", "null"], "minimum": 1, "default": null });
    assert_eq!(not_null(optional), json!({ "type": "integer", "minimum": 1 }));
    let chosen = json!({ "anyOf": [{ "$ref": "#/x" }, { "type": "null" }] });
    assert_eq!(not_null(chosen), json!({ "$ref": "#/x" }));
}
