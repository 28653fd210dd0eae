//! `http` natively: bodies, credentials, statuses and pages.

use levqor_plugin_sdk::Auth;
use levqor_plugin_sdk::testing::{Harness, any, get, manifest_is, post};
use serde_json::{Value, json};

const URL: &str = "https://api.example/items";

fn harness() -> Harness {
    Harness::new(http::connector()).secret("auth", "s3cr3t-value")
}

#[test]
fn bodies() {
    for (body, content_type, sent) in [
        (json!({"json": {"a": [1, null]}}), Some("application/json"), "{\"a\":[1,null]}"),
        (
            json!({"form": {"a b": "ä&", "n": 1}}),
            Some("application/x-www-form-urlencoded"),
            "a+b=%C3%A4%26&n=1",
        ),
        (json!({"text": "plain"}), None, "plain"),
        (json!({}), None, ""),
    ] {
        let harness = harness();
        harness.mock(post(URL).reply(201));
        let mut input = json!({"method": "POST", "url": URL});
        input.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let ran = harness.run("request", input);
        assert_eq!(ran.output()["status"], 201);
        assert_eq!(ran.only().header("content-type"), content_type);
        assert_eq!(ran.only().body, sent);
    }
    let both = json!({"method": "POST", "url": URL, "text": "a", "json": 1});
    assert_eq!(harness().run("request", both).error().kind(), "invalid-input");
}

#[test]
fn query_headers_and_key() {
    let harness = harness();
    harness.mock(any(URL).json(json!([1])));
    let ran = harness.run("request", json!({
        "method": "PATCH", "url": format!("{URL}?a=1#part"), "query": {"tag": ["x", "y z"], "no": null},
        "headers": {"X-A": "b"}, "idempotency_header": "Idempotency-Key",
    }));
    assert_eq!(ran.only().url, format!("{URL}?a=1&tag=x&tag=y+z#part"));
    assert_eq!(ran.only().header("x-a"), Some("b"));
    assert!(ran.only().header("idempotency-key").is_some());
    assert_eq!(ran.output()["json"], json!([1]));
}

#[test]
fn the_credential_goes_where_the_step_says() {
    for (preset, auth) in [
        (json!("bearer"), "Bearer(\"auth\")"),
        (json!("basic"), "Basic(\"auth\")"),
        (
            json!({"header": "X-Api-Key"}),
            "Header(Placed { place: \"X-Api-Key\", credential: \"auth\" })",
        ),
        (json!({"query": "key"}), "Query(Placed { place: \"key\", credential: \"auth\" })"),
    ] {
        let harness = harness();
        harness.mock(get(URL));
        let ran = harness.run("get", json!({"url": URL, "auth": preset}));
        assert_eq!(format!("{:?}", ran.only().auth), auth);
    }
    let harness = harness();
    harness.mock(get(URL));
    assert_eq!(harness.run("get", json!({"url": URL})).only().auth, Auth::None);
    let harness = Harness::new(http::connector());
    let ran = harness.run("get", json!({"url": URL, "auth": "bearer"}));
    ran.expect_error("auth", "unknown_credential");
}

#[test]
fn statuses() {
    let read = |expect: Value| json!({"url": URL, "expect": expect});
    let harness = harness();
    harness.mock(get(URL).reply(404).body("gone"));
    assert_eq!(harness.run("get", read(json!([200, 404]))).output()["text"], "gone");
    harness.mock(get(URL).reply(204));
    harness.run("get", read(json!([200]))).expect_error("permanent", "unexpected_status");
    harness.mock(get(URL).reply(422).json(json!({"message": "bad"})));
    harness.run("get", json!({"url": URL})).expect_error("invalid-input", "http_422");
    harness.mock(get(URL).reply(429).header("retry-after", "7"));
    harness.run("get", json!({"url": URL})).expect_rate_limited(7000);
    harness.mock(post(URL).reset());
    let write = json!({"method": "POST", "url": URL});
    harness.run("request", write).expect_error("ambiguous", "no_answer");
    harness.mock(get(URL).reset());
    let read = json!({"method": "GET", "url": URL});
    harness.run("request", read).expect_error("transient", "no_answer");
}

#[test]
fn broken_json_is_text() {
    let harness = harness();
    harness.mock(get(URL).header("content-type", "application/json").body("{oops"));
    assert_eq!(harness.run("get", json!({"url": URL})).output()["text"], "{oops");
}

#[test]
fn pages_by_link_header() {
    let harness = harness();
    let link = format!("<{URL}?page=2>; rel=\"next\"");
    harness.mock(get(&format!("{URL}?q=x")).header("link", &link).json(json!([1, 2])));
    harness.mock(get(&format!("{URL}?page=2")).json(json!([3])));
    let input = json!({"url": URL, "query": {"q": "x"}, "pages": "link_header", "auth": "bearer"});
    let ran = harness.run("paginate", input);
    assert_eq!(ran.output(), json!({"items": [1, 2, 3], "pages": 2, "complete": true}));

    harness.mock(get(URL).header("link", "<https://evil.example/>; rel=next").json(json!([])));
    let input = json!({"url": URL, "pages": "link_header"});
    harness.run("paginate", input).expect_error("permanent", "other_host");
}

#[test]
fn pages_by_cursor_and_by_number() {
    let cursor = json!({"cursor": {"from": "/meta/next", "parameter": "after"}});
    let input = json!({"url": URL, "pages": cursor, "items": "/data", "max_pages": 3});
    let harness = harness();
    let page = |next: Value| get(URL).json(json!({"data": [0], "meta": {"next": next}}));
    harness.mock(page(json!("a"))).mock(page(json!(7))).mock(page(Value::Null));
    let ran = harness.run("paginate", input.clone());
    assert_eq!(ran.output(), json!({"items": [0, 0, 0], "pages": 3, "complete": true}));
    assert_eq!(ran.sent[2].query("after").as_deref(), Some("7"));

    harness.mock(page(json!("a")).times(2));
    harness.run("paginate", input).expect_error("permanent", "page_loop");

    let number = json!({"page_number": {"parameter": "page", "first": 0}});
    let input = json!({"url": URL, "pages": number, "max_pages": 2});
    harness.mock(get(URL).json(json!([1])).times(2));
    let ran = harness.run("paginate", input.clone());
    assert_eq!(ran.output(), json!({"items": [1, 1], "pages": 2, "complete": false}));
    assert_eq!(ran.sent[1].query("page").as_deref(), Some("1"));
    harness.mock(get(URL).json(json!({"not": "a list"})));
    harness.run("paginate", input).expect_error("permanent", "no_list");
}

#[test]
fn the_manifest_is_the_committed_one() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../../levqor-connectors/builtin");
    manifest_is(format!("{builtin}/http.manifest.json"), &http::connector());
}
