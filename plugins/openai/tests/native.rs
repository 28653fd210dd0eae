//! `openai` natively: the shapes it sends, and what the vendor's own faults come to.

use levqor_plugin_sdk::testing::{Harness, manifest_is, post};
use serde_json::{Value, json};

const CHAT: &str = "https://api.openai.com/v1/chat/completions";
const EMBEDDINGS: &str = "https://api.openai.com/v1/embeddings";

fn harness() -> Harness {
    Harness::new(openai::connector()).secret("api_key", "sk-very-secret")
}

fn completion(message: Value, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 301, "total_tokens": 1501},
    })
}

fn says(text: &str) -> Value {
    completion(json!({"role": "assistant", "content": text, "refusal": null}), "stop")
}

#[test]
fn a_prompt_is_answered() {
    let harness = harness();
    harness.mock(post(CHAT).json(says("Hello")));
    let input = json!({"prompt": "Hi", "system": "Be short", "temperature": 0, "max_tokens": 9});
    let ran = harness.run("chat", input);
    assert_eq!(ran.output()["text"], "Hello");
    assert_eq!(ran.output()["usage"]["total_tokens"], 1501);
    assert_eq!(ran.credits, None, "the listed price without a rate");
    assert_eq!(
        ran.only().json(),
        json!({
            "model": "gpt-4o-mini", "temperature": 0.0, "max_completion_tokens": 9,
            "messages": [
                {"role": "system", "content": "Be short"}, {"role": "user", "content": "Hi"},
            ],
        })
    );
}

#[test]
fn an_answer_has_the_schema_asked_for() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let input = json!({"prompt": "7 as JSON", "schema": schema});
    let harness = harness();
    harness.mock(post(CHAT).json(says("{\"n\": 7}")));
    let ran = harness.run("chat", input.clone());
    assert_eq!(ran.output()["json"], json!({"n": 7}));
    let format = &ran.only().json()["response_format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["json_schema"]["schema"], schema);

    harness.mock(post(CHAT).json(says("seven")));
    harness.run("chat", input.clone()).expect_error("permanent", "not_json");
    let cut = completion(json!({"role": "assistant", "content": "{\"n\": "}), "length");
    harness.mock(post(CHAT).json(cut));
    harness.run("chat", input.clone()).expect_error("permanent", "incomplete");
    let refusal = json!({"role": "assistant", "content": null, "refusal": "no"});
    harness.mock(post(CHAT).json(completion(refusal, "stop")));
    harness.run("chat", input).expect_error("permanent", "refused");
}

#[test]
fn the_operator_chooses_service_model_and_rate() {
    let harness = Harness::new(openai::connector()).config(json!({
        "base_url": "http://127.0.0.1:11434/v1", "model": "llama3", "anonymous": true,
        "max_tokens_field": "max_tokens", "credits_per_1k_tokens": 10,
    }));
    harness.mock(post("http://127.0.0.1:11434/v1/chat/completions").json(says("Hello")));
    let ran = harness.run("chat", json!({"prompt": "Hi", "max_tokens": 5}));
    assert_eq!(ran.credits, Some(16), "1501 tokens at 10 per 1000, rounded up");
    assert_eq!(ran.only().json()["model"], "llama3");
    assert_eq!(ran.only().json()["max_tokens"], 5);
    assert_eq!(ran.only().auth.credential(), None);
}

#[test]
fn texts_become_vectors_in_order() {
    let vector =
        |index: u32, x: f64| json!({"object": "embedding", "index": index, "embedding": [x]});
    let harness = harness();
    harness.mock(post(EMBEDDINGS).json(json!({
        "object": "list", "model": "text-embedding-3-small",
        "data": [vector(1, 0.5), vector(0, -0.25)],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    })));
    let ran = harness.run("embeddings", json!({"texts": ["a", "b"], "dimensions": 1}));
    assert_eq!(ran.output()["embeddings"], json!([[-0.25], [0.5]]));
    assert_eq!(
        ran.only().json(),
        json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 1,
            "encoding_format": "float"})
    );
}

#[test]
fn slower_and_pay_first_are_told_apart() {
    let error = |code: &str| json!({"error": {"message": "m", "type": code, "code": code}});
    let hi = || json!({"prompt": "Hi"});
    let harness = harness();
    harness.mock(post(CHAT).reply(429).json(error("insufficient_quota")));
    harness.run("chat", hi()).expect_error("permanent", "insufficient_quota");
    let slower = || post(CHAT).reply(429).json(error("rate_limit_exceeded"));
    harness.mock(slower().header("retry-after", "2"));
    harness.run("chat", hi()).expect_rate_limited(2_000);
    harness.mock(slower().header("retry-after", "2").header("retry-after-ms", "1250"));
    harness.run("chat", hi()).expect_rate_limited(1_250);
    harness.mock(slower().header("x-ratelimit-reset-requests", "1m30s"));
    harness.run("chat", hi()).expect_rate_limited(90_000);
}

#[test]
fn refusals_keep_the_vendors_code() {
    for (status, code, kind) in [
        (400, "context_length_exceeded", "invalid-input"),
        (401, "invalid_api_key", "auth"),
        (404, "model_not_found", "not-found"),
        (500, "server_error", "transient"),
        (503, "overloaded", "transient"),
    ] {
        let harness = harness();
        let error = json!({"error": {"message": "m", "type": "t", "param": null, "code": code}});
        harness.mock(post(CHAT).reply(status).json(error));
        harness.run("chat", json!({"prompt": "Hi"})).expect_error(kind, code);
    }
    let harness = harness();
    harness.mock(post(CHAT).reset());
    harness.run("chat", json!({"prompt": "Hi"})).expect_error("transient", "no_answer");
    assert_eq!(harness.run("chat", json!({})).error().kind(), "invalid-input");
}

#[test]
fn the_manifest_is_the_committed_one() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../levqor-connectors/builtin");
    manifest_is(format!("{builtin}/openai.manifest.json"), &openai::connector());
}
