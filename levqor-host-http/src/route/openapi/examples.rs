//! One usual body for each route that takes JSON, and one value for each parameter that must be
//! there. Tests send them, so they are true.

use serde_json::{Value, json};

/// A body of the route with this id.
pub(super) fn of(route: &str) -> Option<Value> {
    runs(route).or_else(|| stored(route)).or_else(|| people(route)).or_else(|| operators(route))
}

/// A value of a parameter, by its name.
pub(super) fn parameter(name: &str) -> Option<Value> {
    match name {
        "email" => Some(json!("ada@example.com")),
        "from" | "to" => Some(json!("0".repeat(64))),
        _ => None,
    }
}

fn runs(route: &str) -> Option<Value> {
    let body = match route {
        "start_run" => json!({ "document": hello(), "input": { "who": "Ada" } }),
        "intake" => json!({ "pipeline": "hello", "input": { "who": "Ada" } }),
        "resume_run" => json!({ "max_credits": 50 }),
        "replay_run" => json!({ "from": "greet" }),
        "signal_run" => json!({ "step": "review", "approved": true, "form": { "amount": 120 } }),
        "change_runs" => json!({
            "action": "cancel", "runs": ["run_01m83b47q4fhnsmkrkztx86wxv"], "dry_run": true,
        }),
        "publish_signal" => json!({ "name": "paid", "payload": { "invoice": "in_1" } }),
        _ => return None,
    };
    Some(body)
}

fn stored(route: &str) -> Option<Value> {
    let body = match route {
        "put_pipeline" => stored_hello(),
        "put_credential" => json!({
            "kind": "api_key", "key": "an-example-and-no-secret", "hosts": ["slack.com"],
        }),
        "plan" => json!({ "goal": "upper-case the name" }),
        "validate" => json!({ "document": hello() }),
        "estimate" => json!({ "document": hello(), "input": { "who": "Ada" } }),
        "create_webhook" => json!({
            "name": "payments", "verify": "standard", "pipeline": "hello", "trigger": "hook",
        }),
        "update_webhook" => json!({ "enabled": false }),
        "rotate_webhook" | "rotate_subscription" => json!({ "overlap": "1h" }),
        "create_subscription" => json!({
            "url": "https://hooks.example.com/levqor", "events": ["run.succeeded", "run.failed"],
        }),
        _ => return None,
    };
    Some(body)
}

fn people(route: &str) -> Option<Value> {
    let body = match route {
        "make_key" => json!({ "name": "deploy", "scopes": ["people:write"] }),
        "rotate_key" => json!({ "overlap_seconds": 3_600 }),
        "make_organization" => json!({ "name": "Analytical Engines" }),
        "patch_organization" => json!({ "zone": "Europe/Vienna" }),
        "put_user" => json!({ "email": "ada@example.com", "name": "Ada" }),
        "patch_user" => json!({ "name": "Ada Lovelace" }),
        "set_role" => json!({ "role": "viewer" }),
        "ask_link" => json!({ "email": "ada@example.com" }),
        "sign_in" => json!({ "token": "the-one-in-the-mail" }),
        "switch_organization" => json!({ "organization": "org_0hj4v8z2k6m0q4t8w2y6b0d4f8" }),
        "choose_plan" => json!({ "plan": "free" }),
        _ => return None,
    };
    Some(body)
}

fn operators(route: &str) -> Option<Value> {
    let body = match route {
        "assign_plan" => json!({ "organization": "main", "plan": "enterprise" }),
        "grant_credits" => json!({ "organization": "main", "credits": 500, "reference": "March" }),
        "retry_dead_letters" => json!({ "all": true, "dry_run": true }),
        "change_flags" => json!({ "flags": { "backups": true } }),
        _ => return None,
    };
    Some(body)
}

/// A whole document that needs nothing but the host.
fn hello() -> Value {
    json!({
        "schema": "levqor/v1",
        "name": "hello",
        "steps": [{
            "id": "greet", "uses": "core/template",
            "with": { "text": "hello, ${{ input.who }}" },
        }],
        "output": "${{ steps.greet.output }}",
    })
}

/// The same as it would be stored: it also runs at night, and when somebody calls.
fn stored_hello() -> Value {
    let mut document = hello();
    document["triggers"] = json!([
        { "id": "nightly", "uses": "schedule", "with": { "cron": "0 3 * * *" } },
        { "id": "hook", "uses": "webhook", "with": { "verify": "none" } },
    ]);
    document
}
