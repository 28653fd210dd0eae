//! Native tests: `cargo test`, no sandbox and no network.

use levqor_plugin_sdk::prelude::json;
use levqor_plugin_sdk::testing::{Harness, get, post};

const NOTES: &str = "https://api.example.com/v1/notes";

fn harness() -> Harness {
    Harness::new(super::connector()).secret("api_key", "a-secret-for-tests")
}

#[test]
fn a_note_is_read() {
    let harness = harness();
    harness.mock(get(NOTES).json(json!({ "id": "n1", "text": "milk" })));
    let ran = harness.run("get_note", json!({ "id": "n1" }));
    assert_eq!(ran.output(), json!({ "id": "n1", "text": "milk" }));
    assert_eq!(ran.only().query("id").as_deref(), Some("n1"));
}

#[test]
fn a_note_is_added_once() {
    let harness = harness();
    harness.mock(post(NOTES).reply(201).json(json!({ "id": "n2", "text": "eggs" })));
    let ran = harness.run("add_note", json!({ "text": "eggs" }));
    assert_eq!(ran.only().json(), json!({ "text": "eggs", "tags": [] }));
    assert!(ran.only().header("idempotency-key").is_some());
}

#[test]
fn what_goes_wrong_has_its_own_kind() {
    let harness = harness();
    let read = || json!({ "id": "n1" });
    harness.mock(get(NOTES).reply(404));
    harness.run("get_note", read()).expect_error("not-found", "http_404");
    harness.mock(get(NOTES).reply(429).header("retry-after", "3"));
    harness.run("get_note", read()).expect_rate_limited(3_000);
    harness.mock(post(NOTES).reset());
    harness.run("add_note", json!({ "text": "x" })).expect_error("transient", "no_answer");
}
