//! `text` natively: tables of inputs and outputs.

use levqor_plugin_sdk::testing::{Harness, manifest_is};
use serde_json::{Value, json};

#[test]
fn tables() {
    let harness = Harness::new(text::connector());
    for (action, input, output) in cases() {
        assert_eq!(harness.run(action, input.clone()).output(), output, "{action} {input}");
    }
}

fn cases() -> Vec<(&'static str, Value, Value)> {
    let text = |t: &str| json!({ "text": t });
    vec![
        ("upper", text("straße"), text("STRASSE")),
        ("lower", text("ÄB"), text("äb")),
        (
            "split",
            json!({"text": "a, b,,c", "separator": ","}),
            json!({"parts": ["a", " b", "", "c"]}),
        ),
        (
            "split",
            json!({"text": "a, b,,c", "separator": ",", "trim": true}),
            json!({"parts": ["a", "b", "c"]}),
        ),
        ("split", json!({"text": "  one  two\n"}), json!({"parts": ["one", "two"]})),
        (
            "split",
            json!({"text": "k=v=w", "separator": "=", "limit": 2}),
            json!({"parts": ["k", "v=w"]}),
        ),
        ("split", json!({"text": ""}), json!({"parts": []})),
        ("join", json!({"parts": ["a", 1, true], "separator": "-"}), text("a-1-true")),
        ("replace", json!({"text": "a.b.c", "from": ".", "to": ""}), text("abc")),
        ("truncate", json!({"text": "äöü", "max": 3}), text("äöü")),
        ("truncate", json!({"text": "hello world", "max": 7}), text("hello…")),
        ("truncate", json!({"text": "hello", "max": 2, "ending": "..."}), text("..")),
        (
            "template",
            json!({"template": "{{Hi}} {name}, {n}", "values": {"name": "Ada", "n": 3}}),
            text("{Hi} Ada, 3"),
        ),
        (
            "regex_match",
            json!({"text": "id=7 ID=8", "pattern": "id=(?<n>\\d+)", "ignore_case": true}),
            json!({"matched": true, "matches": [
                {"text": "id=7", "groups": ["7"], "named": {"n": "7"}},
                {"text": "ID=8", "groups": ["8"], "named": {"n": "8"}},
            ]}),
        ),
        (
            "regex_match",
            json!({"text": "abc", "pattern": "x"}),
            json!({"matched": false, "matches": []}),
        ),
        (
            "regex_replace",
            json!({"text": "2026-11-23", "pattern": "(\\d+)-(\\d+)-(\\d+)", "to": "$3.$2.$1"}),
            text("23.11.2026"),
        ),
    ]
}

#[test]
fn what_is_wrong_is_said() {
    let harness = Harness::new(text::connector());
    harness
        .run("template", json!({"template": "{name}", "values": {}}))
        .expect_error("invalid-input", "missing_value");
    harness
        .run("regex_match", json!({"text": "", "pattern": "("}))
        .expect_error("invalid-input", "bad_pattern");
    harness.run("upper", json!({"txt": "typo"})).expect_error("invalid-input", "schema");
    harness.run("shout", json!({})).expect_error("invalid-input", "unknown_action");
    for broken in ["{", "a } b", "{name"] {
        let input = json!({"template": broken, "values": {"name": 1}});
        assert_eq!(harness.run("template", input).error().kind(), "invalid-input", "{broken}");
    }
}

#[test]
fn the_manifest_is_the_committed_one() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../levqor-connectors/builtin");
    manifest_is(format!("{builtin}/text.manifest.json"), &text::connector());
}
