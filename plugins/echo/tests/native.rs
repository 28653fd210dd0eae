//! `echo` natively: what can be run without a sandbox to survive it.

use levqor_plugin_sdk::testing::{Harness, get, manifest_is, post};
use serde_json::json;

fn harness() -> Harness {
    Harness::new(echo::connector()).secret("token", "s3cr3t-value")
}

#[test]
fn it_says_back_what_it_hears() {
    let ran = harness().run("say", json!({"text": "hi", "n": [1, null]}));
    assert_eq!(ran.output(), json!({"text": "hi", "n": [1, null], "echoed": true}));
}

#[test]
fn it_fails_as_asked() {
    for case in
        ["invalid_input", "auth", "not_found", "conflict", "transient", "permanent", "ambiguous"]
    {
        let ran = harness().run("fail", json!({"case": case, "code": "asked"}));
        ran.expect_error(&case.replace('_', "-"), "asked");
    }
    let limited = json!({"case": "rate_limited", "retry_after_ms": 1500});
    harness().run("fail", limited).expect_rate_limited(1500);
    let ran = harness().run("fail", json!({"case": "transient", "until_attempt": 1}));
    assert_eq!(ran.output(), json!({"attempt": 1}));
}

#[test]
fn it_fetches_and_remembers() {
    let harness = harness();
    harness.mock(get("http://10.0.0.1/").reply(204).header("x-a", "b"));
    let ran = harness.run("fetch", json!({"url": "http://10.0.0.1/", "bearer": true}));
    assert_eq!(ran.output(), json!({"status": 204, "headers": {"x-a": "b"}, "text": ""}));
    harness.mock(post("https://a.example/").reset());
    let ran = harness.run("fetch", json!({"url": "https://a.example/", "body": "x"}));
    assert_eq!(ran.error().kind(), "transient", "fetch is declared safe");
    assert_eq!(harness.run("remember", json!({})).output()["calls"], 1);
    assert_eq!(harness.run("remember", json!({})).output()["calls"], 2);
    assert_eq!(harness.run("reveal", json!({"credential": "token"})).output()["bytes"], 12);
    assert_eq!(harness.run("charge", json!({"credits": 7})).credits, Some(7));
}

#[test]
fn it_misbehaves() {
    let ran = harness().run("misbehave", json!({"mode": "bad_json"}));
    ran.expect_error("permanent", "bad_output");
    let ran = harness().run("misbehave", json!({"mode": "flood_log", "lines": 3}));
    assert_eq!(ran.log.len(), 3);
    let harness = harness();
    harness.mock(get("https://a.example/"));
    let forged = json!({"mode": "forged_host", "url": "https://a.example/", "host": "b.example"});
    assert_eq!(harness.run("misbehave", forged).only().header("host"), Some("b.example"));
}

#[test]
fn the_manifest_is_the_committed_one() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../levqor-connectors/builtin");
    manifest_is(format!("{builtin}/echo.manifest.json"), &echo::connector());
}
