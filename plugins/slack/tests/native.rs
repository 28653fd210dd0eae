//! `slack` natively: the shapes it sends, and what Slack's own faults come to.

use levqor_plugin_sdk::testing::{Harness, get, manifest_is, post};
use serde_json::{Value, json};

const POST: &str = "https://slack.com/api/chat.postMessage";
const LIST: &str = "https://slack.com/api/conversations.list";
const LOOKUP: &str = "https://slack.com/api/users.lookupByEmail";

fn harness() -> Harness {
    Harness::new(slack::connector()).secret("bot_token", "xoxb-2-secret")
}

fn hello() -> Value {
    json!({"channel": "#general", "text": "hi"})
}

#[test]
fn a_message_is_posted() {
    let harness = harness();
    harness.mock(post(POST).json(json!({
        "ok": true, "channel": "C1", "ts": "1503435956.000247", "message": {"text": "hi"},
    })));
    let ran = harness.run("post_message", hello());
    assert_eq!(ran.output(), json!({"channel": "C1", "ts": "1503435956.000247"}));
    assert_eq!(ran.only().json(), hello(), "absent fields are absent, not null");
    assert_eq!(ran.only().auth.credential(), Some("bot_token"));
    assert_eq!(ran.only().header("content-type"), Some("application/json"));
}

#[test]
fn a_refusal_in_a_200_is_a_failure_of_its_own_kind() {
    for (error, kind) in [
        ("invalid_auth", "auth"),
        ("missing_scope", "auth"),
        ("token_revoked", "auth"),
        ("internal_error", "transient"),
        ("service_unavailable", "transient"),
        ("msg_too_long", "invalid-input"),
        ("invalid_blocks", "invalid-input"),
        ("channel_not_found", "not-found"),
        ("is_archived", "conflict"),
        ("not_in_channel", "conflict"),
        ("a_word_of_next_year", "permanent"),
    ] {
        let harness = harness();
        harness.mock(post(POST).json(json!({"ok": false, "error": error})));
        harness.run("post_message", hello()).expect_error(kind, error);
    }
}

#[test]
fn too_fast_is_waited_for_whatever_the_status() {
    for status in [200, 429] {
        let harness = harness();
        let limited = post(POST).reply(status).header("Retry-After", "3");
        harness.mock(limited.json(json!({"ok": false, "error": "ratelimited"})));
        harness.run("post_message", hello()).expect_rate_limited(3000);
    }
}

#[test]
fn a_post_without_an_answer_is_ambiguous_and_a_read_is_not() {
    let harness = harness();
    harness.mock(post(POST).reset());
    harness.run("post_message", hello()).expect_error("ambiguous", "no_answer");
    harness.mock(get(LOOKUP).reset());
    harness.run("lookup_user", json!({"email": "a@b.c"})).expect_error("transient", "no_answer");
    harness.mock(post(POST).reply(503).body("<html>"));
    harness.run("post_message", hello()).expect_error("transient", "http_503");
    harness.mock(post(POST).body("<html>not slack"));
    harness.run("post_message", hello()).expect_error("permanent", "bad_response");
}

#[test]
fn channels_are_listed_over_pages() {
    let page = |ids: [&str; 2], next: &str| {
        let channels = ids.map(|id| json!({"id": id, "name": id, "is_member": true}));
        get(LIST).json(json!({
            "ok": true, "channels": channels, "response_metadata": {"next_cursor": next},
        }))
    };
    let harness = harness();
    harness.mock(page(["C1", "C2"], "two=")).mock(page(["C3", "C4"], ""));
    let types = json!({"types": ["public_channel", "im"], "exclude_archived": true});
    let ran = harness.run("list_channels", types);
    assert_eq!(ran.output()["channels"].as_array().map(Vec::len), Some(4));
    assert_eq!(ran.output()["next_cursor"], Value::Null);
    assert_eq!(ran.sent[0].query("types").as_deref(), Some("public_channel,im"));
    assert_eq!(ran.sent[1].query("cursor").as_deref(), Some("two="));

    harness.mock(page(["C1", "C2"], "two"));
    let ran = harness.run("list_channels", json!({"max": 1}));
    assert_eq!(ran.output()["channels"][0]["id"], "C1");
    assert_eq!(ran.output()["channels"].as_array().map(Vec::len), Some(1));
    assert_eq!(ran.sent[0].query("limit").as_deref(), Some("1"));

    harness.mock(page(["C1", "C2"], "here").times(2));
    let ran = harness.run("list_channels", json!({}));
    assert_eq!(ran.output()["next_cursor"], "here", "a cursor that stands still ends the call");
}

#[test]
fn a_person_is_found_at_another_address() {
    let harness = harness().config(json!({"base_url": "http://127.0.0.1:4010/api/"}));
    harness.mock(
        get("http://127.0.0.1:4010/api/users.lookupByEmail?email=a%2Bb%40c.de").json(
            json!({"ok": true, "user": {"id": "W1", "name": "spengler", "profile": {"a": 1}}}),
        ),
    );
    let ran = harness.run("lookup_user", json!({"email": "a+b@c.de"}));
    assert_eq!(ran.output()["id"], "W1");
}

#[test]
fn what_is_missing_is_said_before_anything_is_sent() {
    let ran = harness().run("post_message", json!({"channel": "C1"}));
    ran.expect_error("invalid-input", "no_text");
    let ran = harness().run("post_message", json!({"channel": "C1", "txt": "typo"}));
    ran.expect_error("invalid-input", "schema");
    let ran = Harness::new(slack::connector()).run("post_message", hello());
    ran.expect_error("auth", "unknown_credential");
}

#[test]
fn the_manifest_is_the_committed_one() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../levqor-connectors/builtin");
    manifest_is(format!("{builtin}/slack.manifest.json"), &slack::connector());
}
