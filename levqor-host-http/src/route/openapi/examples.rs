//! One usual body for each route that takes JSON. Tests send them, so they are true.

use serde_json::{Value, json};

/// The example of a route, by its id.
pub(super) fn of(route: &str) -> Option<Value> {
    let body = match route {
        "start_run" => json!({ "document": hello("hello"), "input": { "who": "Ada" } }),
        _ => return None,
    };
    Some(body)
}

/// A whole document that needs nothing but the host.
fn hello(name: &str) -> Value {
    json!({
        "schema": "levqor/v1",
        "name": name,
        "steps": [{
            "id": "greet", "uses": "core/template",
            "with": { "text": "hello, ${{ input.who }}" },
        }],
        "output": "${{ steps.greet.output }}",
    })
}
